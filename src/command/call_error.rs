//! Error messages and hints of calls.

use super::outcome::{CommandError, CommandOutcome};
use crate::chat::{Failure, FailureClass, FailurePhase};
use crate::provider::{ModelRef, TargetError};
use crate::route::{CallError, CallRecord, Route, SkipReason, StopReason};
use crate::view::{describe_skip, describe_stop};

pub(super) fn no_callable_candidate_error(route: &Route, error: &TargetError) -> CommandError {
    // `-m` works with every command that takes models; a route needs a complete command.
    let simulated =
        if route.name.is_some() { "slalom ask -m sim-openai/good \"…\"" } else { "-m sim-openai/good" };
    build_no_callable_error(route, error, simulated)
}

/// The error if no candidate of the route can be called. `simulated` shows how to use the simulator instead.
pub(super) fn unusable_route_error(route: &Route, simulated: &str) -> Option<CommandError> {
    let errors: Vec<&TargetError> =
        route.candidates.iter().filter_map(|candidate| candidate.target.as_ref().err()).collect();
    let first = errors.first().filter(|_| errors.len() == route.candidates.len())?;
    Some(build_no_callable_error(route, first, simulated))
}

fn build_no_callable_error(route: &Route, error: &TargetError, simulated: &str) -> CommandError {
    let message = match (&route.name, providers_without_key(route).as_slice()) {
        (Some(name), providers @ [_, _, ..]) => {
            format!(
                "no usable candidate in route `{name}`: no API key is set for {}",
                join_with_or(providers)
            )
        }
        (Some(name), _) => format!("no usable candidate in route `{name}`: {error}"),
        (None, _) => error.to_string(),
    };
    let hint = match error {
        TargetError::NoKey { .. } | TargetError::NoSetting { .. } | TargetError::NoCredentials { .. } => {
            let errors = route.candidates.iter().filter_map(|candidate| candidate.target.as_ref().err());
            format!(
                "{}; or try the simulator, which needs no key: {simulated}",
                target_error_hint(error, errors)
            )
        }
        error => target_error_hint(error, []),
    };
    CommandError::usage(message).with_hint(hint)
}

/// The providers of a route whose candidates all lack an API key; empty if one is unusable for another reason.
fn providers_without_key(route: &Route) -> Vec<&str> {
    let mut providers: Vec<&str> = Vec::new();
    for candidate in &route.candidates {
        match &candidate.target {
            Err(TargetError::NoKey { provider, .. }) if providers.contains(&provider.as_str()) => {}
            Err(TargetError::NoKey { provider, .. }) => providers.push(provider),
            _ => return Vec::new(),
        }
    }
    providers
}

/// How to make a target usable. `all` are the errors whose variables are listed.
pub(super) fn target_error_hint<'a>(
    error: &TargetError,
    all: impl IntoIterator<Item = &'a TargetError>,
) -> String {
    let text = match error {
        TargetError::NoKey { .. } | TargetError::NoSetting { .. } => {
            let variables = all.into_iter().flat_map(|error| match error {
                TargetError::NoKey { variable, .. } => std::slice::from_ref(variable),
                TargetError::NoSetting { variables, .. } => variables.as_slice(),
                _ => &[],
            });
            let mut names: Vec<&str> = Vec::new();
            for variable in variables {
                if !names.contains(&variable.as_str()) {
                    names.push(variable);
                }
            }
            return match names.as_slice() {
                [] => "set it in routes.yaml".to_owned(),
                names => format!("set {}", join_with_or(names)),
            };
        }
        TargetError::NoCredentials { .. } => "run `slalom check` to see which credentials were found",
        TargetError::BadKeyFile { .. } => {
            "put only the key on one line of that file, or set another source under `api_key:`"
        }
        TargetError::BadSetting { .. } => "use letters, digits, and `-` only",
        TargetError::PlainHttp { .. } => "use https, or set `allow_http: true` for that provider",
        TargetError::Untrusted { .. } => "review routes.yaml, then run `slalom check --trust`",
        TargetError::UserInfoInUrl { .. } => {
            "remove the credentials from the URL and set `api_key: {env: NAME}`"
        }
        TargetError::BadUrl { .. } => "use a URL that starts with https:// or http://",
        TargetError::BadKey { .. } => "check the variable for line breaks or quotes",
    };
    text.to_owned()
}

/// `a`, `a or b`, `a, b, or c`.
fn join_with_or(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, second] => format!("{first} or {second}"),
        [rest @ .., last] => format!("{}, or {last}", rest.join(", ")),
    }
}

pub(super) const FAILED_DRILL_HINT: &str = "add a candidate from another provider, or adjust the route's `deadline`, `timeouts`, `retry`, and `on_…` settings, which decide what fails over";

/// Lists the attempts, the skipped candidates, and the untried ones, one per line.
pub(super) fn describe_call_error(record: &CallRecord, call_error: &CallError, drills: &[String]) -> String {
    let reason = match call_error.reason {
        StopReason::AllAttemptsFailed if record.attempts.len() == 1 => "the only attempt failed".to_owned(),
        // The lines of the skipped candidates give the amounts.
        StopReason::BudgetExceeded(over) if over.is_daily => {
            "the estimated cost exceeds what is left of today's budget".to_owned()
        }
        StopReason::BudgetExceeded(_) => "the estimated cost exceeds --max-cost".to_owned(),
        why => describe_stop(why),
    };
    let drill = match drills {
        [] => String::new(),
        drills => format!(" during the drill ({})", drills.join(", ")),
    };
    let mut message = format!("no answer from {}{drill}: {reason}", record.requested_model);
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
        message.push_str(&format!("\n  {model} skipped: {}", describe_skip(skip)));
    }
    for model in &record.untried {
        message.push_str(&format!("\n  {model} not tried"));
    }
    message
}

pub(super) fn call_error_hint(record: &CallRecord, call_error: &CallError) -> Option<String> {
    if call_error.reason == StopReason::AnswerInterrupted && !record.untried.is_empty() {
        let hint = "set `on_midstream: restart` to restart with the next candidate, or pipe the output without --stream";
        return Some(hint.to_owned());
    }
    let route = record.requested_model.strip_prefix("route:");
    if call_error.reason == StopReason::NoCandidate {
        let is_too_long =
            record.skipped.iter().any(|(_, skip)| matches!(skip, SkipReason::WindowTooSmall { .. }));
        return match route {
            _ if is_too_long => Some(CONTEXT_WINDOW_HINT.to_owned()),
            Some(name) => {
                Some(format!("run `slalom route {name} --dry-run` with this prompt to see the plan"))
            }
            None => None,
        };
    }
    let subject = if route.is_some() { CallSubject::Route } else { CallSubject::Model };
    match (stop_reason_hint(call_error.reason), &call_error.failure) {
        (Some(hint), _) => Some(hint.to_owned()),
        (None, Some(failure)) => failure_hint(failure, subject),
        (None, None) => None,
    }
}

/// The error for a call that a limit or the budget blocked.
pub(super) fn not_started_error(model: &ModelRef, why: StopReason) -> CommandError {
    let error = CommandError::new(
        stop_reason_outcome(why),
        format!("{model} was not called: {}", describe_stop(why)),
    );
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
            "raise `limits`, `deadline`, or --timeout, or add a candidate from another provider (a call waits for at most half of its remaining time)"
        }
        StopReason::BudgetExceeded(over) if over.is_daily => {
            "raise `budget: daily_usd` in routes.yaml, use a cheaper model, or wait until midnight UTC"
        }
        StopReason::BudgetExceeded(_) => "raise --max-cost, lower --max-tokens, or use a cheaper model",
        StopReason::Undecided => {
            "wait until no other process holds the ledger, choose another one with --ledger, or set `budget: on_exceeded: warn`"
        }
        StopReason::NoCandidate
        | StopReason::FatalFailure
        | StopReason::AllAttemptsFailed
        | StopReason::AnswerInterrupted => return None,
    })
}

/// What a call was sent to, for the wording of hints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CallSubject {
    Route,
    Model,
    EmbeddingModel,
}

const CONTEXT_WINDOW_HINT: &str =
    "shorten the prompt, or use a model with a larger context window (see `slalom models`)";

pub(super) fn failure_hint(failure: &Failure, subject: CallSubject) -> Option<String> {
    let alternative = match subject {
        CallSubject::Route => "add a candidate from another provider to the route",
        CallSubject::Model => "use another model or a route",
        CallSubject::EmbeddingModel => "use another embedding model",
    };
    let hint = match failure.class {
        // The key could not be obtained, so nothing was sent.
        FailureClass::Auth if failure.phase == FailurePhase::Connect => {
            "test the credential source that `slalom check` shows; nothing was sent"
        }
        FailureClass::Auth => {
            "check that the key is valid and not expired (`slalom check` shows which keys are set)"
        }
        FailureClass::QuotaExhausted => return Some(format!("add credit, or {alternative}")),
        FailureClass::RateLimited => return Some(format!("wait and retry, or {alternative}")),
        FailureClass::ModelUnavailable if subject == CallSubject::EmbeddingModel => {
            "run `slalom models embed` to list embedding models"
        }
        FailureClass::ModelUnavailable => "run `slalom models` to list known models",
        FailureClass::ContextOverflow => CONTEXT_WINDOW_HINT,
        FailureClass::Unreachable => "check the network and the provider's base URL",
        FailureClass::Timeout => {
            return Some(format!("raise `timeouts` in routes.yaml, or {alternative}"));
        }
        FailureClass::BadRequest => "change the request as the provider's message above describes",
        FailureClass::ContentPolicy if subject != CallSubject::Route => "rephrase the prompt",
        FailureClass::ContentPolicy => {
            "rephrase the prompt, or set `on_content_policy: failover` to try the next candidate"
        }
        FailureClass::Malformed | FailureClass::Unknown => "check the provider's `base_url` and `dialect`",
        FailureClass::ServerError | FailureClass::Truncated | FailureClass::Empty => {
            return Some(format!("retry, or {alternative}"));
        }
        FailureClass::Cancelled => return None,
    };
    Some(hint.to_owned())
}

pub(super) fn stop_reason_outcome(why: StopReason) -> CommandOutcome {
    if matches!(why, StopReason::CallerTimeout | StopReason::BudgetExceeded(_) | StopReason::Undecided) {
        CommandOutcome::LimitReached
    } else {
        CommandOutcome::NoAnswer
    }
}
