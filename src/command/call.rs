//! Makes one call for `ask` and `route`, from subject to exit code.

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

#[derive(Clone, Copy)]
pub(super) struct CallRequest<'a> {
    pub(super) subject: &'a ResolvedSubject,
    pub(super) request: &'a Request,
    pub(super) flags: &'a RequestArgs,
    pub(super) caller: &'a RoutingHints,
}

impl CallRequest<'_> {
    /// Plans the call and rejects one that cannot succeed, before anything is sent.
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

/// Sends a request and prints the answer or the error.
pub(super) async fn run_call(
    context: &CommandContext,
    config: &Config,
    call_request: CallRequest<'_>,
    stream_shown: bool,
) -> Result<CommandOutcome, CommandError> {
    let run_budget = max_cost::parse_max_cost(call_request.flags.max_cost.as_deref())?;
    let router = context.build_router(config).with_run_budget(run_budget);
    run_call_with_router(context, &router, call_request, stream_shown, None).await
}

/// The `--drill` values of a drilled call, as typed.
#[derive(Clone, Copy)]
pub(super) struct DrillLabel<'a>(pub(super) &'a [String]);

impl std::fmt::Display for DrillLabel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "drill: {} (simulated outage)", self.0.join(", "))
    }
}

/// Like [`run_call`], with a given router; `drill_label` is set in a drill.
pub(super) async fn run_call_with_router(
    context: &CommandContext,
    router: &Router,
    call_request: CallRequest<'_>,
    stream_shown: bool,
    drill_label: Option<DrillLabel<'_>>,
) -> Result<CommandOutcome, CommandError> {
    call_request.plan_and_check(context, router)?;
    let CallRequest { subject, request, flags: args, .. } = call_request;
    let options = call_request.call_options(context)?;
    let closed = Arc::new(Notify::new());
    let mut printer = StreamPrinter::new(context.console, stream_shown && !args.json, Arc::clone(&closed));
    let record = tokio::select! {
        record = router.call(&subject.route, request, &options, &mut printer) => Some(record),
        // Stdout is closed: drop the call in flight.
        () = closed.notified() => None,
    };
    printer.end_line();
    if let Some(error) = printer.take_write_error() {
        return check_printed(Err(error), CommandOutcome::Success);
    }
    let Some(record) = record else { return Ok(CommandOutcome::Success) };
    let structured = parse_structured_output(request, &record);
    print_call(context, &record, structured.as_ref(), args.json, printer.is_live(), drill_label)
}

/// Fails if no candidate can be called or if `strict` forbids a lossy adjustment; otherwise warns about
/// skipped candidates and other risks.
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
            "--strict-params: the request would be changed:\n  {}",
            lost.join("\n  ")
        ))
        .with_hint("remove these parameters, or drop --strict-params"));
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
    // If no candidate is left, the final error says why.
    let left = plan.targets().next().is_some();
    for (model, skip) in skipped.into_iter().filter(|(_, skip)| left && !skip.is_intended()) {
        context.console.warn(format_args!("skipping {model}: {skip}"));
    }
    if let Some(foreign_model) = &plan.foreign_model {
        context.console.warn(format_args!(
            "the last answer in this conversation came from {foreign_model}, which is not a candidate of `{}`: continuing with another model",
            route.name.as_deref().unwrap_or_default()
        ));
    }
    for (model, missing) in &plan.missing_pass_rates {
        context.console.warn(format_args!(
            "using {model} without a current score ({missing}); run `slalom eval` to measure it"
        ));
    }
    let today = context.today_utc();
    for target in plan.targets() {
        let retired = target.facts.as_ref().filter(|facts| facts.lifecycle_on(today) == Lifecycle::Retired);
        if let Some(date) = retired.and_then(|facts| facts.retirement_date.as_deref()) {
            let model = &target.model_ref;
            context.console.warn(format_args!(
                "{model} was scheduled for shutdown on {date} and may fail; run `slalom models {}` for alternatives",
                model.provider
            ));
        }
    }
    Ok(())
}

const TRY_SIMULATOR_HINT: &str = "the simulator, which needs no key: slalom ask -m sim-openai/good \"…\"";

pub(super) fn no_callable_candidate_error(route: &Route, error: &TargetError) -> CommandError {
    let message = match &route.name {
        Some(name) => format!("no usable candidate in route `{name}`: {error}"),
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
            let advice = match variables.as_slice() {
                [] => "set it in routes.yaml".to_owned(),
                variables => format!("set {}", variables.join(" or ")),
            };
            usage.with_hint(format!("{advice}; or try {TRY_SIMULATOR_HINT}"))
        }
        TargetError::NoCredentials { .. } => usage.with_hint(format!(
            "run `slalom check` to see which credentials were found, or try {TRY_SIMULATOR_HINT}"
        )),
        TargetError::BadKeyFile { .. } => usage
            .with_hint("put only the key on one line of that file, or set another source under `api_key:`"),
        TargetError::BadSetting { .. } => usage.with_hint("use letters, digits, and `-` only"),
        TargetError::PlainHttp { .. } => {
            usage.with_hint("use https, or set `allow_http: true` for that provider")
        }
        TargetError::Untrusted { .. } => {
            usage.with_hint("review routes.yaml, then run `slalom check --trust`")
        }
        TargetError::UserInfoInUrl { .. } => {
            usage.with_hint("remove the credentials from the URL and set `api_key: {env: NAME}`")
        }
        TargetError::BadUrl { .. } => usage.with_hint("use a URL that starts with https:// or http://"),
        TargetError::BadKey { .. } => usage.with_hint("check the variable for line breaks or quotes"),
    }
}

const FAILED_DRILL_HINT: &str = "add a candidate from another provider, or adjust the route's `deadline`, `timeouts`, `retry`, and `on_…` settings, which decide what fails over";

fn print_call(
    context: &CommandContext,
    record: &CallRecord,
    structured: Option<&StructuredOutput>,
    json: bool,
    was_shown: bool,
    drill_label: Option<DrillLabel<'_>>,
) -> Result<CommandOutcome, CommandError> {
    let console = &context.console;
    let drills = drill_label.map_or(&[][..], |drill_label| drill_label.0);
    let call_error = match &record.outcome {
        Ok(answer) => {
            if json {
                let envelope = call_envelope(record, structured, None).with_drills(drills);
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
                console.note_verbose(format_args!("unexpected field in the response: {path}"));
            }
            if let Some(warning) = finish_reason_warning(answer.response.finish_reason) {
                console.warn(warning);
            }
            let summary = call_summary_line(record, answer);
            match drill_label {
                Some(drill_label) => console.note(format_args!("{summary} · {drill_label}")),
                None => console.note(summary),
            }
            return match structured {
                Some(Err(why)) => Err(CommandError::new(
                    CommandOutcome::GateFailed,
                    format!("the answer does not match the schema: {why}"),
                )
                .with_hint("retry, or use a model with structured output (see `slalom models`)")),
                _ => Ok(CommandOutcome::Success),
            };
        }
        Err(call_error) => call_error,
    };
    let (outcome, hint) = match drill_label {
        // Hints for a real outage do not apply to a simulated one.
        Some(_) if !matches!(call_error.reason, StopReason::BudgetExceeded(_)) => {
            (CommandOutcome::GateFailed, Some(FAILED_DRILL_HINT.to_owned()))
        }
        _ => (call_outcome(record, structured), call_error_hint(record, call_error)),
    };
    if json {
        let envelope = call_envelope(record, structured, hint.clone()).with_drills(drills);
        check_printed(console.print_line(&to_json_line(&envelope)), outcome)?;
    }
    let mut message = describe_call_error(record, call_error);
    if let Some(drill_label) = drill_label {
        message = format!("{drill_label}: {message}");
    }
    let error = CommandError::new(outcome, message);
    Err(match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

fn to_json_line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn finish_reason_warning(reason: FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Length => {
            Some("the answer was truncated at the output token limit; raise --max-tokens")
        }
        FinishReason::ContentFilter => Some("the provider's content filter truncated or blocked the answer"),
        FinishReason::Refusal => Some("the model refused to answer"),
        FinishReason::Pause => Some("the provider paused this turn; send the conversation back to continue"),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Error | FinishReason::Other => None,
    }
}

/// Lists the attempts, the skipped candidates, and the untried ones, one per line.
fn describe_call_error(record: &CallRecord, call_error: &CallError) -> String {
    let reason = match call_error.reason {
        StopReason::AllAttemptsFailed if record.attempts.len() == 1 => "the only attempt failed".to_owned(),
        // The lines of the skipped candidates give the amounts.
        StopReason::BudgetExceeded(over) if over.is_daily => {
            "its estimated cost exceeds the rest of today's budget".to_owned()
        }
        StopReason::BudgetExceeded(_) => "its estimated cost exceeds --max-cost".to_owned(),
        why => why.message(),
    };
    let mut message = format!("no answer from {}: {reason}", record.requested_model);
    for attempt in &record.attempts {
        if let Some(failure) = &attempt.failure {
            message.push_str(&format!(
                "\n  {} after {:.2} s: {failure}",
                attempt.model_ref,
                attempt.duration.as_secs_f64()
            ));
            if let Some(id) = &failure.request_id {
                message.push_str(&format!(" [request {id}]"));
            }
        }
    }
    for (model, skip) in &record.skipped {
        message.push_str(&format!("\n  {model} skipped: {skip}"));
    }
    for model in &record.untried {
        message.push_str(&format!("\n  {model} not tried"));
    }
    message
}

fn call_error_hint(record: &CallRecord, call_error: &CallError) -> Option<String> {
    if call_error.reason == StopReason::AnswerInterrupted && !record.untried.is_empty() {
        let hint = "set `on_midstream: restart` to restart with the next candidate, or pipe the output without --stream";
        return Some(hint.to_owned());
    }
    match (stop_reason_hint(call_error.reason), &call_error.failure) {
        (Some(hint), _) => Some(hint.to_owned()),
        (None, Some(failure)) => failure_hint(failure).map(str::to_owned),
        (None, None) => None,
    }
}

/// The error for a call that a limit or the budget blocked.
pub(super) fn not_started_error(model: &ModelRef, why: StopReason) -> CommandError {
    let error =
        CommandError::new(stop_reason_outcome(why), format!("{model} was not called: {}", why.message()));
    match stop_reason_hint(why) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// `None` if the hint depends on the last failure.
fn stop_reason_hint(why: StopReason) -> Option<&'static str> {
    Some(match why {
        StopReason::CallerTimeout => "raise --timeout",
        StopReason::DeadlineExceeded => "raise `deadline` in routes.yaml, or add a faster candidate",
        StopReason::AtLimit => {
            "raise `limits`, `deadline`, or --timeout, or add a candidate from another provider (a call waits for at most half of its time left)"
        }
        StopReason::NoCandidate => "run `slalom route NAME --dry-run` to see why each candidate is skipped",
        StopReason::BudgetExceeded(over) if over.is_daily => {
            "raise `budget: daily_usd` in routes.yaml, use a cheaper model, or wait until midnight UTC"
        }
        StopReason::BudgetExceeded(_) => "raise --max-cost, lower --max-tokens, or use a cheaper model",
        StopReason::FatalFailure | StopReason::AllAttemptsFailed | StopReason::AnswerInterrupted => {
            return None;
        }
    })
}

pub(super) fn failure_hint(failure: &Failure) -> Option<&'static str> {
    Some(match failure.class {
        // The key could not be obtained, so nothing was sent.
        FailureClass::Auth if failure.phase == FailurePhase::Connect => {
            "test the credential source that `slalom check` shows; nothing was sent"
        }
        FailureClass::Auth => {
            "check that the key is valid and not expired (`slalom check` shows which keys are set)"
        }
        FailureClass::QuotaExhausted => "add credit, or add a candidate from another provider to the route",
        FailureClass::RateLimited => "wait and retry, or add a candidate from another provider to the route",
        FailureClass::ModelUnavailable => "run `slalom models` to list known models",
        FailureClass::ContextOverflow => {
            "shorten the prompt, or use a model with a larger context window (see `slalom models`)"
        }
        FailureClass::Unreachable => "check the network and the provider's base URL",
        FailureClass::Timeout => "raise `timeouts` in routes.yaml, or add another candidate",
        FailureClass::BadRequest => "change the request as the provider's message above describes",
        FailureClass::ContentPolicy => {
            "rephrase the prompt, or set `on_content_policy: failover` to try the next candidate"
        }
        FailureClass::Malformed | FailureClass::Unknown => "check the provider's `base_url` and `dialect`",
        FailureClass::ServerError | FailureClass::Truncated | FailureClass::Empty => {
            "retry, or add a candidate from a second provider to the route"
        }
        FailureClass::Cancelled => return None,
    })
}

/// Parses structured output; `None` if the request has no schema, the call failed, or the answer calls tools.
pub(super) fn parse_structured_output(request: &Request, record: &CallRecord) -> Option<StructuredOutput> {
    let Some(ResponseFormat::JsonSchema(schema)) = &request.response_format else { return None };
    let answer = record.outcome.as_ref().ok().filter(|answer| answer.response.tool_calls.is_empty())?;
    Some(
        OutputSchema::new(&schema.schema)
            .and_then(|output_schema| output_schema.parse_answer(&answer.response.text)),
    )
}

/// Makes a call without printing anything.
pub(super) async fn run_call_silently(
    context: &CommandContext,
    router: &Router,
    call_request: CallRequest<'_>,
) -> Result<CallRecord, CommandError> {
    let options = call_request.call_options(context)?;
    Ok(router.call(&call_request.subject.route, call_request.request, &options, &mut SilentObserver).await)
}

pub(super) fn call_outcome(record: &CallRecord, structured: Option<&StructuredOutput>) -> CommandOutcome {
    match &record.outcome {
        Ok(_) if matches!(structured, Some(Err(_))) => CommandOutcome::GateFailed,
        Ok(_) => CommandOutcome::Success,
        Err(error) => stop_reason_outcome(error.reason),
    }
}

fn stop_reason_outcome(why: StopReason) -> CommandOutcome {
    if matches!(why, StopReason::CallerTimeout | StopReason::BudgetExceeded(_)) {
        CommandOutcome::LimitReached
    } else {
        CommandOutcome::NoAnswer
    }
}
