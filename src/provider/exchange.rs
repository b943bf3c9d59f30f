//! One exchange with one model, under its timers.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::body::{BodyError, read_up_to};
use super::outgoing_request::build_outgoing;
use super::redaction::{redact_failure, redact_response};
use super::tool_answer::{ToolAnswerDecoder, ToolAnswerRewriter};
use super::transport::{BodyStream, IncomingResponse, OutgoingRequest, SendError, Transport};
use super::{AdaptedRequest, Credential, Target};
use crate::chat::{
    Assembler, Failure, FailureClass, FailurePhase, Part, Request, Response, StreamEvent, Usage,
};
use crate::dialect::{DecodeProgress, ParsedResponseHeaders, WireResponse, parse_response_headers};

/// A whole reply may be this long, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 64 << 20;

/// An error's body is read this far, in bytes.
const MAX_ERROR_BODY_BYTES: usize = 256 << 10;

/// An error's body is waited for no longer: its status says enough.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one exchange may take, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExchangeTimeouts {
    /// Until the first content, connecting included. For a whole answer: until its end.
    pub first_token: Duration,
    /// Between two pieces of content. Keep-alives and comments reset nothing.
    pub idle: Duration,
    /// Until the end, where the caller set a limit.
    pub total: Option<Duration>,
}

/// What came of an exchange.
#[derive(Clone, Debug)]
pub struct ExchangeRecord {
    /// The answer, or why there is none.
    pub outcome: Result<Response, Failure>,
    /// Token counts that had come when it failed.
    pub partial_usage: Usage,
    /// Bytes of content that had come.
    pub output_bytes: usize,
    /// Until the first content, from the start; `None` when none came.
    pub first_content: Option<Duration>,
    /// From the request leaving to the last byte.
    pub duration: Duration,
    /// What the headers said beside the answer.
    pub account: ParsedResponseHeaders,
}

/// Sends one request and reads its answer. `sink` sees every event as it arrives.
pub async fn exchange(
    transport: &dyn Transport,
    target: &Target,
    fitted: &AdaptedRequest<'_>,
    stream: bool,
    timers: ExchangeTimeouts,
    sink: &mut (dyn FnMut(&StreamEvent) + Send),
) -> ExchangeRecord {
    let mut reading = TimedExchange {
        start: Instant::now(),
        timeouts: timers,
        last_content: None,
        first_content: None,
        stream,
    };
    let mut assembler = Assembler::default();
    let mut told = ParsedResponseHeaders::default();
    let client = target.dialect.client_codec();
    let outgoing = build_outgoing(target, &fitted.request, stream);
    let mut secrets = Vec::new();
    let mut sent = reading.send(transport, target, outgoing.clone(), &mut secrets).await;
    if sent.as_ref().is_ok_and(|incoming| incoming.status == 401)
        && target.authorization().is_some_and(|authorization| authorization.try_renew(&secrets))
    {
        // A key that a command printed may have ended since; with a new one the request is the same attempt.
        sent = reading.send(transport, target, outgoing, &mut secrets).await;
    }
    let outcome = match sent {
        Err(failure) => Err(failure),
        Ok(incoming) if !(200..300).contains(&incoming.status) => {
            let IncomingResponse { status, headers, mut body } = incoming;
            // Whatever of the body comes in time helps to say what happened; the status alone is enough.
            let mut bytes = Vec::new();
            read_error_body(&mut body, &mut bytes, reading.deadline()).await;
            Err(client.decode_failure(WireResponse { status, headers: &headers, body: &bytes }))
        }
        Ok(incoming) if stream => {
            told = parse_response_headers(&incoming.headers);
            let mut decoder = client.stream_decoder(&target.quirks);
            if let Some(tool) = &fitted.answer_tool {
                decoder = Box::new(ToolAnswerDecoder::new(decoder, tool));
            }
            match reading.read_stream(incoming.body, decoder, &mut assembler, sink).await {
                Ok(()) => finish_answer(&mut assembler),
                Err(failure) => Err(failure),
            }
        }
        Ok(incoming) => {
            let IncomingResponse { status, headers, mut body } = incoming;
            told = parse_response_headers(&headers);
            let mut bytes = Vec::new();
            match reading.read_to_end(&mut body, &mut bytes).await {
                Ok(()) => {
                    let mut events = Vec::new();
                    let reply = WireResponse { status, headers: &headers, body: &bytes };
                    let decoded = client.decode_response_events(reply, &target.quirks, &mut events);
                    if let Some(tool) = &fitted.answer_tool {
                        ToolAnswerRewriter::new(tool).rewrite(&mut events, 0);
                    }
                    events.iter().for_each(|event| assembler.push(event));
                    decoded.and_then(|()| finish_answer(&mut assembler))
                }
                Err(failure) => Err(failure),
            }
        }
    };
    let duration = reading.start.elapsed();
    let outcome = outcome.map(|mut answer| {
        fill_tool_call_ids(&mut answer, &fitted.request);
        answer.unexpected_fields.extend(
            target.dialect.missing_response_fields(&answer).iter().map(|name| format!("{name}: missing")),
        );
        with_response_headers(answer, &told)
    });
    let outcome = match outcome {
        Ok(answer) => Ok(redact_response(answer, &secrets)),
        Err(failure) => Err(redact_failure(failure, &secrets)),
    };
    ExchangeRecord {
        outcome,
        partial_usage: assembler.usage(),
        output_bytes: assembler.output_text_len(),
        first_content: reading.first_content,
        duration,
        account: told,
    }
}

/// Gives calls that came without an id one that no other call of the conversation has, so that results can name them.
fn fill_tool_call_ids(answer: &mut Response, request: &Request) {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let before = parts.filter(|part| matches!(part, Part::ToolCall(_))).count();
    let in_turn = answer.parts.iter_mut().filter_map(|part| match part {
        Part::ToolCall(call) => Some(call),
        _ => None,
    });
    for (n, (call, listed)) in in_turn.zip(&mut answer.tool_calls).enumerate() {
        if call.id.is_empty() {
            call.id = format!("call_{}", before + n + 1);
            listed.id.clone_from(&call.id);
        }
    }
}

/// The answer with what the headers said of it.
fn with_response_headers(mut answer: Response, told: &ParsedResponseHeaders) -> Response {
    if let Some(id) = &told.request_id {
        answer.provider_fields.insert("request_id".to_owned(), id.as_str().into());
    }
    answer.usage.reported_cost_nano_usd = answer.usage.reported_cost_nano_usd.or(told.cost_nano_usd);
    answer
}

/// The whole answer. When it is none, everything that came stays in the assembler: it was billed.
fn finish_answer(assembler: &mut Assembler) -> Result<Response, Failure> {
    assembler.check_complete()?;
    std::mem::take(assembler).finish()
}

/// Puts the key, token or signature on, and says which secrets the request holds now.
pub(super) async fn authorize(
    target: &Target,
    outgoing: &mut OutgoingRequest,
) -> Result<Vec<Credential>, Failure> {
    match target.authorization() {
        // Signatures and the ends of tokens go by the clock on the wall.
        Some(authorization) => authorization.authorize(outgoing, std::time::SystemTime::now()).await,
        None => Ok(Vec::new()),
    }
}

/// Where one exchange stands in time.
struct TimedExchange {
    start: Instant,
    timeouts: ExchangeTimeouts,
    last_content: Option<Instant>,
    first_content: Option<Duration>,
    stream: bool,
}

impl TimedExchange {
    fn deadline(&self) -> Instant {
        let next = match self.last_content {
            Some(last) => last + self.timeouts.idle,
            None => self.start + self.timeouts.first_token,
        };
        self.timeouts.total.map_or(next, |total| next.min(self.start + total))
    }

    /// Authorises a request and sends it. The secrets that it holds are added to `secrets`.
    async fn send(
        &self,
        transport: &dyn Transport,
        target: &Target,
        mut outgoing: OutgoingRequest,
        secrets: &mut Vec<Credential>,
    ) -> Result<IncomingResponse, Failure> {
        // A timer that ends before the request has left is no time-out of the provider: nothing was asked of it yet.
        let authorized = timeout_at(self.deadline(), authorize(target, &mut outgoing)).await;
        secrets.extend(authorized.map_err(|_| self.credentials_timeout())??);
        let sent = timeout_at(self.deadline(), transport.send(outgoing)).await;
        sent.map_err(|_| self.timeout_failure())?.map_err(send_failure)
    }

    /// The timer ended before there was anything to authorise the request with.
    fn credentials_timeout(&self) -> Failure {
        let limit =
            self.timeouts.total.map_or(self.timeouts.first_token, |t| t.min(self.timeouts.first_token));
        let message = format!("no credentials within {}", format_seconds(limit));
        Failure::new(FailureClass::Timeout, FailurePhase::Connect, message)
    }

    fn timeout_failure(&self) -> Failure {
        let total = self.timeouts.total.filter(|total| self.start.elapsed() >= *total);
        let (phase, message) = match (total, self.last_content) {
            (Some(total), _) => {
                (FailurePhase::Total, format!("no whole answer within {}", format_seconds(total)))
            }
            (None, Some(_)) => {
                (FailurePhase::Idle, format!("nothing more came for {}", format_seconds(self.timeouts.idle)))
            }
            (None, None) if self.stream => (
                FailurePhase::FirstToken,
                format!("no content within {}", format_seconds(self.timeouts.first_token)),
            ),
            (None, None) => (
                FailurePhase::Total,
                format!("no whole answer within {}", format_seconds(self.timeouts.first_token)),
            ),
        };
        Failure::new(FailureClass::Timeout, phase, message)
    }

    async fn next_chunk(
        &self,
        body: &mut BodyStream,
    ) -> Result<Option<Result<bytes::Bytes, String>>, Failure> {
        timeout_at(self.deadline(), body.next()).await.map_err(|_| self.timeout_failure())
    }

    async fn read_to_end(&self, body: &mut BodyStream, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let read = timeout_at(self.deadline(), read_up_to(body, bytes, MAX_BODY_BYTES));
        read.await.map_err(|_| self.timeout_failure())?.map_err(body_failure)
    }

    async fn read_stream(
        &mut self,
        mut body: BodyStream,
        mut decoder: Box<dyn crate::dialect::StreamDecoder>,
        assembler: &mut Assembler,
        sink: &mut (dyn FnMut(&StreamEvent) + Send),
    ) -> Result<(), Failure> {
        let mut events = Vec::new();
        let mut broke = None;
        while let Some(piece) = self.next_chunk(&mut body).await? {
            let bytes = match piece {
                Ok(bytes) => bytes,
                Err(why) => {
                    broke = Some(why);
                    break;
                }
            };
            let progress = decoder.feed(&bytes, &mut events);
            self.process_events(&mut events, assembler, sink);
            if assembler.output_text_len() > MAX_BODY_BYTES {
                return Err(body_failure(BodyError::TooLong));
            }
            if progress? == DecodeProgress::Done {
                break;
            }
        }
        let ended = decoder.finish(&mut events);
        self.process_events(&mut events, assembler, sink);
        match (ended, broke) {
            (Err(failure), Some(why))
                if matches!(failure.class, FailureClass::Truncated | FailureClass::Empty) =>
            {
                Err(connection_lost(&why))
            }
            (ended, _) => ended,
        }
    }

    fn process_events(
        &mut self,
        events: &mut Vec<StreamEvent>,
        assembler: &mut Assembler,
        sink: &mut (dyn FnMut(&StreamEvent) + Send),
    ) {
        for event in events.drain(..) {
            if event.is_content() {
                let now = Instant::now();
                self.last_content = Some(now);
                self.first_content.get_or_insert(now - self.start);
            }
            assembler.push(&event);
            sink(&event);
        }
    }
}

/// An answer that did not come whole.
pub(super) fn body_failure(why: BodyError<String>) -> Failure {
    match why {
        BodyError::ConnectionLost(why) => connection_lost(&why),
        BodyError::TooLong => {
            let message = format!("the answer is longer than {} MiB", MAX_BODY_BYTES >> 20);
            Failure::new(FailureClass::Malformed, FailurePhase::Body, message)
        }
    }
}

/// Reads what comes of an error's body until then, and within seconds.
pub(super) async fn read_error_body(body: &mut BodyStream, bytes: &mut Vec<u8>, deadline: Instant) {
    let patience = deadline.min(Instant::now() + ERROR_BODY_TIMEOUT);
    let _ = timeout_at(patience, read_up_to(body, bytes, MAX_ERROR_BODY_BYTES)).await;
}

pub(super) fn send_failure(error: SendError) -> Failure {
    match error {
        SendError::Unreachable(why) => Failure::new(FailureClass::Unreachable, FailurePhase::Connect, why),
        SendError::ConnectTimeout => {
            Failure::new(FailureClass::Timeout, FailurePhase::Connect, "the connection did not stand in time")
        }
    }
}

/// Seconds to the tenth, rounded up: a timer never ran shorter than it says. Less than that in milliseconds.
pub(super) fn format_seconds(duration: Duration) -> String {
    if duration < Duration::from_millis(100) {
        return format!("{} ms", duration.as_millis().max(1));
    }
    format!("{} s", (duration.as_secs_f64() * 10.0).ceil() / 10.0)
}

fn connection_lost(why: &str) -> Failure {
    Failure::new(
        FailureClass::Truncated,
        FailurePhase::Body,
        format!("the connection broke in the middle of the answer ({why})"),
    )
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::catalog::Catalog;
    use crate::chat::Request;
    use crate::provider::scripted_transport::{ScriptedReply, ScriptedTransport};
    use crate::provider::{KeySource, ModelRef, built_in_providers};

    #[tokio::test]
    async fn rejected_command_key_is_refreshed_once() {
        let mut row = built_in_providers().into_iter().find(|row| row.name == "openai").unwrap();
        (row.base_url, row.base_url_variable) = ("https://a/v1".into(), None);
        row.key_source = Some(KeySource::Command(vec!["echo".into(), "planted-key-123".into()]));
        let model_ref = ModelRef { provider: "openai".into(), model: "m".into() };
        let target =
            Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &|_: &str| None).unwrap();
        let request = Request::from_prompt("hi");
        let fitted = target.adapt_request(&request, &[]);
        let before = SystemTime::now() - Duration::from_secs(120);
        target
            .authorization()
            .unwrap()
            .authorize(&mut build_outgoing(&target, &request, false), before)
            .await
            .unwrap();
        let reply = |status, body: &str| ScriptedReply::Reply {
            after: Duration::ZERO,
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        };
        let answer =
            r#"{"choices":[{"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;
        let second = Duration::from_secs(5);
        let timers = ExchangeTimeouts { first_token: second, idle: second, total: None };
        let transport =
            ScriptedTransport::new([("a", vec![reply(401, "{}"), reply(200, answer), reply(401, "{}")])]);
        let found = exchange(&transport, &target, &fitted, false, timers, &mut |_| ()).await;
        assert_eq!((found.outcome.unwrap().text.as_str(), transport.hosts_called().len()), ("hello", 2));
        // It has just run: the next key would be the same.
        let found = exchange(&transport, &target, &fitted, false, timers, &mut |_| ()).await;
        assert_eq!(
            (found.outcome.unwrap_err().class, transport.hosts_called().len()),
            (FailureClass::Auth, 3)
        );
    }
}
