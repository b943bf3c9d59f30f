//! `slalom route NAME --drill`: rehearsed outages, and what the route makes of them.
//!
//! A drilled call goes through a router of its own, so that nothing which is only played is remembered as an outage.

use std::sync::Arc;

use super::call::{self, Asked, Played};
use super::context::Context;
use super::money;
use super::outcome::{CommandError, Outcome, printed};
use crate::chat::Request;
use crate::cli::RouteArgs;
use crate::config::{Config, DurationError, nearest, parse_duration};
use crate::provider::{Drill, Drilled, Fault, Http, ModelRef, Struck, Transport};
use crate::route::{CallRecord, Health, NoAnswer, Purse, Route, Router, Why};
use crate::view::{Promise, Rehearsal, drill_json, drill_table};

/// The faults that have nothing to say but their name.
const FAULTS: &[(&str, Fault)] = &[
    ("down", Fault::Down),
    ("stall", Fault::Stall),
    ("cut", Fault::Cut),
    ("malformed", Fault::Malformed),
    ("empty", Fault::Empty),
];

const HINT: &str = "write MODEL=FAULT or PROVIDER=FAULT, or `each`; a fault is down, a status such as 429, slow:2s, \
                    stall, cut, malformed or empty, and a share of the calls may follow it, as in 429:20%";

/// What is rehearsed.
pub(super) enum Rehearsed {
    /// Every candidate down in turn, then all of them.
    Each,
    /// The outages that were named.
    Named(Vec<Drill>),
}

/// What was typed as drills of a route; `None` where nothing was.
pub(super) fn read(
    args: &RouteArgs,
    route: &Route,
    config: &Config,
) -> Result<Option<Rehearsed>, CommandError> {
    match args.drill.as_slice() {
        [] => Ok(None),
        [each] if each == "each" => {
            if args.stream {
                return Err(CommandError::usage(
                    "--drill each prints a table, so there is no answer to --stream",
                )
                .hint("leave out --stream"));
            }
            Ok(Some(Rehearsed::Each))
        }
        specs if specs.iter().any(|spec| spec == "each") => {
            Err(CommandError::usage("`--drill each` stands alone: it takes down every candidate anyway")
                .hint("leave out the other drills, or name each outage yourself"))
        }
        specs => {
            let drills = specs.iter().map(|spec| drill_of(spec, route, config)).collect::<Result<_, _>>()?;
            Ok(Some(Rehearsed::Named(drills)))
        }
    }
}

/// `anthropic=down`, `gemini/gemini-3.8-flash=429:20%`, `haiku=slow:2s`.
fn drill_of(spec: &str, route: &Route, config: &Config) -> Result<Drill, CommandError> {
    let Some((whom, fault)) = spec.rsplit_once('=') else {
        return Err(CommandError::usage(format!("`--drill {spec}` names no fault")).hint(HINT));
    };
    let struck = struck(whom.trim(), route, config)?;
    let (fault, share) = fault_of(spec, fault.trim())?;
    Ok(Drill { struck, fault, share })
}

/// One candidate of the route by its model or alias, or all of a provider's.
fn struck(whom: &str, route: &Route, config: &Config) -> Result<Struck, CommandError> {
    let model = config.model_ref(whom).ok().map(Struck::Model);
    let provider = config.provider_name(whom).map(Struck::Provider);
    let covers = |struck: &Struck| route.candidates.iter().any(|c| struck.covers(&c.model_ref));
    model.into_iter().chain(provider).find(covers).ok_or_else(|| {
        let name = route.name.as_deref().unwrap_or_default();
        let candidates: Vec<String> = route.candidates.iter().map(|c| c.model_ref.to_string()).collect();
        CommandError::usage(format!("`{whom}` is no candidate of the route `{name}`"))
            .hint(format!("its candidates are {}", candidates.join(", ")))
    })
}

/// A fault, and the share of calls that it is for.
fn fault_of(spec: &str, text: &str) -> Result<(Fault, f64), CommandError> {
    let (fault, share) = match text.rsplit_once(':') {
        Some((fault, percent)) if percent.ends_with('%') => {
            let number = percent.trim_end_matches('%').parse::<f64>().ok();
            let Some(share) = number.filter(|number| *number > 0.0 && *number <= 100.0) else {
                return Err(CommandError::usage(format!(
                    "`{percent}` in `--drill {spec}` is no share of calls"
                ))
                .hint("write a number above 0 and up to 100, as in 20%"));
            };
            (fault, share / 100.0)
        }
        _ => (text, 1.0),
    };
    if let Some(wait) = fault.strip_prefix("slow:") {
        return match parse_duration(wait) {
            Ok(wait) if !wait.is_zero() => Ok((Fault::Slow(wait), share)),
            Ok(_) => Err(CommandError::usage(format!("`--drill {spec}` delays nothing"))),
            Err(error) => Err(CommandError::usage(format!("in `--drill {spec}`, {error}"))),
        }
        .map_err(|error| error.hint(DurationError::HINT));
    }
    if let Some((_, fault)) = FAULTS.iter().find(|(name, _)| *name == fault) {
        return Ok((*fault, share));
    }
    match fault.parse::<u16>() {
        Ok(status) if (400..600).contains(&status) => Ok((Fault::Status(status), share)),
        Ok(status) => Err(CommandError::usage(format!("{status} in `--drill {spec}` is no error status"))
            .hint("write one from 400 to 599")),
        Err(_) => {
            let names = FAULTS.iter().map(|(name, _)| *name).chain(["slow:2s"]);
            let hint = match nearest(fault, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => HINT.to_owned(),
            };
            Err(CommandError::usage(format!("`{fault}` in `--drill {spec}` is no fault")).hint(hint))
        }
    }
}

/// Rehearses, and shows what came of it.
pub(super) async fn drill(
    context: &Context,
    config: &Config,
    asked: Asked<'_>,
    typed: &[String],
    rehearsed: Rehearsed,
    stream_shown: bool,
) -> Result<Outcome, CommandError> {
    let transport = Arc::new(Http::new(config.connect_timeout));
    let purse = money::purse(asked.args.max_cost.as_deref())?;
    let stage = Stage { transport, health: context.health(), asked, purse };
    match rehearsed {
        Rehearsed::Named(drills) => {
            let router = stage.router(drills.clone());
            check_strikes(&drills, typed, asked, &router)?;
            let played = Played(typed);
            context.console.note(played);
            call::answer_by(context, &router, asked, stream_shown, Some(played)).await
        }
        Rehearsed::Each => each(context, stage).await,
    }
}

/// A drill of a candidate that is left out would pass without having rehearsed anything.
fn check_strikes(
    drills: &[Drill],
    typed: &[String],
    asked: Asked<'_>,
    router: &Router,
) -> Result<(), CommandError> {
    let plan = router.plan(&asked.subject.route, asked.request, asked.caller);
    let idle = |drill: &Drill| !plan.targets().any(|target| drill.struck.covers(&target.model_ref));
    let first = drills.iter().zip(typed).find(|(drill, _)| idle(drill));
    match first {
        // Where nobody can be called at all, that is the error.
        Some((_, spec)) if plan.targets().next().is_some() => Err(CommandError::usage(format!(
            "`--drill {spec}` would strike nobody: whom it names is left out"
        ))
        .hint("--dry-run says why, and who is left")),
        _ => Ok(()),
    }
}

/// What all calls of a rehearsal have in common.
struct Stage<'a> {
    transport: Arc<dyn Transport>,
    health: Health,
    asked: Asked<'a>,
    purse: Option<Purse>,
}

impl Stage<'_> {
    /// A router that nothing else is called through.
    fn router(&self, drills: Vec<Drill>) -> Router {
        let drilled = Arc::new(Drilled::new(Arc::clone(&self.transport), drills, fastrand::Rng::new()));
        Router::rehearsing(drilled, &self.health, &self.asked.subject.route, fastrand::Rng::new())
            .paying_from(self.purse.clone())
    }
}

async fn each(context: &Context, stage: Stage<'_>) -> Result<Outcome, CommandError> {
    let Asked { subject, request, args, .. } = stage.asked;
    let plan = stage.asked.planned(context, &stage.router(Vec::new()))?;
    let models: Vec<ModelRef> = plan.targets().map(|target| target.model_ref.clone()).collect();
    if models.is_empty() {
        let message = format!("no drill of {}: every candidate is left out", subject.name);
        return Err(
            CommandError::no_answer(Outcome::NoAnswer, message).hint("--dry-run says why each of them is")
        );
    }
    if let [only] = models.as_slice() {
        let message =
            format!("no drill of {}: only {only} can be called, so nobody would take over", subject.name);
        return Err(CommandError::no_answer(Outcome::GateFailed, message)
            .hint("--dry-run says why the others are left out; a route survives an outage with two that can be called"));
    }
    let in_turn = models.iter().map(|model| vec![model.clone()]);
    let mut rehearsals = Vec::new();
    for down in in_turn.chain([models.clone()]) {
        let names: Vec<String> = down.iter().map(ToString::to_string).collect();
        if context.console.shows_progress() {
            context.console.note(format_args!("drill: {} down (simulated outage)", names.join(", ")));
        }
        let drills = down.iter().map(|model| Drill {
            struck: Struck::Model(model.clone()),
            fault: Fault::Down,
            share: 1.0,
        });
        let router = stage.router(drills.collect());
        let record = call::silent(context, &router, stage.asked).await?;
        if let Err(NoAnswer { why: Why::Over(over), .. }) = &record.outcome {
            let message = format!("the drill of {} was cut short: {over}", subject.name);
            return Err(CommandError::no_answer(Outcome::Limit, message)
                .hint("raise --max-cost, lower --max-tokens, or drill with a shorter prompt"));
        }
        let all_down = down.len() == models.len();
        rehearsals.push(judged(down, all_down, record, &subject.route, request));
    }
    let broken = rehearsals.iter().any(|rehearsal| matches!(rehearsal.promise, Promise::Broken(_)));
    let outcome = if broken { Outcome::GateFailed } else { Outcome::Done };
    let route = subject.route.name.as_deref().unwrap_or(&subject.name);
    let text = if args.json {
        format!("{}\n", drill_json(route, &rehearsals, outcome.code()))
    } else {
        drill_table(route, &rehearsals, context.console.width())
    };
    printed(context.console.out(&text), outcome)
}

/// Holds a rehearsed call to what the route promises: an answer while anybody is up, in time and in shape.
fn judged(
    down: Vec<ModelRef>,
    all_down: bool,
    record: CallRecord,
    route: &Route,
    request: &Request,
) -> Rehearsal {
    let structured = call::structured(request, &record);
    let deadline = route.policy.deadlines.call;
    let deadline_met = match &record.outcome {
        Ok(_) => Some(record.first_token.unwrap_or(record.latency) <= deadline),
        Err(none) => (none.why == Why::Deadline).then_some(false),
    };
    let promise = match (&record.outcome, &structured) {
        (Err(_), _) if all_down => Promise::NoAnswer,
        (Err(none), _) => {
            // Those that were up and failed say more than those that were taken down.
            let up = record.attempts.iter().rev().find(|attempt| !down.contains(&attempt.model_ref));
            let of_them = up.and_then(|attempt| Some((&attempt.model_ref, attempt.failure.as_ref()?)));
            let last = of_them.map(|(model, failure)| format!("; {model}: {failure}")).unwrap_or_default();
            Promise::Broken(format!("no answer: {}{last}", none.why.words()))
        }
        (Ok(_), Some(Err(why))) => {
            Promise::Broken(format!("the answer is not valid under its schema: {why}"))
        }
        (Ok(_), _) if deadline_met == Some(false) => {
            Promise::Broken(format!("the answer began after the deadline of {} s", deadline.as_secs_f64()))
        }
        (Ok(_), _) => Promise::Kept,
    };
    Rehearsal { down, record, structured, deadline_met, promise }
}
