//! What a model answers to a request, and how long it takes.

use std::time::Duration;

use super::behaviour::Behaviour;
use super::defect::{sloppy, terse, verbose};
use super::judge::verdict;
use super::seed::draws;
use super::tools::{forced_call, next_turn, shaped, with_arguments};
use super::{Fault, Settings, Step};
use crate::chat::{FailureClass, FinishReason, Part, Request, Response, Usage};

/// An answer with its timing and its fault.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub response: Response,
    pub first_token: Duration,
    /// From the first token to the last.
    pub rest: Duration,
    pub outcome: Outcome,
}

/// What is the vendor's own in an answer.
pub(super) struct Vendor<'a> {
    /// The word for its dialect.
    pub speaks: &'static str,
    /// Its mark on the thoughts of a turn.
    pub state: &'a (dyn Fn(usize) -> Option<serde_json::Value> + Sync),
}

/// How an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Whole,
    /// The request lacks something, in words.
    Refused(String),
    Error(FailureClass),
    Fault(Fault),
    /// Whole, with a field renamed and another added.
    Unexpected,
}

/// The answer of a model. `nth` counts the requests with this prompt, so that a flaky model can be asked again; `step`
/// is what a scenario says of this one.
pub(super) fn answer(
    settings: &Settings,
    model: &str,
    behaviour: Behaviour,
    request: &Request,
    nth: u64,
    step: Option<&Step>,
    vendor: &Vendor<'_>,
) -> Answer {
    let behaviour = step.and_then(|step| step.behaviour).unwrap_or(behaviour);
    let prompt = request.last_user_text();
    let scripted = step.and_then(|step| step.reply.as_ref()).or(settings.replies.get(&prompt)).cloned();
    let mut forced = forced_call(request, "simulated", vendor.speaks).filter(|_| scripted.is_none());
    let verdict = || verdict(request, &settings.replies).filter(|_| behaviour == Behaviour::Judge);
    if let Some((call, verdict)) = forced.as_mut().zip(verdict()) {
        *call = with_arguments(call, &verdict);
    }
    let reply = scripted
        .or_else(|| verdict().map(|verdict| verdict.to_string()))
        .or_else(|| shaped(request, "simulated"))
        .unwrap_or_else(|| own_words(model, &prompt));
    let text = match behaviour {
        Behaviour::Sloppy => sloppy(&prompt, &reply, &settings.replies, settings.seed),
        Behaviour::Terse => terse(&reply),
        Behaviour::Verbose => verbose(&reply),
        _ => reply,
    };
    let kept = within_limit(&text, request.max_tokens);
    let mut response = Response::text(&text[..kept]);
    if kept < text.len() {
        response.finish_reason = FinishReason::Length;
    }
    let mut refused = None;
    if behaviour == Behaviour::ToolCaller {
        match next_turn(request, vendor.state, vendor.speaks) {
            Ok(turn) => response = turn,
            Err(why) => refused = Some(why),
        }
    } else if let Some(call) = forced {
        response = call;
    }
    response.usage = Usage {
        input_tokens: Some(tokens(read_bytes(request))),
        cached_input_tokens: Some(0),
        output_tokens: Some(tokens(response.parts.iter().map(Part::text_bytes).sum())),
        reasoning_tokens: response.reasoning.as_ref().map(|text| tokens(text.len())),
        ..Usage::default()
    };
    let outcome = match behaviour {
        Behaviour::Error(class) => Outcome::Error(class),
        Behaviour::Fault(fault) => Outcome::Fault(fault),
        Behaviour::Unexpected => Outcome::Unexpected,
        Behaviour::Flaky(share) => {
            let drawn = draws(settings.seed, &["flaky", &prompt, &nth.to_string()]).u8(0..100);
            if drawn < share { Outcome::Error(FailureClass::ServerError) } else { Outcome::Whole }
        }
        _ => refused.map_or(Outcome::Whole, Outcome::Refused),
    };
    let (first_token, rest) = match step.and_then(|step| step.latency) {
        Some(latency) => (latency, Duration::ZERO),
        None => timing(settings, model, behaviour, &prompt),
    };
    Answer { response, first_token, rest, outcome }
}

/// Says what it is, so that nobody takes it for a model's.
fn own_words(model: &str, prompt: &str) -> String {
    let words = prompt.split_whitespace().count();
    let begins: String = prompt.split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    format!(
        "This is slalom's simulator speaking as `{model}`; no model was called. \
         Your prompt has {words} {} and begins: “{begins}”.",
        if words == 1 { "word" } else { "words" }
    )
}

fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// Bytes of what a model reads. Thoughts of earlier turns are not counted: who signs them takes them out again.
fn read_bytes(request: &Request) -> usize {
    let thoughts = request.messages.iter().flat_map(|m| &m.parts).filter_map(|part| match part {
        Part::Reasoning { text, .. } => Some(text.len()),
        _ => None,
    });
    request.text_bytes() - thoughts.sum::<usize>()
}

/// Bytes of a text that a limit of tokens leaves.
fn within_limit(text: &str, limit: Option<u64>) -> usize {
    let bytes = limit.map_or(usize::MAX, |l| usize::try_from(l.saturating_mul(4)).unwrap_or(usize::MAX));
    (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn timing(settings: &Settings, model: &str, behaviour: Behaviour, prompt: &str) -> (Duration, Duration) {
    if let Some(latency) = settings.latency {
        return (latency, Duration::ZERO);
    }
    let mut draw = draws(settings.seed, &["latency", model, prompt]);
    let milliseconds = if behaviour == Behaviour::Slow { draw.u64(1200..3000) } else { draw.u64(20..400) };
    let whole = Duration::from_millis(milliseconds);
    (whole / 2, whole - whole / 2)
}
