//! One request to one model and its response, with timeouts.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::limited_body::{BodyError, read_up_to};
use super::outgoing_request::build_outgoing;
use super::redact_secrets::{redact_failure, redact_response};
use super::tool_answer::{ToolAnswerDecoder, ToolAnswerRewriter};
use super::transport::{BodyStream, IncomingResponse, OutgoingRequest, SendError, Transport};
use super::{AdaptedRequest, Credential, Target};
use crate::chat::{
    Assembler, Failure, FailureClass, FailurePhase, Part, Request, Response, StreamEvent, Usage,
};
use crate::dialect::{DecodeProgress, ParsedResponseHeaders, WireResponse, parse_response_headers};

/// Maximum size of a response body.
pub(super) const MAX_BODY_BYTES: usize = 64 << 20;

/// Maximum number of bytes read from an error's body.
const MAX_ERROR_BODY_BYTES: usize = 256 << 10;

/// The status usually says enough, so an error's body gets no more time than this.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ExchangeTimeouts {
    /// Until the first content, including connecting; without streaming, until the end.
    pub first_token: Duration,
    /// Between two pieces of content. Keep-alives and comments do not reset it.
    pub idle: Duration,
    /// Until the end; `None` if the caller set no limit.
    pub total: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(crate) struct ExchangeRecord {
    pub outcome: Result<Response, Failure>,
    /// Token counts received before a failure.
    pub partial_usage: Usage,
    /// Bytes of content received.
    pub output_bytes: usize,
    /// Time from sending the request to the first content; `None` if there was none.
    pub first_content: Option<Duration>,
    /// From sending the request to the last byte.
    pub duration: Duration,
    /// What the response headers report about rate limits, cost, and the request ID.
    pub account: ParsedResponseHeaders,
}

/// Sends one request and reads the response. `sink` receives every event as it arrives.
pub(crate) async fn exchange(
    transport: &dyn Transport,
    target: &Target,
    adapted: &AdaptedRequest<'_>,
    stream: bool,
    timeouts: ExchangeTimeouts,
    sink: &mut (dyn FnMut(&StreamEvent) + Send),
) -> ExchangeRecord {
    let mut timed =
        TimedExchange { start: Instant::now(), timeouts, last_content: None, first_content: None, stream };
    let mut assembler = Assembler::default();
    let mut account = ParsedResponseHeaders::default();
    let client = target.dialect.client_codec();
    let outgoing = build_outgoing(target, &adapted.request, stream);
    tracing::debug!(model = %target.model_ref, stream, "request");
    let mut secrets = Vec::new();
    let mut sent = timed.send(transport, target, outgoing.clone(), &mut secrets).await;
    if sent.as_ref().is_ok_and(|incoming| incoming.status == 401)
        && target.authorization().is_some_and(|authorization| authorization.try_renew(&secrets))
    {
        // A key printed by a command may have expired. The resend with a new key counts as the same attempt.
        sent = timed.send(transport, target, outgoing, &mut secrets).await;
    }
    if let Ok(incoming) = &sent {
        let after_ms = timed.start.elapsed().as_millis();
        tracing::debug!(model = %target.model_ref, status = incoming.status, after_ms, "response headers");
    }
    let outcome = match sent {
        Err(failure) => Err(failure),
        Ok(incoming) if !(200..300).contains(&incoming.status) => {
            let IncomingResponse { status, headers, mut body } = incoming;
            // The body adds detail to the failure, but the status alone is enough.
            let mut bytes = Vec::new();
            read_error_body(&mut body, &mut bytes, timed.deadline()).await;
            Err(client.decode_failure(WireResponse { status, headers: &headers, body: &bytes }))
        }
        Ok(incoming) if stream => {
            account = parse_response_headers(&incoming.headers);
            let mut decoder = client.stream_decoder(&target.quirks);
            if let Some(tool) = &adapted.answer_tool {
                decoder = Box::new(ToolAnswerDecoder::new(decoder, tool));
            }
            match timed.read_stream(incoming.body, decoder, &mut assembler, sink).await {
                Ok(()) => finish_answer(&mut assembler),
                Err(failure) => Err(failure),
            }
        }
        Ok(incoming) => {
            let IncomingResponse { status, headers, mut body } = incoming;
            account = parse_response_headers(&headers);
            let mut bytes = Vec::new();
            match timed.read_to_end(&mut body, &mut bytes).await {
                Ok(()) => {
                    let mut events = Vec::new();
                    let reply = WireResponse { status, headers: &headers, body: &bytes };
                    let decoded = client.decode_response_events(reply, &target.quirks, &mut events);
                    if let Some(tool) = &adapted.answer_tool {
                        ToolAnswerRewriter::new(tool).rewrite(&mut events, 0);
                    }
                    events.iter().for_each(|event| assembler.push(event));
                    decoded.and_then(|()| finish_answer(&mut assembler))
                }
                Err(failure) => Err(failure),
            }
        }
    };
    let duration = timed.start.elapsed();
    let outcome = outcome.map(|mut answer| {
        fill_tool_call_ids(&mut answer, &adapted.request);
        answer.unexpected_fields.extend(
            target.dialect.missing_response_fields(&answer).iter().map(|name| format!("{name}: missing")),
        );
        with_response_headers(answer, &account)
    });
    let outcome = match outcome {
        Ok(answer) => Ok(redact_response(answer, &secrets)),
        Err(failure) => Err(redact_failure(failure, &secrets)),
    };
    ExchangeRecord {
        outcome,
        partial_usage: assembler.usage(),
        output_bytes: assembler.output_text_len(),
        first_content: timed.first_content,
        duration,
        account,
    }
}

/// Gives tool calls without an ID one that is unique in the conversation, so that results can refer to them.
fn fill_tool_call_ids(answer: &mut Response, request: &Request) {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let earlier_calls = parts.filter(|part| matches!(part, Part::ToolCall(_))).count();
    let calls = answer.parts.iter_mut().filter_map(|part| match part {
        Part::ToolCall(call) => Some(call),
        _ => None,
    });
    for (n, (call, listed)) in calls.zip(&mut answer.tool_calls).enumerate() {
        if call.id.is_empty() {
            call.id = format!("call_{}", earlier_calls + n + 1);
            listed.id.clone_from(&call.id);
        }
    }
}

fn with_response_headers(mut answer: Response, headers: &ParsedResponseHeaders) -> Response {
    if let Some(id) = &headers.request_id {
        answer.provider_fields.insert("request_id".to_owned(), id.as_str().into());
    }
    answer.usage.reported_cost_nano_usd = answer.usage.reported_cost_nano_usd.or(headers.cost_nano_usd);
    answer
}

/// On failure, the partial answer stays in the assembler, because its tokens were billed.
fn finish_answer(assembler: &mut Assembler) -> Result<Response, Failure> {
    assembler.check_complete()?;
    std::mem::take(assembler).finish()
}

/// Adds the key, token, or signature and returns the secrets that the request now contains.
pub(super) async fn authorize(
    target: &Target,
    outgoing: &mut OutgoingRequest,
) -> Result<Vec<Credential>, Failure> {
    match target.authorization() {
        // Signatures and token expiry use wall-clock time.
        Some(authorization) => authorization.authorize(outgoing, std::time::SystemTime::now()).await,
        None => Ok(Vec::new()),
    }
}

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

    /// Authorizes and sends a request. Adds the secrets that it contains to `secrets`.
    async fn send(
        &self,
        transport: &dyn Transport,
        target: &Target,
        mut outgoing: OutgoingRequest,
        secrets: &mut Vec<Credential>,
    ) -> Result<IncomingResponse, Failure> {
        // If time runs out before the request is sent, the provider did not time out.
        let authorized = timeout_at(self.deadline(), authorize(target, &mut outgoing)).await;
        secrets.extend(authorized.map_err(|_| self.credentials_timeout())??);
        let sent = timeout_at(self.deadline(), transport.send(outgoing)).await;
        sent.map_err(|_| self.timeout_failure())?.map_err(send_failure)
    }

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
                (FailurePhase::Total, format!("no complete answer within {}", format_seconds(total)))
            }
            (None, Some(_)) => {
                (FailurePhase::Idle, format!("stream stalled for {}", format_seconds(self.timeouts.idle)))
            }
            (None, None) if self.stream => (
                FailurePhase::FirstToken,
                format!("no content within {}", format_seconds(self.timeouts.first_token)),
            ),
            (None, None) => (
                FailurePhase::Total,
                format!("no complete answer within {}", format_seconds(self.timeouts.first_token)),
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
        let mut connection_error = None;
        while let Some(piece) = self.next_chunk(&mut body).await? {
            let bytes = match piece {
                Ok(bytes) => bytes,
                Err(why) => {
                    connection_error = Some(why);
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
        match (ended, connection_error) {
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

pub(super) fn body_failure(why: BodyError<String>) -> Failure {
    match why {
        BodyError::ConnectionLost(why) => connection_lost(&why),
        BodyError::TooLong => {
            let message = format!("the answer is longer than {} MiB", MAX_BODY_BYTES >> 20);
            Failure::new(FailureClass::Malformed, FailurePhase::Body, message)
        }
    }
}

/// Reads an error's body until the deadline or [`ERROR_BODY_TIMEOUT`], whichever comes first.
pub(super) async fn read_error_body(body: &mut BodyStream, bytes: &mut Vec<u8>, deadline: Instant) {
    let limit = deadline.min(Instant::now() + ERROR_BODY_TIMEOUT);
    let _ = timeout_at(limit, read_up_to(body, bytes, MAX_ERROR_BODY_BYTES)).await;
}

pub(super) fn send_failure(error: SendError) -> Failure {
    match error {
        SendError::Unreachable(why) => Failure::new(FailureClass::Unreachable, FailurePhase::Connect, why),
        SendError::ConnectTimeout => {
            Failure::new(FailureClass::Timeout, FailurePhase::Connect, "connection timed out")
        }
    }
}

/// Seconds rounded up to tenths, so that a timeout is never shown shorter than it was. Below 0.1 s,
/// milliseconds.
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
        format!("connection lost in the middle of the answer ({why})"),
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
        let mut row = built_in_providers().unwrap().into_iter().find(|row| row.name == "openai").unwrap();
        (row.base_url, row.base_url_variable) = ("https://a/v1".into(), None);
        row.key_source = Some(KeySource::Command(vec!["echo".into(), "planted-key-123".into()]));
        let model_ref = ModelRef { provider: "openai".into(), model: "m".into() };
        let target =
            Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &|_: &str| None).unwrap();
        let request = Request::from_prompt("hi");
        let adapted = target.adapt_request(&request, &[]);
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
        let limit = Duration::from_secs(5);
        let timeouts = ExchangeTimeouts { first_token: limit, idle: limit, total: None };
        let transport =
            ScriptedTransport::new([("a", vec![reply(401, "{}"), reply(200, answer), reply(401, "{}")])]);
        let record = exchange(&transport, &target, &adapted, false, timeouts, &mut |_| ()).await;
        assert_eq!((record.outcome.unwrap().text.as_str(), transport.hosts_called().len()), ("hello", 2));
        // The command has just run, so running it again would print the same key.
        let record = exchange(&transport, &target, &adapted, false, timeouts, &mut |_| ()).await;
        assert_eq!(
            (record.outcome.unwrap_err().class, transport.hosts_called().len()),
            (FailureClass::Auth, 3)
        );
    }
}
