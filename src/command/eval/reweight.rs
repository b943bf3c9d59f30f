//! What the scores say of a route's weights.

use super::execute::{FinishedRun, is_measured};
use super::resume::canonical_set_path;
use super::{CommandContext, CommandError, PreparedRun};
use crate::config::Config;
use crate::eval::{EvalSubject, Graders};
use crate::provider::ModelRef;

/// Whether there is anything to weigh: a weighted route, and candidates of it among the subjects.
pub(super) fn check_reweight(
    context: &CommandContext,
    config: &Config,
    name: &str,
    prepared: &[PreparedRun],
) -> Result<(), CommandError> {
    let route = config.build_route(name, &context.environment())?;
    if !route.is_weighted() {
        return Err(CommandError::usage(format!("route `{name}` shares nothing out by weight"))
            .with_hint("give it `strategy: weighted` in routes.yaml"));
    }
    if prepared.len() > 1 {
        return Err(CommandError::usage("--reweight goes by one set")
            .with_hint("run the set that says most about the route by itself"));
    }
    if prepared.iter().any(|prepared| !prepared.set.prompts.is_empty() || !prepared.is_whole_set) {
        return Err(CommandError::usage("--reweight goes by a whole set that asks by one prompt")
            .with_hint("leave --filter, --tag and --sample out, and run a set without `prompts`"));
    }
    let candidates: Vec<&ModelRef> = route.candidates.iter().map(|candidate| &candidate.model_ref).collect();
    let weighed = prepared.iter().flat_map(|prepared| &prepared.subjects);
    let count =
        weighed.filter(|subject| single_model(subject).is_some_and(|m| candidates.contains(&m))).count();
    if count < 2 {
        return Err(CommandError::usage(format!(
            "--reweight compares candidates of route `{name}`, and {count} of them is measured here"
        ))
        .with_hint(format!("measure each of them: -m route:{name} --each-candidate")));
    }
    Ok(())
}

/// Weighs the route's candidates by what was found. Only a run whose figures are sound says anything.
pub(super) fn apply_weights(
    context: &CommandContext,
    config: &Config,
    jury: &Graders,
    name: &str,
    prepared: &PreparedRun,
    run: &FinishedRun,
) {
    if !run.gate.inconclusive.is_empty() {
        context.console.warn(format_args!(
            "the weights of route `{name}` are as they were: too much of the run could not be scored"
        ));
        return;
    }
    let Ok(route) = config.build_route(name, &context.environment()) else { return };
    let rates: Vec<(ModelRef, f64)> = prepared
        .subjects
        .iter()
        .zip(&run.summaries)
        .filter(|(_, summary)| is_measured(jury, summary))
        .filter_map(|(subject, summary)| Some((single_model(subject)?.clone(), summary.pass_rate?)))
        .filter(|(model, _)| route.candidates.iter().any(|candidate| candidate.model_ref == *model))
        .collect();
    if rates.len() < 2 {
        context.console.warn(format_args!(
            "the weights of route `{name}` are as they were: answers from before, and what a simulated judge says of a real \
             model, are no measurement"
        ));
        return;
    }
    let weights = context.open_health().reweight(name, &canonical_set_path(&prepared.set), &rates);
    for row in weights {
        let written = route.candidates.iter().find(|candidate| candidate.model_ref.to_string() == row.model);
        if let Some(candidate) = written {
            context.console.note(format_args!(
                "route `{name}`: the weight of {} is {:.1} of {} now",
                row.model,
                candidate.weight * row.share,
                candidate.weight
            ));
        }
    }
}

/// The one model that a subject is.
fn single_model(subject: &EvalSubject) -> Option<&ModelRef> {
    match (&subject.route.name, subject.route.candidates.as_slice()) {
        (None, [candidate]) => Some(&candidate.model_ref),
        _ => None,
    }
}
