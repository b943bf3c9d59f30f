//! One set with everything that can be found out before the first call.

use super::{Choice, CommandError, Context, call, money};
use crate::cli::EvalArgs;
use crate::config::Config;
use crate::eval::{Cache, Case, Gate, Limit, Quantity, Set, Subject, subject_halves};
use crate::provider::Environment;
use crate::route::{Caller, Route, Router};

/// One set with everything that was found out before the first call.
pub(super) struct Prepared {
    pub(super) set: Set,
    pub(super) cases: Vec<Case>,
    /// The same cases as each prompt asks them, where the set compares several.
    by_prompt: Vec<(String, Vec<Case>)>,
    pub(super) subjects: Vec<Subject>,
    pub(super) choice: Choice,
    /// How many of a case's repeats must pass, where that decides the case.
    pub(super) min_pass: Option<u32>,
    pub(super) cache: Cache,
    pub(super) gate: Option<Gate>,
}

impl Prepared {
    /// The cases as this subject is asked them.
    pub(super) fn cases_of(&self, subject: &Subject) -> &[Case] {
        asked_of(&subject.name, &self.cases, &self.by_prompt)
    }

    /// How many results each subject comes to.
    pub(super) fn results(&self) -> usize {
        self.cases.len() * self.choice.selection.repeat.max(1) as usize
    }
}

fn asked_of<'a>(name: &str, cases: &'a [Case], by_prompt: &'a [(String, Vec<Case>)]) -> &'a [Case] {
    let prompt = subject_halves(name).1;
    by_prompt.iter().find(|(own, _)| prompt == Some(own)).map_or(cases, |(_, cases)| cases)
}

pub(super) fn prepare(
    context: &Context,
    args: &EvalArgs,
    config: &Config,
    router: &Router,
    set: Set,
    choice: Choice,
) -> Result<Prepared, CommandError> {
    let cases = choice.selection.cases(&set)?;
    let gate = gate(args, &set)?;
    let min_pass = min_pass(args, &set, choice.selection.repeat)?;
    if let Some(case) = asking_for(&cases, Quantity::FirstTokenMilliseconds).filter(|_| args.no_stream) {
        let message = format!(
            "{}: case `{}` limits the time to the first token, which only a stream has",
            set.path, case.id
        );
        return Err(
            CommandError::usage(message).hint("leave --no-stream out, or the `first-token` assertion")
        );
    }
    let environment = context.environment();
    let mut subjects = Vec::new();
    let by_prompt: Vec<(String, Vec<Case>)> =
        set.prompts.iter().map(|prompt| (prompt.name.clone(), set.asked_by(&prompt.name, &cases))).collect();
    for name in &choice.subjects {
        // A run that is gone on with may know a prompt that the set has no more, or none.
        if set.subjects(name).map_err(CommandError::usage)? != [name.as_str()] {
            let message = format!("{name} was begun before {} had `prompts`", set.path);
            return Err(CommandError::usage(message).hint("leave --resume out, and a new run begins"));
        }
        let subject = config.subject(subject_halves(name).0, &environment).map_err(|error| {
            let place =
                if choice.of_set { format!("{}, under `models:`: ", set.path) } else { String::new() };
            CommandError { error: anyhow::anyhow!("{place}{error}"), ..CommandError::from(error) }
        })?;
        let plan =
            router.plan(&subject.route, &asked_of(name, &cases, &by_prompt)[0].request, &Caller::default());
        call::check_callable(context, &subject.route, &plan, false)?;
        check_prices(&set, &cases, name, &subject.route)?;
        money::check_priced(&plan, router.purse())?;
        subjects.push(Subject { name: name.clone(), route: subject.route });
    }
    let cache = cache(args, &environment).for_set(&set);
    Ok(Prepared { set, cases, by_prompt, subjects, choice, min_pass, cache, gate })
}

/// A gate that replays yesterday's answers sees no change, so CI uses none unless it is told to.
fn cache(args: &EvalArgs, environment: &dyn Environment) -> Cache {
    let value = environment.variable("CI").unwrap_or_default().trim().to_ascii_lowercase();
    let in_ci = !matches!(value.as_str(), "" | "0" | "false" | "no" | "off");
    Cache { reads: !args.no_cache && !args.refresh && (args.cache || !in_ci), writes: !args.no_cache }
}

fn min_pass(args: &EvalArgs, set: &Set, repeat: u32) -> Result<Option<u32>, CommandError> {
    let min_pass = args.min_pass.or(set.min_pass);
    match min_pass.filter(|min_pass| *min_pass > repeat) {
        None => Ok(min_pass),
        Some(min_pass) => Err(CommandError::usage(format!(
            "{}: {min_pass} repeats of a case must pass, and it is asked {repeat} times",
            set.path
        ))
        .hint("raise --repeat, or lower --min-pass (`repeat` and `min_pass` in the set)")),
    }
}

/// The set's gate, with what was typed in place of what is written.
fn gate(args: &EvalArgs, set: &Set) -> Result<Option<Gate>, CommandError> {
    let share = |value: Option<f64>, name: &str| match value {
        Some(floor) if !(0.0..=1.0).contains(&floor) => {
            Err(CommandError::usage(format!("--{name} must be between 0 and 1, not {floor}")))
        }
        value => Ok(value),
    };
    let typed = Gate {
        min_pass_rate: share(args.min_pass_rate, "min-pass-rate")?,
        min_score: share(args.min_score, "min-score")?,
        max_unscored: args
            .max_unscored
            .as_deref()
            .map(str::parse::<Limit>)
            .transpose()
            .map_err(CommandError::usage)?,
    };
    let written = set.gate.clone().unwrap_or_default();
    let gate = Gate {
        min_pass_rate: typed.min_pass_rate.or(written.min_pass_rate),
        min_score: typed.min_score.or(written.min_score),
        max_unscored: typed.max_unscored.or(written.max_unscored),
    };
    Ok(Some(gate).filter(|gate| *gate != Gate::default()))
}

/// The first case that has an assertion about this figure of its call.
fn asking_for(cases: &[Case], quantity: Quantity) -> Option<&Case> {
    cases.iter().find(|case| case.assertions.iter().any(|assertion| assertion.asks_for(quantity)))
}

/// A limit on cost cannot be held against a model whose price nobody knows.
fn check_prices(set: &Set, cases: &[Case], name: &str, route: &Route) -> Result<(), CommandError> {
    let Some(case) = asking_for(cases, Quantity::CostUsd) else { return Ok(()) };
    for candidate in &route.candidates {
        let price = candidate
            .target
            .as_ref()
            .ok()
            .map(|target| target.facts.as_ref().map(|f| f.price.base).unwrap_or_default());
        if price.is_some_and(|price| price.input.is_none() || price.output.is_none()) {
            return Err(CommandError::usage(format!(
                "{}: case `{}` limits the cost, and the price of {} (subject {name}) is unknown",
                set.path, case.id, candidate.model_ref
            ))
            .hint("say the price under `models:` in routes.yaml, or leave the `cost` assertion out"));
        }
    }
    Ok(())
}
