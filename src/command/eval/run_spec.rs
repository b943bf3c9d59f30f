//! What is run: which subjects, which cases, how often.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{BaselineSource, CommandContext, CommandError};
use crate::chat::pluralize;
use crate::cli::EvalArgs;
use crate::config::Config;
use crate::eval::{CaseMetadata, Cases, GoldenSet, sample_cases, split_subject_name};

/// What is run of one set.
#[derive(Clone, Debug)]
pub(super) struct RunSpec {
    /// The subjects' names.
    pub(super) subjects: Vec<String>,
    /// Whether they are the set's own, so that a mistake in them is to be looked for there.
    pub(super) has_set_subjects: bool,
    pub(super) selection: CaseSelection,
    /// What the other subjects are compared with, if anything.
    pub(super) baseline: Option<BaselineSource>,
}

/// Which cases, and how often: all of a command line that a run which is taken up again has to share with its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseSelection {
    pub(super) filter: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) sample: Option<u32>,
    pub(super) sample_seed: u64,
    pub(super) repeat: u32,
}

/// The seed of a sample, where none is given.
const DEFAULT_SAMPLE_SEED: u64 = 1;

impl RunSpec {
    /// As it was typed, else as the set says; the default route where nobody names a subject.
    pub(super) fn from_args(
        context: &CommandContext,
        args: &EvalArgs,
        set: &GoldenSet,
        config: &Config,
    ) -> Result<Self, CommandError> {
        let of_set = args.models.is_empty();
        let chosen = if of_set { &set.default_subjects } else { &args.models };
        let mut subjects: Vec<String> = chosen.clone();
        // A run that is named knows its subjects.
        let known = args.resume.as_ref().is_some_and(|run| !run.is_empty());
        if subjects.is_empty() && !known {
            let route = config.default_route.as_ref().ok_or_else(|| {
                CommandError::usage(format!("{} names no models, and there is no default route", set.path))
                    .with_hint("name one with -m")
            })?;
            subjects.push(format!("route:{route}"));
        }
        subjects = expand_prompts(set, &subjects)?;
        if args.each_candidate {
            subjects = expand_candidates(context, config, &subjects);
        }
        let against = match &args.gate.baseline {
            Some(text) => Some(BaselineSource::parse(context, text, set)?),
            None if args.gate.drift => Some(BaselineSource::from_history(context)?),
            None => None,
        };
        // A baseline is measured with the others, first of all.
        if let Some(own) = against.as_ref().and_then(BaselineSource::subject_in_run) {
            subjects.retain(|name| name != own);
            subjects.insert(0, own.to_owned());
        }
        Ok(Self {
            subjects,
            has_set_subjects: of_set,
            selection: CaseSelection::from_args(args, set.repeat),
            baseline: against,
        })
    }
}

/// The subjects, each once; where the set compares prompts, one for each of these.
fn expand_prompts(set: &GoldenSet, subjects: &[String]) -> Result<Vec<String>, CommandError> {
    let hint = "a subject is a model or route; `MODEL#PROMPT` asks it by one of the set's `prompts` alone";
    let named = subjects.iter().map(|name| set.expand_subject(name));
    let named: Vec<Vec<String>> =
        named.collect::<Result<_, _>>().map_err(|why| CommandError::usage(why).with_hint(hint))?;
    let mut seen = HashSet::new();
    Ok(named.into_iter().flatten().filter(|name| seen.insert(name.clone())).collect())
}

/// The subjects, and behind each route the models that it may call. One that cannot be called is left out, as it is in its
/// route.
fn expand_candidates(context: &CommandContext, config: &Config, subjects: &[String]) -> Vec<String> {
    let environment = context.environment();
    let mut all: Vec<String> = Vec::new();
    for subject in subjects {
        if !all.contains(subject) {
            all.push(subject.clone());
        }
        let (route, prompt) = split_subject_name(subject);
        let Some(name) = route.strip_prefix("route:") else { continue };
        // A route that is not there is reported where the subject is resolved.
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
                Some(why) => context.console.warn(format_args!("{model} is no subject of its own: {why}")),
            }
        }
    }
    all
}

impl CaseSelection {
    /// As it was typed; how often as the set says, where nobody typed it.
    pub(super) fn from_args(args: &EvalArgs, repeat: Option<u32>) -> Self {
        Self {
            filter: args.filter.clone(),
            tags: args.tags.clone(),
            sample: args.sample,
            sample_seed: args.sample_seed.unwrap_or(DEFAULT_SAMPLE_SEED),
            repeat: args.repeat.or(repeat).unwrap_or(1),
        }
    }

    /// The cases that are chosen, in the set's order.
    pub(super) fn select_cases(&self, set: &GoldenSet) -> Result<Cases, CommandError> {
        let filter =
            self.filter.as_deref().map(regex::Regex::new).transpose().map_err(|error| {
                CommandError::usage(format!("--filter is no regular expression: {error}"))
            })?;
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
        let all = pluralize(set.cases.len(), "case");
        let message = format!("the filter selects none of the {all} of {}", set.path);
        Err(CommandError::usage(message).with_hint(match tags.as_slice() {
            [] => format!("ids look like `{first}`; no case has a tag"),
            tags => format!("ids look like `{first}`; the tags are {}", tags.join(", ")),
        }))
    }

    /// How many results so many cases come to.
    pub(super) fn result_count(&self, cases: &Cases) -> usize {
        cases.len() * self.repeat.max(1) as usize
    }

    /// What was typed otherwise than the run has it, as the flag that says it.
    pub(super) fn conflicting_flag(&self, args: &EvalArgs) -> Option<&'static str> {
        let differs = |typed: bool, same: bool| typed && !same;
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
