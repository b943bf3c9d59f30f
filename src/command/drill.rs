//! `slalom route NAME --drill`: simulates outages and checks that the route survives them.
//!
//! Each drill uses its own router, so simulated faults are never recorded in the health data.

use std::sync::Arc;

use super::call::{self, CallRequest, DrillLabel};
use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::chat::{DurationError, Request, find_closest, parse_duration};
use crate::cli::RouteArgs;
use crate::config::Config;
use crate::provider::{
    DrillFault, DrillRule, DrillTarget, DrillTransport, HttpTransport, ModelRef, Transport,
};
use crate::route::{
    CallError, CallOptions, CallRecord, HealthStore, Route, Router, SilentObserver, StopReason,
};
use crate::view::{
    DrillFailure, DrillResult, DrillVerdict, describe_budget_exceeded, drill_json, drill_table,
};

/// Faults without a parameter.
const FAULT_KEYWORDS: &[(&str, DrillFault)] = &[
    ("down", DrillFault::Down),
    ("stall", DrillFault::Stall),
    ("cut", DrillFault::Cut),
    ("malformed", DrillFault::Malformed),
    ("empty", DrillFault::Empty),
];

const DRILL_SYNTAX_HINT: &str = "use `each` or TARGET=FAULT, where TARGET is a provider or a model and FAULT is down, an HTTP status such as 429, slow:2s, stall, cut, malformed, or empty, with an optional share of calls as in 429:20%";

pub(super) enum DrillPlan {
    /// Take down each candidate in turn, then all at once.
    EachCandidate,
    Outages(Vec<DrillRule>),
}

/// Parses `--drill`; `None` if it is not given.
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
                    "cannot combine --stream with --drill each, which prints a table",
                )
                .with_hint("remove --stream"));
            }
            Ok(Some(DrillPlan::EachCandidate))
        }
        specs if specs.iter().any(|spec| spec == "each") => {
            Err(CommandError::usage("cannot combine --drill each with other drills")
                .with_hint("remove the other drills, or list each outage explicitly"))
        }
        specs => {
            let drills =
                specs.iter().map(|spec| parse_drill(spec, route, config)).collect::<Result<_, _>>()?;
            Ok(Some(DrillPlan::Outages(drills)))
        }
    }
}

/// Parses one drill: `anthropic=down`, `gemini/gemini-3.8-flash=429:20%`, `haiku=slow:2s`.
fn parse_drill(spec: &str, route: &Route, config: &Config) -> Result<DrillRule, CommandError> {
    let Some((name, fault)) = spec.rsplit_once('=') else {
        return Err(
            CommandError::usage(format!("missing fault in `--drill {spec}`")).with_hint(DRILL_SYNTAX_HINT)
        );
    };
    let target = resolve_drill_target(name.trim(), route, config)?;
    let (fault, share) = parse_fault(spec, fault.trim())?;
    Ok(DrillRule { target, fault, share })
}

/// Resolves a model or alias to one candidate of the route, or a provider to all of its candidates.
fn resolve_drill_target(name: &str, route: &Route, config: &Config) -> Result<DrillTarget, CommandError> {
    let model = config.resolve_model_ref(name).ok().map(DrillTarget::Model);
    let provider = config.canonical_provider_name(name).map(DrillTarget::Provider);
    let covers = |target: &DrillTarget| route.candidates.iter().any(|c| target.matches(&c.model_ref));
    model.into_iter().chain(provider).find(covers).ok_or_else(|| {
        let route_name = route.name.as_deref().unwrap_or_default();
        let candidates: Vec<String> = route.candidates.iter().map(|c| c.model_ref.to_string()).collect();
        CommandError::usage(format!("unknown candidate `{name}` in route `{route_name}`"))
            .with_hint(format!("use one of {}", candidates.join(", ")))
    })
}

/// Parses a fault and the share of calls that it affects (above 0, at most 1).
fn parse_fault(spec: &str, text: &str) -> Result<(DrillFault, f64), CommandError> {
    let (fault, share) = match text.rsplit_once(':') {
        Some((fault, share_text)) if share_text.ends_with('%') => {
            let number = share_text.trim_end_matches('%').parse::<f64>().ok();
            let Some(share) = number.filter(|number| *number > 0.0 && *number <= 100.0) else {
                return Err(CommandError::usage(format!("invalid share `{share_text}` in `--drill {spec}`"))
                    .with_hint("use a percentage above 0% and at most 100%, for example 20%"));
            };
            (fault, share / 100.0)
        }
        _ => (text, 1.0),
    };
    if let Some(delay) = fault.strip_prefix("slow:") {
        return match parse_duration(delay) {
            Ok(delay) if !delay.is_zero() => Ok((DrillFault::Slow(delay), share)),
            Ok(_) => Err(CommandError::usage(format!("invalid delay in `--drill {spec}`: must be above 0"))),
            Err(error) => Err(CommandError::usage(format!("`--drill {spec}`: {error}"))),
        }
        .map_err(|error| error.with_hint(DurationError::HINT));
    }
    if let Some((_, fault)) = FAULT_KEYWORDS.iter().find(|(name, _)| *name == fault) {
        return Ok((*fault, share));
    }
    match fault.parse::<u16>() {
        Ok(status) if (400..600).contains(&status) => Ok((DrillFault::Status(status), share)),
        Ok(status) => Err(CommandError::usage(format!(
            "invalid status `{status}` in `--drill {spec}`: not an error status"
        ))
        .with_hint("use a status from 400 to 599")),
        Err(_) => {
            if let Some((fault, share)) = fault.rsplit_once(':')
                && share.parse::<f64>().is_ok()
            {
                return Err(CommandError::usage(format!("invalid share `{share}` in `--drill {spec}`"))
                    .with_hint(format!("write the share with `%`: {fault}:{share}%")));
            }
            let names = FAULT_KEYWORDS.iter().map(|(name, _)| *name).chain(["slow:2s"]);
            let hint = match find_closest(fault, names) {
                Some(closest) => format!("did you mean `{closest}`?"),
                None => DRILL_SYNTAX_HINT.to_owned(),
            };
            Err(CommandError::usage(format!("unknown fault `{fault}` in `--drill {spec}`")).with_hint(hint))
        }
    }
}

/// Runs the drills and prints the results.
pub(super) async fn run_drill(
    context: &CommandContext,
    config: &Config,
    call_request: CallRequest<'_>,
    specs: &[String],
    drill_plan: DrillPlan,
    stream_shown: bool,
) -> Result<CommandOutcome, CommandError> {
    let transport = Arc::new(HttpTransport::new(config.connect_timeout));
    let session = DrillSession { transport, health: context.open_health(), call_request };
    match drill_plan {
        DrillPlan::Outages(drills) => {
            let router = session.build_router(drills.clone());
            check_drills_apply(&drills, specs, call_request, &router)?;
            let drill_label = DrillLabel(specs);
            context.console.note(drill_label);
            call::run_call_with_router(
                context,
                config,
                &router,
                call_request,
                stream_shown,
                Some(drill_label),
            )
            .await
        }
        DrillPlan::EachCandidate => drill_each_candidate(context, session).await,
    }
}

/// Rejects a drill whose target is skipped: it would pass without testing anything.
fn check_drills_apply(
    drills: &[DrillRule],
    specs: &[String],
    call_request: CallRequest<'_>,
    router: &Router,
) -> Result<(), CommandError> {
    let plan = router.plan(&call_request.subject.route, call_request.request, call_request.options);
    let has_no_effect =
        |drill: &DrillRule| !plan.targets().any(|target| drill.target.matches(&target.model_ref));
    let first = drills.iter().zip(specs).find(|(drill, _)| has_no_effect(drill));
    match first {
        // If the plan has no candidate at all, the call itself reports that.
        Some((_, spec)) if plan.targets().next().is_some() => Err(CommandError::usage(format!(
            "`--drill {spec}` has no effect: its target is skipped in this plan"
        ))
        .with_hint("run with --dry-run to see which candidates are skipped, and why")),
        _ => Ok(()),
    }
}

/// What all calls of a drill share.
struct DrillSession<'a> {
    transport: Arc<dyn Transport>,
    health: HealthStore,
    call_request: CallRequest<'a>,
}

impl DrillSession<'_> {
    /// A new router for one drilled call.
    fn build_router(&self, drills: Vec<DrillRule>) -> Router {
        let drilled =
            Arc::new(DrillTransport::new(Arc::clone(&self.transport), drills, fastrand::Rng::new()));
        Router::for_drill(drilled, &self.health, &self.call_request.subject.route, fastrand::Rng::new())
    }
}

async fn drill_each_candidate(
    context: &CommandContext,
    session: DrillSession<'_>,
) -> Result<CommandOutcome, CommandError> {
    let CallRequest { subject, request, flags: args, .. } = session.call_request;
    let router = session.build_router(Vec::new());
    let plan = session.call_request.plan_and_check(context, &router)?;
    let models: Vec<ModelRef> = plan.targets().map(|target| target.model_ref.clone()).collect();
    if models.is_empty() {
        let message = format!("cannot drill {}: every candidate is skipped", subject.name);
        return Err(
            CommandError::new(CommandOutcome::NoAnswer, message).with_hint("run with --dry-run to see why")
        );
    }
    if let [only] = models.as_slice() {
        let message = format!("cannot drill {}: {only} is the only usable candidate", subject.name);
        return Err(CommandError::new(CommandOutcome::GateFailed, message)
            .with_hint("add a second usable candidate (--dry-run shows why the others are skipped)"));
    }
    let each_alone = models.iter().map(|model| vec![model.clone()]);
    let mut results = Vec::new();
    for down in each_alone.chain([models.clone()]) {
        let names: Vec<String> = down.iter().map(ToString::to_string).collect();
        if context.console.can_show_progress() {
            context.console.note(format_args!("drill: {} down (simulated)", names.join(", ")));
        }
        let drills = down.iter().map(|model| DrillRule {
            target: DrillTarget::Model(model.clone()),
            fault: DrillFault::Down,
            share: 1.0,
        });
        let router = session.build_router(drills.collect());
        let options = CallOptions { id: context.new_id(), ..session.call_request.options.clone() };
        let plan = router.plan(&subject.route, request, &options);
        let record = router.run(plan, &mut SilentObserver).await;
        if let Err(CallError { reason: StopReason::BudgetExceeded(over), .. }) = &record.outcome {
            let message =
                format!("drill of {} stopped early: {}", subject.name, describe_budget_exceeded(over));
            return Err(CommandError::new(CommandOutcome::LimitReached, message)
                .with_hint("raise --max-cost, lower --max-tokens, or drill with a shorter prompt"));
        }
        let all_down = down.len() == models.len();
        results.push(assess_drill(down, all_down, record, &subject.route, request));
    }
    let has_failed = results.iter().any(|result| matches!(result.verdict, DrillVerdict::Failed(_)));
    let outcome = if has_failed { CommandOutcome::GateFailed } else { CommandOutcome::Success };
    let route = subject.route.name.as_deref().unwrap_or(&subject.name);
    let text = if args.json {
        format!("{}\n", drill_json(route, &results, outcome.exit_code()))
    } else {
        drill_table(route, &results, context.console.width())
    };
    check_printed(context.console.print(&text), outcome)
}

/// Assesses a drilled call: while any candidate is up, the answer must meet the deadline and the schema.
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
        Err(error) => (error.reason == StopReason::DeadlineExceeded).then_some(false),
    };
    let failed = |failure| DrillVerdict::Failed(Box::new(failure));
    let verdict = match (&record.outcome, &structured) {
        (Err(_), _) if all_down => DrillVerdict::NotApplicable,
        (Err(error), _) => {
            // The failure of a candidate that was up says more than the simulated outage.
            let up = record.attempts.iter().rev().find(|attempt| !down.contains(&attempt.model_ref));
            let unplanned =
                up.and_then(|attempt| Some((attempt.model_ref.clone(), attempt.failure.clone()?)));
            failed(DrillFailure::NoAnswer { reason: error.reason, unplanned })
        }
        (Ok(_), Some(Err(why))) => failed(DrillFailure::SchemaMismatch(why.clone())),
        (Ok(_), _) if deadline_met == Some(false) => failed(DrillFailure::DeadlineMissed { deadline }),
        (Ok(_), _) => DrillVerdict::Passed,
    };
    DrillResult { down, record, structured, deadline_met, verdict }
}
