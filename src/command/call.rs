//! One call, from a subject to the exit code. `ask` and `route` tell the same story from here on.

use std::sync::Arc;

use tokio::sync::Notify;

use super::context::{CommandContext, parse_timeout};
use super::max_cost;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::catalog::Lifecycle;
use crate::chat::{Failure, FailureClass, FailurePhase, FinishReason, Request, ResponseFormat};
use crate::cli::RequestArgs;
use crate::config::{Config, ResolvedSubject};
use crate::eval::{OutputSchema, StructuredOutput};
use crate::provider::{ModelRef, TargetError};
use crate::route::{
    CallError, CallObserver, CallOptions, CallRecord, Plan, Route, Router, RoutingHints, SilentObserver,
    SkipReason, StopReason,
};
use crate::view::{StreamPrinter, call_envelope, call_summary_line};

/// A call as it was asked for.
#[derive(Clone, Copy)]
pub(super) struct CallRequest<'a> {
    pub(super) subject: &'a ResolvedSubject,
    pub(super) request: &'a Request,
    pub(super) flags: &'a RequestArgs,
    pub(super) caller: &'a RoutingHints,
}

impl CallRequest<'_> {
    /// What is to become of it, checked before anything is sent.
    pub(super) fn plan_and_check(
        &self,
        context: &CommandContext,
        router: &Router,
    ) -> Result<Plan, CommandError> {
        let route = &self.subject.route;
        let plan = router.plan(route, self.request, self.caller);
        check_callable(context, route, &plan, self.flags.strict_params)?;
        max_cost::check_price_known(&plan, router.run_budget())?;
        Ok(plan)
    }

    fn call_options(&self, context: &CommandContext) -> Result<CallOptions, CommandError> {
        Ok(CallOptions {
            id: context.new_id(),
            requested_model: self.subject.name.clone(),
            stream: !self.flags.no_stream,
            timeout: self.flags.timeout.as_deref().map(parse_timeout).transpose()?,
            hints: self.caller.clone(),
        })
    }
}

/// Sends a request and shows what comes of it.
pub(super) async fn run_call(
    context: &CommandContext,
    config: &Config,
    asked: CallRequest<'_>,
    stream_shown: bool,
) -> Result<CommandOutcome, CommandError> {
    let purse = max_cost::parse_max_cost(asked.flags.max_cost.as_deref())?;
    let router = context.build_router(config).with_run_budget(purse);
    run_call_with_router(context, &router, asked, stream_shown, None).await
}

/// The drills that a call is part of, as they were typed.
#[derive(Clone, Copy)]
pub(super) struct DrillLabel<'a>(pub(super) &'a [String]);

impl std::fmt::Display for DrillLabel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "drill: {} (simulated outage)", self.0.join(", "))
    }
}

/// Sends a request through this router and shows what comes of it, and that it was a drill where it was one.
pub(super) async fn run_call_with_router(
    context: &CommandContext,
    router: &Router,
    asked: CallRequest<'_>,
    stream_shown: bool,
    played: Option<DrillLabel<'_>>,
) -> Result<CommandOutcome, CommandError> {
    asked.plan_and_check(context, router)?;
    let CallRequest { subject, request, flags: args, .. } = asked;
    let options = asked.call_options(context)?;
    let closed = Arc::new(Notify::new());
    let mut live = StreamPrinter::new(context.console, stream_shown && !args.json, Arc::clone(&closed));
    let record = tokio::select! {
        record = router.call(&subject.route, request, &options, &mut live) => Some(record),
        // Nobody reads on: what is under way is let go.
        () = closed.notified() => None,
    };
    live.end_line();
    if let Some(error) = live.take_write_error() {
        return check_printed(Err(error), CommandOutcome::Success);
    }
    let Some(record) = record else { return Ok(CommandOutcome::Success) };
    let structured = parse_structured_output(request, &record);
    print_call(context, &record, structured.as_ref(), args.json, live.is_live(), played)
}

/// A model that cannot be called is an error before anything is sent; in a route it is left out, with a warning.
pub(super) fn check_callable(
    context: &CommandContext,
    route: &Route,
    plan: &Plan,
    strict: bool,
) -> Result<(), CommandError> {
    let lost: Vec<String> = plan
        .adjustments()
        .filter(|(_, adjustment)| strict && adjustment.is_lossy())
        .map(|(model, adjustment)| format!("{model}: {adjustment}"))
        .collect();
    if !lost.is_empty() {
        return Err(CommandError::usage(format!(
            "without --strict-params this would be sent:\n  {}",
            lost.join("\n  ")
        ))
        .with_hint("leave these out, or leave out --strict-params"));
    }
    let skipped: Vec<_> = plan.skipped().collect();
    let unusable = skipped.iter().find_map(|(_, skip)| match skip {
        SkipReason::TargetError(error) => Some(error),
        _ => None,
    });
    if plan.targets().next().is_none()
        && let Some(error) = unusable
    {
        return Err(no_callable_candidate_error(route, error));
    }
    // Where nobody is left, the end of the call says why.
    let left = plan.targets().next().is_some();
    for (model, skip) in skipped.into_iter().filter(|(_, skip)| left && !skip.is_intended()) {
        context.console.warn(format_args!("{model} is left out: {skip}"));
    }
    if let Some(stranger) = &plan.foreign_model {
        context.console.warn(format_args!(
            "the conversation's last answer came from {stranger}, which is no candidate of `{}`: another model goes on with it",
            route.name.as_deref().unwrap_or_default()
        ));
    }
    for (model, missing) in &plan.missing_pass_rates {
        context.console.warn(format_args!("{model} is used, though {missing}; `slalom eval` measures it"));
    }
    let today = context.today_utc();
    for target in plan.targets() {
        let past = target.facts.as_ref().filter(|facts| facts.lifecycle_on(today) == Lifecycle::Retired);
        if let Some(date) = past.and_then(|facts| facts.retirement_date.as_deref()) {
            let model = &target.model_ref;
            context.console.warn(format_args!(
                "{model} was announced to end on {date}, so it may refuse; `slalom models {}` shows others",
                model.provider
            ));
        }
    }
    Ok(())
}

const TRY_SIMULATOR_HINT: &str = "the simulator, which needs no key: slalom ask -m sim-openai/good \"…\"";

pub(super) fn no_callable_candidate_error(route: &Route, error: &TargetError) -> CommandError {
    let message = match &route.name {
        Some(name) => format!("the route `{name}` has no candidate that can be called: {error}"),
        None => error.to_string(),
    };
    let usage = CommandError::usage(message);
    match error {
        TargetError::NoKey { .. } | TargetError::NoSetting { .. } => {
            let variables: Vec<&str> = route
                .candidates
                .iter()
                .flat_map(|c| match &c.target {
                    Err(TargetError::NoKey { variable, .. }) => std::slice::from_ref(variable),
                    Err(TargetError::NoSetting { variables, .. }) => variables.as_slice(),
                    _ => &[],
                })
                .map(String::as_str)
                .collect();
            let first = match variables.as_slice() {
                [] => "say it in routes.yaml".to_owned(),
                variables => format!("set {}", variables.join(" or ")),
            };
            usage.with_hint(format!("{first}; or try {TRY_SIMULATOR_HINT}"))
        }
        TargetError::NoCredentials { .. } => {
            usage.with_hint(format!("`slalom check` says what was found; or try {TRY_SIMULATOR_HINT}"))
        }
        TargetError::BadKeyFile { .. } => {
            usage.with_hint("put the key alone on one line of that file, or name another under `api_key:`")
        }
        TargetError::BadSetting { .. } => usage.with_hint("letters, digits and `-` can be part of a URL"),
        TargetError::PlainHttp { .. } => {
            usage.with_hint("use https, or set `allow_http: true` for that provider")
        }
        TargetError::Untrusted { .. } => usage.with_hint("read routes.yaml, then run `slalom check --trust`"),
        TargetError::UserInfoInUrl { .. } => {
            usage.with_hint("name the key's variable under `api_key: {env: …}` instead")
        }
        TargetError::BadUrl { .. } => usage.with_hint("write a URL that begins with https:// or http://"),
        TargetError::BadKey { .. } => usage.with_hint("look for line breaks or quotes in the variable"),
    }
}

/// What to do about a route that did not survive a drill.
const FAILED_DRILL_HINT: &str = "add a candidate of another provider, or look at `deadline`, `timeouts`, `retry` and the `on_…` of \
                          the route: what they let the call go on from, it survives";

fn print_call(
    context: &CommandContext,
    record: &CallRecord,
    structured: Option<&StructuredOutput>,
    json: bool,
    was_shown: bool,
    played: Option<DrillLabel<'_>>,
) -> Result<CommandOutcome, CommandError> {
    let console = &context.console;
    let drill = played.map_or(&[][..], |played| played.0);
    let none = match &record.outcome {
        Ok(answer) => {
            if json {
                let envelope = call_envelope(record, structured, None).with_drills(drill);
                check_printed(console.print_line(&to_json_line(&envelope)), CommandOutcome::Success)?;
            } else if !was_shown && !answer.response.text.is_empty() {
                check_printed(console.print_line(&answer.response.text), CommandOutcome::Success)?;
            }
            if !json {
                for call in &answer.response.tool_calls {
                    check_printed(console.print_line(&to_json_line(call)), CommandOutcome::Success)?;
                }
            }
            for path in &answer.response.unexpected_fields {
                console.note_verbose(format_args!("unexpected in the answer: {path}"));
            }
            if let Some(words) = finish_reason_warning(answer.response.finish_reason) {
                console.warn(words);
            }
            let footer = call_summary_line(record, answer);
            match played {
                Some(played) => console.note(format_args!("{footer} · {played}")),
                None => console.note(footer),
            }
            return match structured {
                Some(Err(why)) => Err(CommandError::new(
                    CommandOutcome::GateFailed,
                    format!("the answer is not valid under its schema: {why}"),
                )
                .with_hint("ask again, or name a model that holds to schemas (`slalom models` says which)")),
                _ => Ok(CommandOutcome::Success),
            };
        }
        Err(none) => none,
    };
    let (outcome, hint) = match played {
        // What helps against an outage does not help against one that is only played.
        Some(_) if !matches!(none.reason, StopReason::BudgetExceeded(_)) => {
            (CommandOutcome::GateFailed, Some(FAILED_DRILL_HINT.to_owned()))
        }
        _ => (call_outcome(record, structured), call_error_hint(record, none)),
    };
    if json {
        let envelope = call_envelope(record, structured, hint.clone()).with_drills(drill);
        check_printed(console.print_line(&to_json_line(&envelope)), outcome)?;
    }
    let mut words = describe_call_error(record, none);
    if let Some(played) = played {
        words = format!("{played}: {words}");
    }
    let error = CommandError::new(outcome, words);
    Err(match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

fn to_json_line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What is worth a warning about the way an answer ended.
fn finish_reason_warning(reason: FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Length => Some("the answer was cut at its limit of tokens; --max-tokens raises it"),
        FinishReason::ContentFilter => Some("a filter of the provider cut or blocked the answer"),
        FinishReason::Refusal => Some("the model declined"),
        FinishReason::Pause => Some("the provider paused the answer and wants the turn sent back"),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Error | FinishReason::Other => None,
    }
}

/// What happened, attempt by attempt.
fn describe_call_error(record: &CallRecord, none: &CallError) -> String {
    let what = match none.reason {
        StopReason::AllAttemptsFailed if record.attempts.len() == 1 => "its only attempt failed".to_owned(),
        // Each of those left out says it with its own figures.
        StopReason::BudgetExceeded(over) if over.is_daily => {
            "today's budget does not reach for it".to_owned()
        }
        StopReason::BudgetExceeded(_) => "--max-cost does not reach for it".to_owned(),
        why => why.message(),
    };
    let mut words = format!("no answer from {}: {what}", record.requested_model);
    for attempt in &record.attempts {
        if let Some(failure) = &attempt.failure {
            words.push_str(&format!(
                "\n  {} after {:.2} s: {failure}",
                attempt.model_ref,
                attempt.duration.as_secs_f64()
            ));
            if let Some(id) = &failure.request_id {
                words.push_str(&format!(" [request {id}]"));
            }
        }
    }
    for (model, skip) in &record.skipped {
        words.push_str(&format!("\n  {model} left out: {skip}"));
    }
    for model in &record.untried {
        words.push_str(&format!("\n  {model} not tried"));
    }
    words
}

fn call_error_hint(record: &CallRecord, none: &CallError) -> Option<String> {
    if none.reason == StopReason::AnswerInterrupted && !record.untried.is_empty() {
        let words = "`on_midstream: restart` begins anew with the next candidate; what is not shown as it arrives \
                     (a pipe without --stream) is never lost";
        return Some(words.to_owned());
    }
    match (stop_reason_hint(none.reason), &none.failure) {
        (Some(words), _) => Some(words.to_owned()),
        (None, Some(failure)) => failure_hint(failure).map(str::to_owned),
        (None, None) => None,
    }
}

/// The error of work that limits or the budget did not let begin.
pub(super) fn not_started_error(model: &ModelRef, why: StopReason) -> CommandError {
    let error =
        CommandError::new(stop_reason_outcome(why), format!("nothing from {model}: {}", why.message()));
    match stop_reason_hint(why) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What to do about the way a call ended, whatever its last failure was.
fn stop_reason_hint(why: StopReason) -> Option<&'static str> {
    Some(match why {
        StopReason::CallerTimeout => "raise --timeout",
        StopReason::DeadlineExceeded => "raise `deadline` in routes.yaml, or add a faster candidate",
        StopReason::AtLimit => {
            "raise `limits`, `deadline` or --timeout, or add a candidate of another provider: a call waits for half of the time that it has"
        }
        StopReason::NoCandidate => "`slalom route NAME --dry-run` says of each candidate why it is left out",
        StopReason::BudgetExceeded(over) if over.is_daily => {
            "raise `budget: daily_usd` in routes.yaml, or name a cheaper model; the day ends at midnight UTC"
        }
        StopReason::BudgetExceeded(_) => "raise --max-cost, lower --max-tokens, or name a cheaper model",
        StopReason::FatalFailure | StopReason::AllAttemptsFailed | StopReason::AnswerInterrupted => {
            return None;
        }
    })
}

/// What to do about a failure.
pub(super) fn failure_hint(failure: &Failure) -> Option<&'static str> {
    Some(match failure.class {
        // It failed before anything was sent: the key could not be got.
        FailureClass::Auth if failure.phase == FailurePhase::Connect => {
            "nothing was sent: run what gives the key by hand; `slalom check` says what that is"
        }
        FailureClass::Auth => {
            "check that the key is right and not expired; `slalom check` says which are set"
        }
        FailureClass::QuotaExhausted => "add credit, or put a candidate of another provider in the route",
        FailureClass::RateLimited => "wait, or put a candidate of another provider in the route",
        FailureClass::ModelUnavailable => "`slalom models` lists the models that are known",
        FailureClass::ContextOverflow => {
            "shorten the prompt, or name a model with a larger window (`slalom models`)"
        }
        FailureClass::Unreachable => "check the network and the provider's base URL",
        FailureClass::Timeout => "raise `timeouts` in routes.yaml, or add another candidate",
        FailureClass::BadRequest => "the provider refuses the request as it is; its words above say why",
        FailureClass::ContentPolicy => {
            "a filter refused the prompt; `on_content_policy: failover` asks the next candidate"
        }
        FailureClass::Malformed | FailureClass::Unknown => {
            "is the base URL the provider's API, and the dialect the right one?"
        }
        FailureClass::ServerError | FailureClass::Truncated | FailureClass::Empty => {
            "a route with a second provider survives this: see routes.yaml"
        }
        FailureClass::Cancelled => return None,
    })
}

/// What came of the shape that was asked for; `None` where none was, or no answer came, or it calls tools instead.
pub(super) fn parse_structured_output(request: &Request, record: &CallRecord) -> Option<StructuredOutput> {
    let Some(ResponseFormat::JsonSchema(schema)) = &request.response_format else { return None };
    let answer = record.outcome.as_ref().ok().filter(|answer| answer.response.tool_calls.is_empty())?;
    Some(OutputSchema::new(&schema.schema).and_then(|shape| shape.parse_answer(&answer.response.text)))
}

/// A call whose result alone matters.
pub(super) async fn run_call_silently(
    context: &CommandContext,
    router: &Router,
    asked: CallRequest<'_>,
) -> Result<CallRecord, CommandError> {
    let options = asked.call_options(context)?;
    Ok(router.call(&asked.subject.route, asked.request, &options, &mut SilentObserver).await)
}

/// How a call ends, as an exit code says it.
pub(super) fn call_outcome(record: &CallRecord, structured: Option<&StructuredOutput>) -> CommandOutcome {
    match &record.outcome {
        Ok(_) if matches!(structured, Some(Err(_))) => CommandOutcome::GateFailed,
        Ok(_) => CommandOutcome::Success,
        Err(none) => stop_reason_outcome(none.reason),
    }
}

fn stop_reason_outcome(why: StopReason) -> CommandOutcome {
    if matches!(why, StopReason::CallerTimeout | StopReason::BudgetExceeded(_)) {
        CommandOutcome::LimitReached
    } else {
        CommandOutcome::NoAnswer
    }
}
