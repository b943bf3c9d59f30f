//! What a run is held to: the set's gate, and what was typed above it.

use super::CommandError;
use crate::cli::{GateArgs, MetricArg};
use crate::eval::statistics::ComparisonMetric;
use crate::eval::{CountOrShare, Gate, GoldenSet, MIN_ANSWERS_FOR_P95};

/// The gate of a set that is asked for so many answers.
pub(super) fn resolve_gate(args: &GateArgs, set: &GoldenSet, answers: usize) -> Result<Gate, CommandError> {
    let metric = args.metric.map(|metric| match metric {
        MetricArg::PassRate => ComparisonMetric::PassRate,
        MetricArg::Score => ComparisonMetric::Score,
    });
    let max_unscored =
        args.max_unscored.as_deref().map(str::parse::<CountOrShare>).transpose().map_err(|why| {
            let hint = "write a number of cases, or a share such as 1%";
            CommandError::usage(format!("--max-unscored: {why}")).with_hint(hint)
        })?;
    let typed = Gate {
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
    if let Some((name, must)) = typed.find_invalid_fields().first() {
        let hint = if *must == "0 or more" { "write a limit, or leave it out" } else { "write 0.9 for 90 %" };
        return Err(
            CommandError::usage(format!("--{} must be {must}", name.replace('_', "-"))).with_hint(hint)
        );
    }
    let gate = typed.merge_over(&set.gate.clone().unwrap_or_default());
    if gate.max_p95_ms.is_some() && answers < MIN_ANSWERS_FOR_P95 {
        return Err(CommandError::usage(format!(
            "{}: a limit on the 95th percentile takes {MIN_ANSWERS_FOR_P95} answers, and {answers} are asked for",
            set.path
        ))
        .with_hint("run the whole set, raise --repeat, or limit the median with --max-p50-ms"));
    }
    if args.baseline.is_some() && gate.strict && gate.max_drop.is_none() {
        return Err(CommandError::usage("with a baseline, strict needs the drop that must be ruled out")
            .with_hint(
                "give --max-drop, or `max_drop` in the set's gate; this set says what it can rule out at all",
            ));
    }
    if args.drift && args.max_drop.is_some() {
        return Err(CommandError::usage("--max-drop is between two models; --drift reports what is certain")
            .with_hint("leave --max-drop out, or compare with --baseline"));
    }
    if args.metric.is_some() && args.baseline.is_none() && !args.drift {
        return Err(CommandError::usage("--metric says what is compared, and nothing is")
            .with_hint("give --baseline or --drift"));
    }
    if args.strict && args.baseline.is_none() && !gate.has_floor() {
        return Err(CommandError::usage("--strict has nothing to hold")
            .with_hint("give --min-pass-rate or --min-score, or --baseline with --max-drop"));
    }
    Ok(gate)
}
