//! One set with everything that can be found out before the first call.

use super::gate::resolve_gate;
use super::{CommandContext, CommandError, RunSpec, call, max_cost};
use crate::chat::{format_times, pluralize};
use crate::cli::EvalArgs;
use crate::config::Config;
use crate::eval::statistics::MinPass;
use crate::eval::{
    CachePolicy, CallMetric, Case, CaseFeature, CaseMetadata, Cases, EvalSubject, Gate, GoldenSet,
    split_subject_name,
};
use crate::provider::Environment;
use crate::route::{Route, Router, RoutingHints};

/// One set with everything that was found out before the first call.
pub(super) struct PreparedRun {
    /// The set.
    pub(super) set: GoldenSet,
    /// Those of its cases that are run.
    pub(super) cases: Cases,
    /// Whether these are all of them.
    pub(super) is_whole_set: bool,
    pub(super) subjects: Vec<EvalSubject>,
    pub(super) spec: RunSpec,
    /// How many of a case's repeats must pass, where that decides the case.
    pub(super) min_pass: Option<MinPass>,
    pub(super) cache: CachePolicy,
    pub(super) gate: Gate,
}

impl PreparedRun {
    /// The cases as this subject is asked them.
    pub(super) fn cases_for(&self, subject: &EvalSubject) -> Cases {
        self.set.cases_for_subject(&subject.name, &self.cases)
    }

    /// What tells these from each other.
    pub(super) fn case_metadata_for(&self, subject: &EvalSubject) -> Vec<CaseMetadata> {
        self.cases_for(subject).heads().collect()
    }

    /// How many results each subject comes to.
    pub(super) fn results_per_subject(&self) -> usize {
        self.spec.selection.result_count(&self.cases)
    }
}

pub(super) fn prepare_run(
    context: &CommandContext,
    args: &EvalArgs,
    config: &Config,
    router: &Router,
    set: GoldenSet,
    choice: RunSpec,
) -> Result<PreparedRun, CommandError> {
    let environment = context.environment();
    let count = set.cases.len();
    let cache = resolve_cache_policy(args, &environment).restrict_for_set(&set);
    let cases = choice.selection.select_cases(&set)?;
    let is_whole_set = cases.len() == count;
    let answers = choice.selection.result_count(&cases);
    let gate = resolve_gate(&args.gate, &set, answers)?;
    // How long an answer from before took says nothing of today.
    let cache = CachePolicy { can_read: cache.can_read && !gate.has_latency_limit(), ..cache };
    let min_pass = resolve_min_pass(args, &set, choice.selection.repeat)?;
    if let Some(case) =
        first_case_with_limit_on(&cases, CallMetric::FirstTokenMilliseconds).filter(|_| args.no_stream)
    {
        let message = format!(
            "{}: case `{}` limits the time to the first token, which only a stream has",
            set.path, case.metadata.id
        );
        return Err(
            CommandError::usage(message).with_hint("leave --no-stream out, or the `first-token` assertion")
        );
    }
    let mut subjects = Vec::new();
    for name in &choice.subjects {
        if let Some(against) = &choice.baseline {
            let heads: Vec<CaseMetadata> = set.cases_for_subject(name, &cases).heads().collect();
            against.check_comparable(&set, &heads, min_pass)?;
        }
        // A run that is gone on with may know a prompt that the set has no more, or none.
        if set.expand_subject(name).map_err(CommandError::usage)? != [name.as_str()] {
            let message = format!("{name} was begun before {} had `prompts`", set.path);
            return Err(CommandError::usage(message).with_hint("leave --resume out, and a new run begins"));
        }
        let subject = config.resolve_subject(split_subject_name(name).0, &environment).map_err(|error| {
            let place = if choice.has_set_subjects {
                format!("{}, under `models:`: ", set.path)
            } else {
                String::new()
            };
            CommandError { error: anyhow::anyhow!("{place}{error}"), ..CommandError::from(error) }
        })?;
        let unreadable = || {
            let message = format!("{}: what was put aside of its cases cannot be read any more", set.path);
            CommandError::usage(message)
                .with_hint("run it again; $TMPDIR names the folder that they are put in")
        };
        let first = set.cases_for_subject(name, &cases).first().ok_or_else(unreadable)?;
        let plan = router.plan(&subject.route, &first.request, &RoutingHints::default());
        call::check_callable(context, &subject.route, &plan, false)?;
        check_cost_limits_have_prices(&set, &cases, &gate, name, &subject.route)?;
        max_cost::check_price_known(&plan, router.run_budget())?;
        subjects.push(EvalSubject { name: name.clone(), route: subject.route });
    }
    Ok(PreparedRun { set, cases, is_whole_set, subjects, spec: choice, min_pass, cache, gate })
}

/// A gate that replays yesterday's answers sees no change, so CI and whoever compares use none unless they are told to.
fn resolve_cache_policy(args: &EvalArgs, environment: &dyn Environment) -> CachePolicy {
    let value = environment.variable("CI").unwrap_or_default().trim().to_ascii_lowercase();
    let in_ci = !matches!(value.as_str(), "" | "0" | "false" | "no" | "off");
    let wants_fresh = in_ci || args.gate.baseline.is_some() || args.gate.drift;
    let reads = !args.no_cache && !args.refresh && (args.cache || !wants_fresh);
    CachePolicy { can_read: reads, can_write: !args.no_cache }
}

fn resolve_min_pass(args: &EvalArgs, set: &GoldenSet, repeat: u32) -> Result<Option<MinPass>, CommandError> {
    let min_pass = args.min_pass.or(set.min_pass);
    match min_pass.filter(|min_pass| *min_pass > repeat) {
        None => Ok(min_pass.map(|pass| MinPass { required: pass, repeats: repeat })),
        Some(min_pass) => Err(CommandError::usage(format!(
            "{}: {} of a case must pass, and it is asked {}",
            set.path,
            pluralize(min_pass, "repeat"),
            format_times(repeat)
        ))
        .with_hint("raise --repeat, or lower --min-pass (`repeat` and `min_pass` in the set)")),
    }
}

/// The first case that has an assertion about this figure of its call.
fn first_case_with_limit_on(cases: &Cases, quantity: CallMetric) -> Option<Case> {
    cases.with_feature(CaseFeature::HasLimitOn(quantity)).next()
}

/// A limit on cost cannot be held against a model whose price nobody knows.
fn check_cost_limits_have_prices(
    set: &GoldenSet,
    cases: &Cases,
    gate: &Gate,
    name: &str,
    route: &Route,
) -> Result<(), CommandError> {
    let (what, hint) = match (first_case_with_limit_on(cases, CallMetric::CostUsd), gate.max_cost_usd) {
        (Some(case), _) => (format!("case `{}`", case.metadata.id), "leave the `cost` assertion out"),
        (None, Some(_)) => ("the gate".to_owned(), "leave `max_cost_usd` out"),
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
                "{}: {what} limits the cost, and the price of {} (subject {name}) is unknown",
                set.path, candidate.model_ref
            ))
            .with_hint(format!("say the price under `models:` in routes.yaml, or {hint}")));
        }
    }
    Ok(())
}
