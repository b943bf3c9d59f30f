//! What a simulated model responds, and how long it takes.

use std::time::Duration;

use super::defect::{add_sloppy_defect, make_terse, make_verbose};
use super::judge::simulate_verdict;
use super::model_behavior::ModelBehavior;
use super::seeded_rng::seeded_rng;
use super::tool_caller::{forced_tool_call, next_tool_response, replace_arguments, structured_reply};
use super::{SimulatedFault, SimulatorConfig, SimulatorStep};
use crate::chat::{FailureClass, FinishReason, Part, Request, Response, TokenCount, Usage};

#[derive(Clone, Debug)]
pub(super) struct SimulatedResponse {
    pub response: Response,
    pub time_to_first_token: Duration,
    /// From the first token to the last.
    pub streaming_time: Duration,
    pub outcome: SimulatedOutcome,
}

/// What depends on the dialect of the request.
pub(super) struct DialectContext<'a> {
    pub dialect_name: &'static str,
    /// The dialect's reasoning state for the n-th tool-call round, if it has one.
    pub reasoning_state: &'a (dyn Fn(usize) -> Option<serde_json::Value> + Sync),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SimulatedOutcome {
    Complete,
    /// The request is invalid; holds the reason.
    InvalidRequest(String),
    Error(FailureClass),
    Fault(SimulatedFault),
    /// Complete, with one renamed and one added field.
    UnexpectedFields,
}

/// Simulates a model's response. `nth` counts requests with this prompt, so that a retry of a flaky model can
/// succeed; `step` is the scenario's step for this request.
pub(super) fn simulate_response(
    settings: &SimulatorConfig,
    model: &str,
    behavior: ModelBehavior,
    request: &Request,
    nth: u64,
    step: Option<&SimulatorStep>,
    context: &DialectContext<'_>,
) -> SimulatedResponse {
    let behavior = step.and_then(|step| step.behavior).unwrap_or(behavior);
    let prompt = request.last_user_text();
    let scripted_reply = step.and_then(|step| step.reply.as_ref()).or(settings.replies.get(&prompt)).cloned();
    let mut forced =
        forced_tool_call(request, "simulated", context.dialect_name).filter(|_| scripted_reply.is_none());
    let verdict =
        || simulate_verdict(request, &settings.replies).filter(|_| behavior == ModelBehavior::Judge);
    if let Some((call, verdict)) = forced.as_mut().zip(verdict()) {
        *call = replace_arguments(call, &verdict);
    }
    let reply = scripted_reply
        .or_else(|| verdict().map(|verdict| verdict.to_string()))
        .or_else(|| structured_reply(request, "simulated"))
        .unwrap_or_else(|| default_reply(model, &prompt));
    let text = match behavior {
        ModelBehavior::Sloppy => add_sloppy_defect(&prompt, &reply, &settings.replies, settings.seed),
        ModelBehavior::Terse => make_terse(&reply),
        ModelBehavior::Verbose => make_verbose(&reply),
        _ => reply,
    };
    let kept_len = truncated_len(&text, request.max_output_tokens);
    let mut response = Response::from_text(&text[..kept_len]);
    if kept_len < text.len() {
        response.finish_reason = FinishReason::Length;
    }
    let mut invalid_reason = None;
    if behavior == ModelBehavior::ToolCaller {
        match next_tool_response(request, context.reasoning_state, context.dialect_name) {
            Ok(next) => response = next,
            Err(why) => invalid_reason = Some(why),
        }
    } else if let Some(call) = forced {
        response = call;
    }
    response.usage = Usage {
        input_tokens: Some(estimate_tokens(input_text_len(request))),
        cached_input_tokens: Some(TokenCount::ZERO),
        cache_write_tokens: Some(TokenCount::ZERO),
        output_tokens: Some(estimate_tokens(response.parts.iter().map(Part::prompt_text_len).sum())),
        reasoning_tokens: Some(
            response.reasoning.as_ref().map_or(TokenCount::ZERO, |text| estimate_tokens(text.len())),
        ),
        ..Usage::default()
    };
    let outcome = match behavior {
        ModelBehavior::Error(class) => SimulatedOutcome::Error(class),
        ModelBehavior::Fault(fault) => SimulatedOutcome::Fault(fault),
        ModelBehavior::Unexpected => SimulatedOutcome::UnexpectedFields,
        ModelBehavior::Flaky(share) => {
            let roll = seeded_rng(settings.seed, &["flaky", &prompt, &nth.to_string()]).u8(0..100);
            if roll < share {
                SimulatedOutcome::Error(FailureClass::ServerError)
            } else {
                SimulatedOutcome::Complete
            }
        }
        _ => invalid_reason.map_or(SimulatedOutcome::Complete, SimulatedOutcome::InvalidRequest),
    };
    let (first_token, rest) = match step.and_then(|step| step.latency) {
        Some(latency) => (latency, Duration::ZERO),
        None => simulate_timing(settings, model, behavior, &prompt),
    };
    SimulatedResponse { response, time_to_first_token: first_token, streaming_time: rest, outcome }
}

/// A reply that says that it is simulated, so that it cannot be mistaken for a model's output.
fn default_reply(model: &str, prompt: &str) -> String {
    let word_count = prompt.split_whitespace().count();
    let beginning: String = prompt.split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    format!(
        "This is slalom's simulator speaking as `{model}`; no model was called. \
         Your prompt has {word_count} {} and begins: “{beginning}”.",
        if word_count == 1 { "word" } else { "words" }
    )
}

fn estimate_tokens(bytes: usize) -> TokenCount {
    TokenCount::new((bytes as u64).div_ceil(4))
}

/// Bytes of input text. Reasoning of earlier messages is not counted, because providers that sign reasoning
/// drop it from the prompt.
fn input_text_len(request: &Request) -> usize {
    let reasoning = request.messages.iter().flat_map(|m| &m.parts).filter_map(|part| match part {
        Part::Reasoning { text, .. } => Some(text.len()),
        _ => None,
    });
    request.prompt_text_len() - reasoning.sum::<usize>()
}

/// How many bytes of `text` fit the token limit.
fn truncated_len(text: &str, limit: Option<TokenCount>) -> usize {
    let bytes =
        limit.map_or(usize::MAX, |l| usize::try_from(l.saturating_mul(4).get()).unwrap_or(usize::MAX));
    (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn simulate_timing(
    settings: &SimulatorConfig,
    model: &str,
    behavior: ModelBehavior,
    prompt: &str,
) -> (Duration, Duration) {
    if let Some(latency) = settings.latency {
        return (latency, Duration::ZERO);
    }
    let mut rng = seeded_rng(settings.seed, &["latency", model, prompt]);
    let milliseconds = if behavior == ModelBehavior::Slow { rng.u64(1200..3000) } else { rng.u64(20..400) };
    let total = Duration::from_millis(milliseconds);
    (total / 2, total - total / 2)
}
