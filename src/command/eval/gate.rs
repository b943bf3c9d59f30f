//! Resolves the gate of a run from the set and the command line.

use super::CommandError;
use crate::cli::{GateArgs, MetricArg};
use crate::eval::statistics::ComparisonMetric;
use crate::eval::{CountOrShare, Gate, GoldenSet, MIN_ANSWERS_FOR_P95};

/// `answers` is the total of all cases and repeats of one subject.
pub(super) fn resolve_gate(args: &GateArgs, set: &GoldenSet, answers: usize) -> Result<Gate, CommandError> {
    let metric = args.metric.map(|metric| match metric {
        MetricArg::PassRate => ComparisonMetric::PassRate,
        MetricArg::Score => ComparisonMetric::Score,
    });
    let max_unscored =
        args.max_unscored.as_deref().map(str::parse::<CountOrShare>).transpose().map_err(|why| {
            let hint = "use a number of cases, or a percentage such as 1%";
            CommandError::usage(format!("--max-unscored: {why}")).with_hint(hint)
        })?;
    let flags = Gate {
        metric,
        min_pass_rate: args.min_pass_rate,
        min_score: args.min_score,
        max_cost_usd: args.max_cost_usd,
        max_p50_ms: args.max_p50_ms,
        max_p95_ms: args.max_p95_ms,
        max_unscored,
        max_drop: args.max_drop,
        margin: args.margin,
        strict: args.strict,
    };
    if let Some(invalid) = flags.find_invalid_fields().first() {
        let flag = invalid.name.replace('_', "-");
        let message = format!("invalid --{flag} `{}`: must be {}", invalid.value, invalid.requirement);
        return Err(CommandError::usage(message).with_hint(invalid.hint));
    }
    let gate = flags.merge_over(&set.gate.clone().unwrap_or_default());
    if gate.max_p95_ms.is_some() && answers < MIN_ANSWERS_FOR_P95 {
        return Err(CommandError::usage(format!(
            "{}: a p95 limit needs at least {MIN_ANSWERS_FOR_P95} answers, but this run has {answers}",
            set.path
        ))
        .with_hint("run the whole set, raise --repeat, or limit the median with --max-p50-ms"));
    }
    if args.baseline.is_some() && gate.strict && gate.max_drop.is_none() {
        return Err(CommandError::usage("`strict` with a baseline requires `max_drop`")
            .with_hint("pass --max-drop, or set `max_drop` in the set's `gate:`"));
    }
    if args.drift && args.max_drop.is_some() {
        return Err(CommandError::usage(
            "cannot combine --max-drop with --drift: --max-drop applies only to --baseline",
        )
        .with_hint("remove --max-drop, or compare with --baseline"));
    }
    if args.metric.is_some() && args.baseline.is_none() && !args.drift {
        return Err(CommandError::usage("--metric has no effect without a comparison")
            .with_hint("add --baseline or --drift"));
    }
    if args.strict && args.baseline.is_none() && !gate.has_floor() {
        return Err(CommandError::usage("--strict has no effect without a minimum or a baseline")
            .with_hint("add --min-pass-rate or --min-score, or --baseline with --max-drop"));
    }
    Ok(gate)
}
