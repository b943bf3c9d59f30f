//! `--reweight`: adjusts the weights of a route to measured pass rates.

use super::finished_run::{FinishedRun, is_measured};
use super::history::canonical_set_path;
use super::{CommandContext, CommandError, PreparedRun};
use crate::config::Config;
use crate::eval::{EvalSubject, Graders};
use crate::provider::ModelRef;
use crate::route::strategies_with_weights;

/// Checks that the route is weighted, the set is complete, and at least two candidates are measured.
pub(super) fn check_reweight(
    context: &CommandContext,
    config: &Config,
    name: &str,
    prepared: &[PreparedRun],
) -> Result<(), CommandError> {
    let route = config.build_route(name, &context.environment())?;
    if !route.is_weighted() {
        return Err(CommandError::usage(format!("route `{name}` is not weighted")).with_hint(format!(
            "set {} for this route in routes.yaml",
            strategies_with_weights().as_settings()
        )));
    }
    if prepared.len() > 1 {
        return Err(CommandError::usage("--reweight takes exactly one set")
            .with_hint("run only the set that best represents the route"));
    }
    if prepared.iter().any(|prepared| !prepared.set.prompts.is_empty() || !prepared.is_whole_set) {
        return Err(CommandError::usage("--reweight needs a complete set with a single prompt")
            .with_hint("remove --filter, --tag, and --sample, and use a set without `prompts`"));
    }
    let candidates: Vec<&ModelRef> = route.candidates.iter().map(|candidate| &candidate.model_ref).collect();
    let measured = prepared.iter().flat_map(|prepared| &prepared.subjects);
    let count =
        measured.filter(|subject| single_model(subject).is_some_and(|m| candidates.contains(&m))).count();
    if count < 2 {
        return Err(CommandError::usage(format!(
            "--reweight needs at least two measured candidates of route `{name}`, but this run has {count}"
        ))
        .with_hint(format!("run every candidate: -m route:{name} --each-candidate")));
    }
    Ok(())
}

/// Adjusts the weights of the route's candidates to their pass rates. A run with too many unscored cases
/// changes nothing.
pub(super) fn apply_weights(
    context: &CommandContext,
    config: &Config,
    graders: &Graders,
    name: &str,
    prepared: &PreparedRun,
    run: &FinishedRun,
) {
    if !run.gate.inconclusive.is_empty() {
        context
            .console
            .warn(format_args!("weights of route `{name}` unchanged: too many cases are unscored"));
        return;
    }
    let Ok(route) = config.build_route(name, &context.environment()) else { return };
    let rates: Vec<(ModelRef, f64)> = prepared
        .subjects
        .iter()
        .zip(&run.summaries)
        .filter(|(_, summary)| is_measured(graders, summary))
        .filter_map(|(subject, summary)| Some((single_model(subject)?.clone(), summary.pass_rate?)))
        .filter(|(model, _)| route.candidates.iter().any(|candidate| candidate.model_ref == *model))
        .collect();
    if rates.len() < 2 {
        context.console.warn(format_args!(
            "weights of route `{name}` unchanged: cached answers and simulated verdicts on real models do not count as measurements"
        ));
        return;
    }
    let weights = context.open_health().reweight(name, &canonical_set_path(&prepared.set), &rates);
    for row in weights {
        let found = route.candidates.iter().find(|candidate| candidate.model_ref.to_string() == row.model);
        if let Some(candidate) = found {
            context.console.note(format_args!(
                "route `{name}`: weight of {} is now {:.1} (configured: {})",
                row.model,
                candidate.weight * row.share,
                candidate.weight
            ));
        }
    }
}

/// The subject's model; `None` for a route.
fn single_model(subject: &EvalSubject) -> Option<&ModelRef> {
    match (&subject.route.name, subject.route.candidates.as_slice()) {
        (None, [candidate]) => Some(&candidate.model_ref),
        _ => None,
    }
}
