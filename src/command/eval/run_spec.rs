//! The specification of a run: subjects, cases, repeats, and baseline.

use std::collections::HashSet;

use super::{BaselineSource, CommandContext, CommandError};
use crate::cli::EvalArgs;
use crate::command::case_selection::CaseSelection;
use crate::config::Config;
use crate::eval::{GoldenSet, split_subject_name};

#[derive(Clone, Debug)]
pub(super) struct RunSpec {
    pub(super) subjects: Vec<String>,
    /// Whether the subjects come from the set's `models:`, so that errors point there.
    pub(super) has_set_subjects: bool,
    pub(super) selection: CaseSelection,
    /// How often each case runs.
    pub(super) repeat: u32,
    pub(super) baseline: Option<BaselineSource>,
}

impl RunSpec {
    /// Subjects come from the command line, else from the set, else from the default route.
    pub(super) fn from_args(
        context: &CommandContext,
        args: &EvalArgs,
        set: &GoldenSet,
        config: &Config,
    ) -> Result<Self, CommandError> {
        let from_set = args.models.is_empty();
        let chosen = if from_set { &set.default_subjects } else { &args.models };
        let mut subjects: Vec<String> = chosen.clone();
        // A run to resume by ID already has its subjects.
        let has_saved_subjects = args.resume.as_ref().is_some_and(|run| !run.is_empty());
        if subjects.is_empty() && !has_saved_subjects {
            let route = config.default_route.as_ref().ok_or_else(|| {
                CommandError::usage(format!("{}: no `models:` in the set and no default route", set.path))
                    .with_hint("pass a model with -m")
            })?;
            subjects.push(format!("route:{route}"));
        }
        subjects = expand_prompts(set, &subjects)?;
        if args.each_candidate {
            subjects = expand_candidates(context, config, &subjects);
        }
        let baseline = match &args.gate.baseline {
            Some(text) => Some(BaselineSource::parse(context, text, set)?),
            None if args.gate.drift => Some(BaselineSource::from_history(context)?),
            None => None,
        };
        // A baseline subject runs with the others and comes first.
        if let Some(baseline) = baseline.as_ref().and_then(BaselineSource::subject_in_run) {
            subjects.retain(|name| name != baseline);
            subjects.insert(0, baseline.to_owned());
        }
        Ok(Self {
            subjects,
            has_set_subjects: from_set,
            selection: CaseSelection::from_args(&args.cases),
            repeat: args.repeat.or(set.repeat).unwrap_or(1),
            baseline,
        })
    }
}

/// Expands each subject to one per prompt and removes duplicates.
fn expand_prompts(set: &GoldenSet, subjects: &[String]) -> Result<Vec<String>, CommandError> {
    let hint = "use a model or a route, or MODEL#PROMPT for one of the set's `prompts`";
    let expanded = subjects.iter().map(|name| set.expand_subject(name));
    let expanded: Vec<Vec<String>> =
        expanded.collect::<Result<_, _>>().map_err(|why| CommandError::usage(why).with_hint(hint))?;
    let mut seen = HashSet::new();
    Ok(expanded.into_iter().flatten().filter(|name| seen.insert(name.clone())).collect())
}

/// Adds the candidates of each route after it. Candidates that cannot be called are skipped with a warning.
fn expand_candidates(context: &CommandContext, config: &Config, subjects: &[String]) -> Vec<String> {
    let environment = context.environment();
    let mut all: Vec<String> = Vec::new();
    for subject in subjects {
        if !all.contains(subject) {
            all.push(subject.clone());
        }
        let (route, prompt) = split_subject_name(subject);
        let Some(name) = route.strip_prefix("route:") else { continue };
        // An unknown route is reported later, when the subject is resolved.
        for spec in config.routes.iter().filter(|spec| spec.name == name).flat_map(|spec| &spec.candidates) {
            let model = spec.model.to_string();
            let subject = prompt.map_or_else(|| model.clone(), |prompt| format!("{model}#{prompt}"));
            if all.contains(&subject) || subjects.contains(&subject) {
                continue;
            }
            let found = config.resolve_subject(&model, &environment).ok();
            let why = found.and_then(|found| found.route.candidates.into_iter().next()?.target.err());
            match why.filter(|_| !config.has_simulator_placeholder(&spec.model)) {
                None => all.push(subject),
                Some(why) => {
                    context.console.warn(format_args!("skipping {model} as a separate subject: {why}"));
                }
            }
        }
    }
    all
}
