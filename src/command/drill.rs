//! `slalom route NAME --drill`: rehearsed outages, and what the route makes of them.
//!
//! A drilled call goes through a router of its own, so that nothing which is only played is remembered as an outage.

use std::sync::Arc;

use super::call::{self, CallRequest, DrillLabel};
use super::context::CommandContext;
use super::max_cost;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::chat::Request;
use crate::cli::RouteArgs;
use crate::config::{Config, DurationError, find_closest, parse_duration};
use crate::provider::{
    DrillFault, DrillRule, DrillTarget, DrillTransport, HttpTransport, ModelRef, Transport,
};
use crate::route::{CallError, CallRecord, HealthStore, Route, Router, RunBudget, StopReason};
use crate::view::{DrillResult, DrillVerdict, drill_json, drill_table};

/// The faults that have nothing to say but their name.
const FAULT_KEYWORDS: &[(&str, DrillFault)] = &[
    ("down", DrillFault::Down),
    ("stall", DrillFault::Stall),
    ("cut", DrillFault::Cut),
    ("malformed", DrillFault::Malformed),
    ("empty", DrillFault::Empty),
];

const DRILL_SYNTAX_HINT: &str = "write MODEL=FAULT or PROVIDER=FAULT, or `each`; a fault is down, a status such as 429, slow:2s, \
                    stall, cut, malformed or empty, and a share of the calls may follow it, as in 429:20%";

/// What is rehearsed.
pub(super) enum DrillPlan {
    /// Every candidate down in turn, then all of them.
    EachCandidate,
    /// The outages that were named.
    Outages(Vec<DrillRule>),
}

/// What was typed as drills of a route; `None` where nothing was.
pub(super) fn parse_drill_flags(
    args: &RouteArgs,
    route: &Route,
    config: &Config,
) -> Result<Option<DrillPlan>, CommandError> {
    match args.drill.as_slice() {
        [] => Ok(None),
        [each] if each == "each" => {
            if args.stream {
                return Err(CommandError::usage(
                    "--drill each prints a table, so there is no answer to --stream",
                )
                .with_hint("leave out --stream"));
            }
            Ok(Some(DrillPlan::EachCandidate))
        }
        specs if specs.iter().any(|spec| spec == "each") => {
            Err(CommandError::usage("`--drill each` stands alone: it takes down every candidate anyway")
                .with_hint("leave out the other drills, or name each outage yourself"))
        }
        specs => {
            let drills =
                specs.iter().map(|spec| parse_drill(spec, route, config)).collect::<Result<_, _>>()?;
            Ok(Some(DrillPlan::Outages(drills)))
        }
    }
}

/// `anthropic=down`, `gemini/gemini-3.8-flash=429:20%`, `haiku=slow:2s`.
fn parse_drill(spec: &str, route: &Route, config: &Config) -> Result<DrillRule, CommandError> {
    let Some((whom, fault)) = spec.rsplit_once('=') else {
        return Err(
            CommandError::usage(format!("`--drill {spec}` names no fault")).with_hint(DRILL_SYNTAX_HINT)
        );
    };
    let struck = resolve_drill_target(whom.trim(), route, config)?;
    let (fault, share) = parse_fault(spec, fault.trim())?;
    Ok(DrillRule { target: struck, fault, share })
}

/// One candidate of the route by its model or alias, or all of a provider's.
fn resolve_drill_target(whom: &str, route: &Route, config: &Config) -> Result<DrillTarget, CommandError> {
    let model = config.resolve_model_ref(whom).ok().map(DrillTarget::Model);
    let provider = config.canonical_provider_name(whom).map(DrillTarget::Provider);
    let covers = |struck: &DrillTarget| route.candidates.iter().any(|c| struck.matches(&c.model_ref));
    model.into_iter().chain(provider).find(covers).ok_or_else(|| {
        let name = route.name.as_deref().unwrap_or_default();
        let candidates: Vec<String> = route.candidates.iter().map(|c| c.model_ref.to_string()).collect();
        CommandError::usage(format!("`{whom}` is no candidate of the route `{name}`"))
            .with_hint(format!("its candidates are {}", candidates.join(", ")))
    })
}

/// A fault, and the share of calls that it is for.
fn parse_fault(spec: &str, text: &str) -> Result<(DrillFault, f64), CommandError> {
    let (fault, share) = match text.rsplit_once(':') {
        Some((fault, percent)) if percent.ends_with('%') => {
            let number = percent.trim_end_matches('%').parse::<f64>().ok();
            let Some(share) = number.filter(|number| *number > 0.0 && *number <= 100.0) else {
                return Err(CommandError::usage(format!(
                    "`{percent}` in `--drill {spec}` is no share of calls"
                ))
                .with_hint("write a number above 0 and up to 100, as in 20%"));
            };
            (fault, share / 100.0)
        }
        _ => (text, 1.0),
    };
    if let Some(wait) = fault.strip_prefix("slow:") {
        return match parse_duration(wait) {
            Ok(wait) if !wait.is_zero() => Ok((DrillFault::Slow(wait), share)),
            Ok(_) => Err(CommandError::usage(format!("`--drill {spec}` delays nothing"))),
            Err(error) => Err(CommandError::usage(format!("in `--drill {spec}`, {error}"))),
        }
        .map_err(|error| error.with_hint(DurationError::HINT));
    }
    if let Some((_, fault)) = FAULT_KEYWORDS.iter().find(|(name, _)| *name == fault) {
        return Ok((*fault, share));
    }
    match fault.parse::<u16>() {
        Ok(status) if (400..600).contains(&status) => Ok((DrillFault::Status(status), share)),
        Ok(status) => Err(CommandError::usage(format!("{status} in `--drill {spec}` is no error status"))
            .with_hint("write one from 400 to 599")),
        Err(_) => {
            let names = FAULT_KEYWORDS.iter().map(|(name, _)| *name).chain(["slow:2s"]);
            let hint = match find_closest(fault, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => DRILL_SYNTAX_HINT.to_owned(),
            };
            Err(CommandError::usage(format!("`{fault}` in `--drill {spec}` is no fault")).with_hint(hint))
        }
    }
}

/// Rehearses, and shows what came of it.
pub(super) async fn run_drill(
    context: &CommandContext,
    config: &Config,
    asked: CallRequest<'_>,
    typed: &[String],
    rehearsed: DrillPlan,
    stream_shown: bool,
) -> Result<CommandOutcome, CommandError> {
    let transport = Arc::new(HttpTransport::new(config.connect_timeout));
    let purse = max_cost::parse_max_cost(asked.flags.max_cost.as_deref())?;
    let stage = DrillSession { transport, health: context.open_health(), asked, purse };
    match rehearsed {
        DrillPlan::Outages(drills) => {
            let router = stage.build_router(drills.clone());
            check_drills_apply(&drills, typed, asked, &router)?;
            let played = DrillLabel(typed);
            context.console.note(played);
            call::run_call_with_router(context, &router, asked, stream_shown, Some(played)).await
        }
        DrillPlan::EachCandidate => drill_each_candidate(context, stage).await,
    }
}

/// A drill of a candidate that is left out would pass without having rehearsed anything.
fn check_drills_apply(
    drills: &[DrillRule],
    typed: &[String],
    asked: CallRequest<'_>,
    router: &Router,
) -> Result<(), CommandError> {
    let plan = router.plan(&asked.subject.route, asked.request, asked.caller);
    let idle = |drill: &DrillRule| !plan.targets().any(|target| drill.target.matches(&target.model_ref));
    let first = drills.iter().zip(typed).find(|(drill, _)| idle(drill));
    match first {
        // Where nobody can be called at all, that is the error.
        Some((_, spec)) if plan.targets().next().is_some() => Err(CommandError::usage(format!(
            "`--drill {spec}` would strike nobody: whom it names is left out"
        ))
        .with_hint("--dry-run says why, and who is left")),
        _ => Ok(()),
    }
}

/// What all calls of a rehearsal have in common.
struct DrillSession<'a> {
    transport: Arc<dyn Transport>,
    health: HealthStore,
    asked: CallRequest<'a>,
    purse: Option<RunBudget>,
}

impl DrillSession<'_> {
    /// A router that nothing else is called through.
    fn build_router(&self, drills: Vec<DrillRule>) -> Router {
        let drilled =
            Arc::new(DrillTransport::new(Arc::clone(&self.transport), drills, fastrand::Rng::new()));
        Router::for_drill(drilled, &self.health, &self.asked.subject.route, fastrand::Rng::new())
            .with_run_budget(self.purse.clone())
    }
}

async fn drill_each_candidate(
    context: &CommandContext,
    stage: DrillSession<'_>,
) -> Result<CommandOutcome, CommandError> {
    let CallRequest { subject, request, flags: args, .. } = stage.asked;
    let plan = stage.asked.plan_and_check(context, &stage.build_router(Vec::new()))?;
    let models: Vec<ModelRef> = plan.targets().map(|target| target.model_ref.clone()).collect();
    if models.is_empty() {
        let message = format!("no drill of {}: every candidate is left out", subject.name);
        return Err(CommandError::new(CommandOutcome::NoAnswer, message)
            .with_hint("--dry-run says why each of them is"));
    }
    if let [only] = models.as_slice() {
        let message =
            format!("no drill of {}: only {only} can be called, so nobody would take over", subject.name);
        return Err(CommandError::new(CommandOutcome::GateFailed, message)
            .with_hint("--dry-run says why the others are left out; a route survives an outage with two that can be called"));
    }
    let in_turn = models.iter().map(|model| vec![model.clone()]);
    let mut rehearsals = Vec::new();
    for down in in_turn.chain([models.clone()]) {
        let names: Vec<String> = down.iter().map(ToString::to_string).collect();
        if context.console.can_show_progress() {
            context.console.note(format_args!("drill: {} down (simulated outage)", names.join(", ")));
        }
        let drills = down.iter().map(|model| DrillRule {
            target: DrillTarget::Model(model.clone()),
            fault: DrillFault::Down,
            share: 1.0,
        });
        let router = stage.build_router(drills.collect());
        let record = call::run_call_silently(context, &router, stage.asked).await?;
        if let Err(CallError { reason: StopReason::BudgetExceeded(over), .. }) = &record.outcome {
            let message = format!("the drill of {} was cut short: {over}", subject.name);
            return Err(CommandError::new(CommandOutcome::LimitReached, message)
                .with_hint("raise --max-cost, lower --max-tokens, or drill with a shorter prompt"));
        }
        let all_down = down.len() == models.len();
        rehearsals.push(assess_drill(down, all_down, record, &subject.route, request));
    }
    let broken = rehearsals.iter().any(|rehearsal| matches!(rehearsal.verdict, DrillVerdict::Failed(_)));
    let outcome = if broken { CommandOutcome::GateFailed } else { CommandOutcome::Success };
    let route = subject.route.name.as_deref().unwrap_or(&subject.name);
    let text = if args.json {
        format!("{}\n", drill_json(route, &rehearsals, outcome.exit_code()))
    } else {
        drill_table(route, &rehearsals, context.console.width())
    };
    check_printed(context.console.print(&text), outcome)
}

/// Holds a rehearsed call to what the route promises: an answer while anybody is up, in time and in shape.
fn assess_drill(
    down: Vec<ModelRef>,
    all_down: bool,
    record: CallRecord,
    route: &Route,
    request: &Request,
) -> DrillResult {
    let structured = call::parse_structured_output(request, &record);
    let deadline = route.policy.timeouts.deadline;
    let deadline_met = match &record.outcome {
        Ok(_) => Some(record.first_token.unwrap_or(record.latency) <= deadline),
        Err(none) => (none.reason == StopReason::DeadlineExceeded).then_some(false),
    };
    let promise = match (&record.outcome, &structured) {
        (Err(_), _) if all_down => DrillVerdict::NotApplicable,
        (Err(none), _) => {
            // Those that were up and failed say more than those that were taken down.
            let up = record.attempts.iter().rev().find(|attempt| !down.contains(&attempt.model_ref));
            let of_them = up.and_then(|attempt| Some((&attempt.model_ref, attempt.failure.as_ref()?)));
            let last = of_them.map(|(model, failure)| format!("; {model}: {failure}")).unwrap_or_default();
            DrillVerdict::Failed(format!("no answer: {}{last}", none.reason.message()))
        }
        (Ok(_), Some(Err(why))) => {
            DrillVerdict::Failed(format!("the answer is not valid under its schema: {why}"))
        }
        (Ok(_), _) if deadline_met == Some(false) => DrillVerdict::Failed(format!(
            "the answer began after the deadline of {} s",
            deadline.as_secs_f64()
        )),
        (Ok(_), _) => DrillVerdict::Passed,
    };
    DrillResult { down, record, structured, deadline_met, verdict: promise }
}
