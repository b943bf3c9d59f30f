//! Makes one call for `ask` and `route`, from subject to exit code.

use std::sync::Arc;

use tokio::sync::Notify;

use super::call_error::{
    FAILED_DRILL_HINT, call_error_hint, describe_call_error, no_callable_candidate_error, stop_reason_outcome,
};
use super::context::{CommandContext, parse_timeout};
use super::max_cost;
use super::observer::{AnswerObserver, CommandObserver};
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::catalog::Lifecycle;
use crate::chat::{FinishReason, Request, ResponseFormat};
use crate::cli::RequestArgs;
use crate::config::{Config, ResolvedSubject};
use crate::eval::{OutputSchema, StructuredOutput};
use crate::route::{CallOptions, CallRecord, Plan, Router, RoutingHints, RunBudget, SkipReason, StopReason};
use crate::view::{
    StreamPrinter, call_envelope, call_summary_line, describe_adjustment, describe_missing_pass_rate,
    describe_skip,
};

/// A call that the user asked for.
#[derive(Clone, Copy)]
pub(super) struct CallRequest<'a> {
    pub(super) subject: &'a ResolvedSubject,
    pub(super) request: &'a Request,
    pub(super) flags: &'a RequestArgs,
    pub(super) options: &'a CallOptions,
}

impl<'a> CallRequest<'a> {
    /// Plans the call and rejects one that cannot succeed, before anything is sent.
    pub(super) fn plan_and_check(
        &self,
        context: &CommandContext,
        router: &Router,
    ) -> Result<Plan<'a>, CommandError> {
        let plan = router.plan(&self.subject.route, self.request, self.options);
        check_callable(context, &plan, self.flags.strict_params)?;
        max_cost::check_price_known(&plan)?;
        Ok(plan)
    }
}

/// The options of a call from its flags. `run_budget` is shared by all calls of the command.
pub(super) fn build_call_options(
    context: &CommandContext,
    flags: &RequestArgs,
    subject: &str,
    hints: RoutingHints,
    run_budget: Option<RunBudget>,
) -> Result<CallOptions, CommandError> {
    Ok(CallOptions {
        id: context.new_id(),
        requested_model: subject.to_owned(),
        stream: !flags.no_stream,
        timeout: flags.timeout.as_deref().map(parse_timeout).transpose()?,
        run_budget,
        hints,
        ..CallOptions::default()
    })
}

/// Sends a request and prints the answer or the error.
pub(super) async fn run_call(
    context: &CommandContext,
    config: &Config,
    call_request: CallRequest<'_>,
    stream_shown: bool,
) -> Result<CommandOutcome, CommandError> {
    let router = context.build_router(config);
    run_call_with_router(context, config, &router, call_request, stream_shown, None).await
}

/// The `--drill` values of a drilled call, as typed.
#[derive(Clone, Copy)]
pub(super) struct DrillLabel<'a>(pub(super) &'a [String]);

impl std::fmt::Display for DrillLabel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "drill: {} (simulated)", self.0.join(", "))
    }
}

/// Like [`run_call`], with a given router; `drill_label` is set in a drill.
pub(super) async fn run_call_with_router(
    context: &CommandContext,
    config: &Config,
    router: &Router,
    call_request: CallRequest<'_>,
    stream_shown: bool,
    drill_label: Option<DrillLabel<'_>>,
) -> Result<CommandOutcome, CommandError> {
    let CallRequest { request, flags: args, .. } = call_request;
    let shows_text = stream_shown && !args.json;
    let options = CallOptions { shows_text, ..call_request.options.clone() };
    let plan = CallRequest { options: &options, ..call_request }.plan_and_check(context, router)?;
    let closed = Arc::new(Notify::new());
    let printer = StreamPrinter::new(context.console, shows_text, Arc::clone(&closed));
    let mut observer = AnswerObserver { printer, command: &CommandObserver::new(context, config) };
    let record = tokio::select! {
        record = router.run(plan, &mut observer) => Some(record),
        // Stdout is closed: drop the call in flight.
        () = closed.notified() => None,
    };
    let mut printer = observer.printer;
    printer.end_line();
    if let Some(error) = printer.take_write_error() {
        return check_printed(Err(error), CommandOutcome::Success);
    }
    let Some(record) = record else { return Ok(CommandOutcome::Success) };
    let structured = parse_structured_output(request, &record);
    print_call(context, &record, structured.as_ref(), args.json, shows_text, drill_label)
}

/// Fails if no candidate can be called or if `strict` forbids a lossy adjustment; otherwise warns about
/// skipped candidates and other risks.
pub(super) fn check_callable(
    context: &CommandContext,
    plan: &Plan<'_>,
    strict: bool,
) -> Result<(), CommandError> {
    let route = plan.route;
    let lossy: Vec<String> = plan
        .adjustments()
        .filter(|(_, adjustment)| strict && adjustment.is_lossy())
        .map(|(model, adjustment)| format!("{model}: {}", describe_adjustment(adjustment)))
        .collect();
    if !lossy.is_empty() {
        return Err(CommandError::usage(format!(
            "--strict-params: the request would be changed:\n  {}",
            lossy.join("\n  ")
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
    let has_target = plan.targets().next().is_some();
    for (model, skip) in skipped.into_iter().filter(|(_, skip)| has_target && !skip.is_intended()) {
        context.console.warn(format_args!("skipping {model}: {}", describe_skip(skip)));
    }
    if let Some(foreign_model) = &plan.foreign_model {
        context.console.warn(format_args!(
            "the last answer in this conversation came from {foreign_model}, which is not a candidate of `{}`: continuing with another model",
            route.name.as_deref().unwrap_or_default()
        ));
    }
    for (model, missing) in &plan.missing_pass_rates {
        context.console.warn(format_args!(
            "using {model} without a current score ({}); run `slalom eval` to measure it",
            describe_missing_pass_rate(missing)
        ));
    }
    let today = context.today_utc();
    for target in plan.targets() {
        let retired = target.facts.as_ref().filter(|facts| facts.lifecycle_on(today) == Lifecycle::Retired);
        if let Some(date) = retired.and_then(|facts| facts.retirement_date) {
            let model = &target.model_ref;
            context.console.warn(format_args!(
                "{model} was scheduled for shutdown on {date} and may fail; run `slalom models {}` for alternatives",
                model.provider
            ));
        }
    }
    Ok(())
}

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
    let error = CommandError::new(outcome, describe_call_error(record, call_error, drills));
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

/// Parses structured output; `None` if the request has no schema, the call failed, or the answer calls tools.
pub(super) fn parse_structured_output(request: &Request, record: &CallRecord) -> Option<StructuredOutput> {
    let Some(ResponseFormat::JsonSchema(schema)) = &request.response_format else { return None };
    let answer = record.outcome.as_ref().ok().filter(|answer| answer.response.tool_calls.is_empty())?;
    Some(
        OutputSchema::new(&schema.schema)
            .and_then(|output_schema| output_schema.parse_answer(&answer.response.text)),
    )
}

pub(super) fn call_outcome(record: &CallRecord, structured: Option<&StructuredOutput>) -> CommandOutcome {
    match &record.outcome {
        Ok(_) if matches!(structured, Some(Err(_))) => CommandOutcome::GateFailed,
        Ok(_) => CommandOutcome::Success,
        Err(error) => stop_reason_outcome(error.reason),
    }
}
