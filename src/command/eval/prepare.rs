//! Prepares a run of one set: everything that can be checked before the first call.

use super::baseline_source::{BASELINE_HINT, invalid_baseline_error};
use super::gate::resolve_gate;
use super::{BaselineSource, CommandContext, CommandError, RunSpec, call, max_cost};
use crate::chat::format_times;
use crate::cli::EvalArgs;
use crate::command::call_error::unusable_route_error;
use crate::config::Config;
use crate::eval::statistics::MinPass;
use crate::eval::{
    CachePolicy, CallMetric, Case, CaseFeature, CaseMetadata, Cases, EvalSubject, Gate, GoldenSet,
    split_subject_name,
};
use crate::provider::{Environment, ModelRefError};
use crate::route::{CallOptions, Route, Router};

/// A checked run, ready to execute.
pub(super) struct PreparedRun {
    pub(super) set: GoldenSet,
    /// The selected cases.
    pub(super) cases: Cases,
    /// Whether all cases of the set are selected.
    pub(super) is_whole_set: bool,
    pub(super) subjects: Vec<EvalSubject>,
    pub(super) spec: RunSpec,
    /// How many repeats of a case must pass; `None` if every answer counts by itself.
    pub(super) min_pass: Option<MinPass>,
    pub(super) cache: CachePolicy,
    pub(super) gate: Gate,
}

impl PreparedRun {
    /// The selected cases as rendered for this subject's prompt.
    pub(super) fn cases_for(&self, subject: &EvalSubject) -> Cases {
        self.set.cases_for_subject(&subject.name, &self.cases)
    }

    /// The metadata of those cases, including digests.
    pub(super) fn case_metadata_for(&self, subject: &EvalSubject) -> Vec<CaseMetadata> {
        self.cases_for(subject).heads().collect()
    }

    /// The number of cases times the number of repeats.
    pub(super) fn results_per_subject(&self) -> usize {
        self.cases.len() * self.spec.repeat as usize
    }
}

pub(super) fn prepare_run(
    context: &CommandContext,
    args: &EvalArgs,
    config: &Config,
    router: &Router,
    options: &CallOptions,
    set: GoldenSet,
    spec: RunSpec,
) -> Result<PreparedRun, CommandError> {
    let environment = context.environment();
    let count = set.cases.len();
    let cache = resolve_cache_policy(args, &environment).restrict_for_set(&set);
    let cases = spec.selection.select_cases(&set)?;
    let is_whole_set = cases.len() == count;
    let gate = resolve_gate(&args.gate, &set, cases.len() * spec.repeat as usize)?;
    // The latency of a cached answer says nothing about today's.
    let cache = CachePolicy { can_read: cache.can_read && !gate.has_latency_limit(), ..cache };
    let min_pass = resolve_min_pass(args, &set, spec.repeat)?;
    if let Some(case) =
        first_case_with_limit_on(&cases, CallMetric::FirstTokenMilliseconds).filter(|_| args.no_stream)
    {
        let message = format!(
            "{}: case `{}` limits the time to first token, which needs streaming",
            set.path, case.metadata.id
        );
        return Err(
            CommandError::usage(message).with_hint("remove --no-stream or the `first-token` assertion")
        );
    }
    let mut subjects = Vec::new();
    for name in &spec.subjects {
        if let Some(source) = &spec.baseline {
            let metadata: Vec<CaseMetadata> = set.cases_for_subject(name, &cases).heads().collect();
            source.check_comparable(&set, &metadata, min_pass)?;
        }
        // A resumed run may have a prompt that the set no longer has, or none where the set has prompts now.
        if set.expand_subject(name).map_err(CommandError::usage)? != [name.as_str()] {
            let message = format!("cannot resume {name}: the run started before {} had `prompts`", set.path);
            return Err(CommandError::usage(message).with_hint("drop --resume to start a new run"));
        }
        let subject = config.resolve_subject(split_subject_name(name).0, &environment).map_err(|error| {
            let is_baseline = spec.baseline.as_ref().and_then(BaselineSource::subject_in_run) == Some(name);
            if is_baseline && !name.contains(['/', ':']) {
                let hint = error.hint.filter(|hint| hint != ModelRefError::HINT);
                return invalid_baseline_error(name)
                    .with_hint(hint.unwrap_or_else(|| BASELINE_HINT.to_owned()));
            }
            let location = match spec.has_set_subjects {
                _ if is_baseline => "--baseline: ".to_owned(),
                true => format!("{}, under `models:`: ", set.path),
                false => String::new(),
            };
            CommandError { error: anyhow::anyhow!("{location}{error}"), ..CommandError::from(error) }
        })?;
        let simulated = format!("slalom eval {} -m sim-openai/good", shell_words::quote(&set.path));
        if let Some(error) = unusable_route_error(&subject.route, &simulated) {
            return Err(error);
        }
        let unreadable = || {
            let message = format!("{}: cannot read cases from the temporary folder", set.path);
            CommandError::usage(message).with_hint("rerun, or set $TMPDIR to another folder")
        };
        let first = set.cases_for_subject(name, &cases).first().ok_or_else(unreadable)?;
        let plan = router.plan(&subject.route, &first.request, options);
        call::check_callable(context, &plan, false)?;
        check_cost_limits_have_prices(&set, &cases, &gate, name, &subject.route)?;
        max_cost::check_price_known(&plan)?;
        subjects.push(EvalSubject { name: name.clone(), route: subject.route });
    }
    Ok(PreparedRun { set, cases, is_whole_set, subjects, spec, min_pass, cache, gate })
}

/// Cached answers would hide every change, so CI and comparisons read the cache only with `--cache`.
fn resolve_cache_policy(args: &EvalArgs, environment: &dyn Environment) -> CachePolicy {
    let value = environment.variable("CI").unwrap_or_default().trim().to_ascii_lowercase();
    let in_ci = !matches!(value.as_str(), "" | "0" | "false" | "no" | "off");
    let wants_fresh = in_ci || args.gate.baseline.is_some() || args.gate.drift;
    let can_read = !args.no_cache && !args.refresh && (args.cache || !wants_fresh);
    CachePolicy { can_read, can_write: !args.no_cache }
}

fn resolve_min_pass(args: &EvalArgs, set: &GoldenSet, repeat: u32) -> Result<Option<MinPass>, CommandError> {
    let min_pass = args.min_pass.or(set.min_pass);
    match min_pass.filter(|min_pass| *min_pass > repeat) {
        None => Ok(min_pass.map(|pass| MinPass { required: pass, repeats: repeat })),
        Some(min_pass) => {
            let source = match args.min_pass {
                Some(_) => format!("invalid --min-pass `{min_pass}`"),
                None => format!("{}: invalid `min_pass: {min_pass}`", set.path),
            };
            let message = format!("{source}: each case runs {}", format_times(repeat));
            let hint = "raise --repeat, or lower --min-pass (`repeat` and `min_pass` in the set)";
            Err(CommandError::usage(message).with_hint(hint))
        }
    }
}

/// The first case with a limit on this metric.
fn first_case_with_limit_on(cases: &Cases, metric: CallMetric) -> Option<Case> {
    cases.with_feature(CaseFeature::HasLimitOn(metric)).next()
}

/// A cost limit cannot be checked against a model without a known price.
fn check_cost_limits_have_prices(
    set: &GoldenSet,
    cases: &Cases,
    gate: &Gate,
    name: &str,
    route: &Route,
) -> Result<(), CommandError> {
    let (limited_by, hint) = match (first_case_with_limit_on(cases, CallMetric::CostUsd), gate.max_cost_usd) {
        (Some(case), _) => (format!("case `{}`", case.metadata.id), "remove the `cost` assertion"),
        (None, Some(_)) => ("the gate".to_owned(), "remove `max_cost_usd`"),
        (None, None) => return Ok(()),
    };
    for candidate in &route.candidates {
        let price = candidate
            .target
            .as_ref()
            .ok()
            .map(|target| target.facts.as_ref().map(|f| f.pricing.base).unwrap_or_default());
        if price.is_some_and(|price| price.input.is_none() || price.output.is_none()) {
            return Err(CommandError::usage(format!(
                "{}: {limited_by} limits the cost, but the price of {} (subject {name}) is unknown",
                set.path, candidate.model_ref
            ))
            .with_hint(format!("set the price under `models:` in routes.yaml, or {hint}")));
        }
    }
    Ok(())
}
