//! One set with everything that can be found out before the first call.

use super::gate::gate;
use super::{Choice, CommandError, Context, call, money};
use crate::chat::{counted, times};
use crate::cli::EvalArgs;
use crate::config::Config;
use crate::eval::statistics::Quorum;
use crate::eval::{Cache, Case, CaseHead, Cases, Feature, Gate, Quantity, Set, Subject, subject_halves};
use crate::provider::Environment;
use crate::route::{Caller, Route, Router};

/// One set with everything that was found out before the first call.
pub(super) struct Prepared {
    /// The set.
    pub(super) set: Set,
    /// Those of its cases that are run.
    pub(super) cases: Cases,
    /// Whether these are all of them.
    pub(super) is_whole_set: bool,
    pub(super) subjects: Vec<Subject>,
    pub(super) choice: Choice,
    /// How many of a case's repeats must pass, where that decides the case.
    pub(super) min_pass: Option<Quorum>,
    pub(super) cache: Cache,
    pub(super) gate: Gate,
}

impl Prepared {
    /// The cases as this subject is asked them.
    pub(super) fn cases_of(&self, subject: &Subject) -> Cases {
        self.set.asked_of(&subject.name, &self.cases)
    }

    /// What tells these from each other.
    pub(super) fn heads_of(&self, subject: &Subject) -> Vec<CaseHead> {
        self.cases_of(subject).heads().collect()
    }

    /// How many results each subject comes to.
    pub(super) fn results(&self) -> usize {
        self.choice.selection.results(&self.cases)
    }
}

pub(super) fn prepare(
    context: &Context,
    args: &EvalArgs,
    config: &Config,
    router: &Router,
    set: Set,
    choice: Choice,
) -> Result<Prepared, CommandError> {
    let environment = context.environment();
    let count = set.cases.len();
    let cache = cache(args, &environment).for_set(&set);
    let cases = choice.selection.cases(&set)?;
    let is_whole_set = cases.len() == count;
    let answers = choice.selection.results(&cases);
    let gate = gate(&args.gate, &set, answers)?;
    // How long an answer from before took says nothing of today.
    let cache = Cache { reads: cache.reads && !gate.wants_time(), ..cache };
    let min_pass = min_pass(args, &set, choice.selection.repeat)?;
    if let Some(case) = asking_for(&cases, Quantity::FirstTokenMilliseconds).filter(|_| args.no_stream) {
        let message = format!(
            "{}: case `{}` limits the time to the first token, which only a stream has",
            set.path, case.head.id
        );
        return Err(
            CommandError::usage(message).hint("leave --no-stream out, or the `first-token` assertion")
        );
    }
    let mut subjects = Vec::new();
    for name in &choice.subjects {
        if let Some(against) = &choice.against {
            let heads: Vec<CaseHead> = set.asked_of(name, &cases).heads().collect();
            against.check(&set, &heads, min_pass)?;
        }
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
        let unreadable = || {
            let message = format!("{}: what was put aside of its cases cannot be read any more", set.path);
            CommandError::usage(message).hint("run it again; $TMPDIR names the folder that they are put in")
        };
        let first = set.asked_of(name, &cases).first().ok_or_else(unreadable)?;
        let plan = router.plan(&subject.route, &first.request, &Caller::default());
        call::check_callable(context, &subject.route, &plan, false)?;
        check_prices(&set, &cases, &gate, name, &subject.route)?;
        money::check_priced(&plan, router.purse())?;
        subjects.push(Subject { name: name.clone(), route: subject.route });
    }
    Ok(Prepared { set, cases, is_whole_set, subjects, choice, min_pass, cache, gate })
}

/// A gate that replays yesterday's answers sees no change, so CI and whoever compares use none unless they are told to.
fn cache(args: &EvalArgs, environment: &dyn Environment) -> Cache {
    let value = environment.variable("CI").unwrap_or_default().trim().to_ascii_lowercase();
    let in_ci = !matches!(value.as_str(), "" | "0" | "false" | "no" | "off");
    let wants_fresh = in_ci || args.gate.baseline.is_some() || args.gate.drift;
    let reads = !args.no_cache && !args.refresh && (args.cache || !wants_fresh);
    Cache { reads, writes: !args.no_cache }
}

fn min_pass(args: &EvalArgs, set: &Set, repeat: u32) -> Result<Option<Quorum>, CommandError> {
    let min_pass = args.min_pass.or(set.min_pass);
    match min_pass.filter(|min_pass| *min_pass > repeat) {
        None => Ok(min_pass.map(|pass| Quorum { pass, of: repeat })),
        Some(min_pass) => Err(CommandError::usage(format!(
            "{}: {} of a case must pass, and it is asked {}",
            set.path,
            counted(min_pass, "repeat"),
            times(repeat)
        ))
        .hint("raise --repeat, or lower --min-pass (`repeat` and `min_pass` in the set)")),
    }
}

/// The first case that has an assertion about this figure of its call.
fn asking_for(cases: &Cases, quantity: Quantity) -> Option<Case> {
    cases.with(Feature::Asks(quantity)).next()
}

/// A limit on cost cannot be held against a model whose price nobody knows.
fn check_prices(
    set: &Set,
    cases: &Cases,
    gate: &Gate,
    name: &str,
    route: &Route,
) -> Result<(), CommandError> {
    let (what, hint) = match (asking_for(cases, Quantity::CostUsd), gate.max_cost_usd) {
        (Some(case), _) => (format!("case `{}`", case.head.id), "leave the `cost` assertion out"),
        (None, Some(_)) => ("the gate".to_owned(), "leave `max_cost_usd` out"),
        (None, None) => return Ok(()),
    };
    for candidate in &route.candidates {
        let price = candidate
            .target
            .as_ref()
            .ok()
            .map(|target| target.facts.as_ref().map(|f| f.price.base).unwrap_or_default());
        if price.is_some_and(|price| price.input.is_none() || price.output.is_none()) {
            return Err(CommandError::usage(format!(
                "{}: {what} limits the cost, and the price of {} (subject {name}) is unknown",
                set.path, candidate.model_ref
            ))
            .hint(format!("say the price under `models:` in routes.yaml, or {hint}")));
        }
    }
    Ok(())
}
