//! The specification of a run: subjects, cases, repeats, and baseline.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{BaselineSource, CommandContext, CommandError};
use crate::cli::EvalArgs;
use crate::config::{Config, REGEX_HINT, explain_regex_error};
use crate::eval::{CaseMetadata, Cases, GoldenSet, sample_cases, split_subject_name};

#[derive(Clone, Debug)]
pub(super) struct RunSpec {
    pub(super) subjects: Vec<String>,
    /// Whether the subjects come from the set's `models:`, so that errors point there.
    pub(super) has_set_subjects: bool,
    pub(super) selection: CaseSelection,
    pub(super) baseline: Option<BaselineSource>,
}

/// The options that a resumed run must share with its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseSelection {
    pub(super) filter: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) sample: Option<u32>,
    pub(super) sample_seed: u64,
    pub(super) repeat: u32,
}

/// Used without `--sample-seed`.
const DEFAULT_SAMPLE_SEED: u64 = 1;

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
            selection: CaseSelection::from_args(args, set.repeat),
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

impl CaseSelection {
    /// Takes the set's `repeat` if the command line has none.
    pub(super) fn from_args(args: &EvalArgs, repeat: Option<u32>) -> Self {
        Self {
            filter: args.filter.clone(),
            tags: args.tags.clone(),
            sample: args.sample,
            sample_seed: args.sample_seed.unwrap_or(DEFAULT_SAMPLE_SEED),
            repeat: args.repeat.or(repeat).unwrap_or(1),
        }
    }

    /// The selected cases, in the set's order.
    pub(super) fn select_cases(&self, set: &GoldenSet) -> Result<Cases, CommandError> {
        let compile = |text: &str| {
            regex::Regex::new(text).map_err(|error| {
                CommandError::usage(format!("invalid --filter `{text}`: {}", explain_regex_error(&error)))
                    .with_hint(REGEX_HINT)
            })
        };
        let filter = self.filter.as_deref().map(compile).transpose()?;
        let wanted = |case: &CaseMetadata| {
            filter.as_ref().is_none_or(|filter| filter.is_match(&case.id))
                && (self.tags.is_empty() || self.tags.iter().any(|tag| case.tags.contains(tag)))
        };
        let is_all = filter.is_none() && self.tags.is_empty();
        let cases = if is_all { set.cases.clone() } else { set.cases.filter(wanted) };
        if !cases.is_empty() {
            return Ok(match self.sample.and_then(|count| usize::try_from(count).ok()) {
                Some(count) => sample_cases(&cases, count, self.sample_seed),
                None => cases,
            });
        }
        let mut tags: Vec<String> = set.cases.heads().flat_map(|head| head.tags).collect();
        tags.sort_unstable();
        tags.dedup();
        let first = set.cases.head(0).map(|head| head.id).unwrap_or_default();
        let filter = self.filter.iter().map(|filter| format!("--filter `{filter}`"));
        let tag = (!self.tags.is_empty()).then(|| format!("--tag `{}`", self.tags.join("` or `")));
        let options = filter.chain(tag).collect::<Vec<_>>().join(" and ");
        let message = format!("no case of {} matches {options}", set.path);
        Err(CommandError::usage(message).with_hint(match tags.as_slice() {
            [] => format!("use IDs such as `{first}` (no case has tags)"),
            tags => format!("use IDs such as `{first}`, or one of the tags {}", tags.join(", ")),
        }))
    }

    /// The number of cases times the number of repeats.
    pub(super) fn result_count(&self, cases: &Cases) -> usize {
        cases.len() * self.repeat.max(1) as usize
    }

    /// The first option that was given with a value different from the run's.
    pub(super) fn conflicting_flag(&self, args: &EvalArgs) -> Option<&'static str> {
        let differs = |given: bool, same: bool| given && !same;
        let flags = [
            (differs(args.filter.is_some(), args.filter == self.filter), "--filter"),
            (differs(!args.tags.is_empty(), args.tags == self.tags), "--tag"),
            (differs(args.sample.is_some(), args.sample == self.sample), "--sample"),
            (
                differs(args.sample_seed.is_some(), args.sample_seed == Some(self.sample_seed)),
                "--sample-seed",
            ),
            (differs(args.repeat.is_some(), args.repeat == Some(self.repeat)), "--repeat"),
        ];
        flags.into_iter().find_map(|(differs, flag)| differs.then_some(flag))
    }
}
