//! One exchange with one model, under its timers.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::body::{Unread, read_whole};
use super::redaction::{redacted, redacted_answer};
use super::request::outgoing;
use super::shape::{ShapedDecoder, Shaping};
use super::transport::{BodyStream, Incoming, Outgoing, SendError, Transport};
use super::{Credential, Fitted, Target};
use crate::chat::{Assembler, Event, Failure, FailureClass, Part, Phase, Request, Response, Usage};
use crate::dialect::{Account, Progress, Reply, account};

/// A whole reply may be this long, in bytes.
pub(super) const WHOLE_LIMIT: usize = 64 << 20;

/// An error's body is read this far, in bytes.
const ERROR_LIMIT: usize = 256 << 10;

/// An error's body is waited for no longer: its status says enough.
const ERROR_PATIENCE: Duration = Duration::from_secs(2);

/// How long one exchange may take, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timers {
    /// Until the first content, connecting included. For a whole answer: until its end.
    pub first_token: Duration,
    /// Between two pieces of content. Keep-alives and comments reset nothing.
    pub idle: Duration,
    /// Until the end, where the caller set a limit.
    pub total: Option<Duration>,
}

/// What came of an exchange.
#[derive(Clone, Debug)]
pub struct Exchanged {
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
    pub account: Account,
}

/// Sends one request and reads its answer. `sink` sees every event as it arrives.
pub async fn exchange(
    transport: &dyn Transport,
    target: &Target,
    fitted: &Fitted<'_>,
    stream: bool,
    timers: Timers,
    sink: &mut (dyn FnMut(&Event) + Send),
) -> Exchanged {
    let mut reading =
        Reading { start: Instant::now(), timers, last_content: None, first_content: None, stream };
    let mut assembler = Assembler::default();
    let mut told = Account::default();
    let client = target.dialect.client();
    let outgoing = outgoing(target, &fitted.request, stream);
    let mut secrets = Vec::new();
    let mut sent = reading.send(transport, target, outgoing.clone(), &mut secrets).await;
    if sent.as_ref().is_ok_and(|incoming| incoming.status == 401)
        && target.authorization().is_some_and(|authorization| authorization.renew(&secrets))
    {
        // A key that a command printed may have ended since; with a new one the request is the same attempt.
        sent = reading.send(transport, target, outgoing, &mut secrets).await;
    }
    let outcome = match sent {
        Err(failure) => Err(failure),
        Ok(incoming) if !(200..300).contains(&incoming.status) => {
            let Incoming { status, headers, mut body } = incoming;
            // Whatever of the body comes in time helps to say what happened; the status alone is enough.
            let mut bytes = Vec::new();
            read_error(&mut body, &mut bytes, reading.deadline()).await;
            Err(client.decode_failure(Reply { status, headers: &headers, body: &bytes }))
        }
        Ok(incoming) if stream => {
            told = account(&incoming.headers);
            let mut decoder = client.stream_decoder(&target.quirks);
            if let Some(tool) = &fitted.answer_tool {
                decoder = Box::new(ShapedDecoder::new(decoder, tool));
            }
            match reading.read_stream(incoming.body, decoder, &mut assembler, sink).await {
                Ok(()) => whole(&mut assembler),
                Err(failure) => Err(failure),
            }
        }
        Ok(incoming) => {
            let Incoming { status, headers, mut body } = incoming;
            told = account(&headers);
            let mut bytes = Vec::new();
            match reading.read_to_end(&mut body, &mut bytes).await {
                Ok(()) => {
                    let mut events = Vec::new();
                    let reply = Reply { status, headers: &headers, body: &bytes };
                    let decoded = client.decode_whole(reply, &target.quirks, &mut events);
                    if let Some(tool) = &fitted.answer_tool {
                        Shaping::new(tool).rewrite(&mut events, 0);
                    }
                    events.iter().for_each(|event| assembler.push(event));
                    decoded.and_then(|()| whole(&mut assembler))
                }
                Err(failure) => Err(failure),
            }
        }
    };
    let duration = reading.start.elapsed();
    let outcome = outcome.map(|mut answer| {
        name_calls(&mut answer, &fitted.request);
        answer
            .unexpected
            .extend(target.dialect.missing(&answer).iter().map(|name| format!("{name}: missing")));
        with_account(answer, &told)
    });
    let outcome = match outcome {
        Ok(answer) => Ok(redacted_answer(answer, &secrets)),
        Err(failure) => Err(redacted(failure, &secrets)),
    };
    Exchanged {
        outcome,
        partial_usage: assembler.usage(),
        output_bytes: assembler.output_bytes(),
        first_content: reading.first_content,
        duration,
        account: told,
    }
}

/// Gives calls that came without an id one that no other call of the conversation has, so that results can name them.
fn name_calls(answer: &mut Response, request: &Request) {
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
fn with_account(mut answer: Response, told: &Account) -> Response {
    if let Some(id) = &told.request_id {
        answer.provider_fields.insert("request_id".to_owned(), id.as_str().into());
    }
    answer.usage.reported_cost = answer.usage.reported_cost.or(told.cost);
    answer
}

/// The whole answer. When it is none, everything that came stays in the assembler: it was billed.
fn whole(assembler: &mut Assembler) -> Result<Response, Failure> {
    assembler.check()?;
    std::mem::take(assembler).finish()
}

/// Puts the key, token or signature on, and says which secrets the request holds now.
pub(super) async fn authorize(target: &Target, outgoing: &mut Outgoing) -> Result<Vec<Credential>, Failure> {
    match target.authorization() {
        // Signatures and the ends of tokens go by the clock on the wall.
        Some(authorization) => authorization.put(outgoing, std::time::SystemTime::now()).await,
        None => Ok(Vec::new()),
    }
}

/// Where one exchange stands in time.
struct Reading {
    start: Instant,
    timers: Timers,
    last_content: Option<Instant>,
    first_content: Option<Duration>,
    stream: bool,
}

impl Reading {
    fn deadline(&self) -> Instant {
        let next = match self.last_content {
            Some(last) => last + self.timers.idle,
            None => self.start + self.timers.first_token,
        };
        self.timers.total.map_or(next, |total| next.min(self.start + total))
    }

    /// Authorises a request and sends it. The secrets that it holds are added to `secrets`.
    async fn send(
        &self,
        transport: &dyn Transport,
        target: &Target,
        mut outgoing: Outgoing,
        secrets: &mut Vec<Credential>,
    ) -> Result<Incoming, Failure> {
        // A timer that ends before the request has left is no time-out of the provider: nothing was asked of it yet.
        let authorized = timeout_at(self.deadline(), authorize(target, &mut outgoing)).await;
        secrets.extend(authorized.map_err(|_| self.no_credentials())??);
        let sent = timeout_at(self.deadline(), transport.send(outgoing)).await;
        sent.map_err(|_| self.timed_out())?.map_err(unreachable)
    }

    /// The timer ended before there was anything to authorise the request with.
    fn no_credentials(&self) -> Failure {
        let limit = self.timers.total.map_or(self.timers.first_token, |t| t.min(self.timers.first_token));
        let message = format!("no credentials within {}", seconds(limit));
        Failure::new(FailureClass::Timeout, Phase::Connect, message)
    }

    fn timed_out(&self) -> Failure {
        let total = self.timers.total.filter(|total| self.start.elapsed() >= *total);
        let (phase, message) = match (total, self.last_content) {
            (Some(total), _) => (Phase::Total, format!("no whole answer within {}", seconds(total))),
            (None, Some(_)) => (Phase::Idle, format!("nothing more came for {}", seconds(self.timers.idle))),
            (None, None) if self.stream => {
                (Phase::FirstToken, format!("no content within {}", seconds(self.timers.first_token)))
            }
            (None, None) => {
                (Phase::Total, format!("no whole answer within {}", seconds(self.timers.first_token)))
            }
        };
        Failure::new(FailureClass::Timeout, phase, message)
    }

    async fn next(&self, body: &mut BodyStream) -> Result<Option<Result<bytes::Bytes, String>>, Failure> {
        timeout_at(self.deadline(), body.next()).await.map_err(|_| self.timed_out())
    }

    async fn read_to_end(&self, body: &mut BodyStream, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let read = timeout_at(self.deadline(), read_whole(body, bytes, WHOLE_LIMIT));
        read.await.map_err(|_| self.timed_out())?.map_err(unread)
    }

    async fn read_stream(
        &mut self,
        mut body: BodyStream,
        mut decoder: Box<dyn crate::dialect::StreamDecoder>,
        assembler: &mut Assembler,
        sink: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<(), Failure> {
        let mut events = Vec::new();
        let mut broke = None;
        while let Some(piece) = self.next(&mut body).await? {
            let bytes = match piece {
                Ok(bytes) => bytes,
                Err(why) => {
                    broke = Some(why);
                    break;
                }
            };
            let progress = decoder.feed(&bytes, &mut events);
            self.take(&mut events, assembler, sink);
            if assembler.output_bytes() > WHOLE_LIMIT {
                return Err(unread(Unread::TooLong));
            }
            if progress? == Progress::Done {
                break;
            }
        }
        let ended = decoder.end(&mut events);
        self.take(&mut events, assembler, sink);
        match (ended, broke) {
            (Err(failure), Some(why))
                if matches!(failure.class, FailureClass::Truncated | FailureClass::Empty) =>
            {
                Err(cut(&why))
            }
            (ended, _) => ended,
        }
    }

    fn take(
        &mut self,
        events: &mut Vec<Event>,
        assembler: &mut Assembler,
        sink: &mut (dyn FnMut(&Event) + Send),
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
pub(super) fn unread(why: Unread<String>) -> Failure {
    match why {
        Unread::Broke(why) => cut(&why),
        Unread::TooLong => {
            let message = format!("the answer is longer than {} MiB", WHOLE_LIMIT >> 20);
            Failure::new(FailureClass::Malformed, Phase::Body, message)
        }
    }
}

/// Reads what comes of an error's body until then, and within seconds.
pub(super) async fn read_error(body: &mut BodyStream, bytes: &mut Vec<u8>, deadline: Instant) {
    let patience = deadline.min(Instant::now() + ERROR_PATIENCE);
    let _ = timeout_at(patience, read_whole(body, bytes, ERROR_LIMIT)).await;
}

pub(super) fn unreachable(error: SendError) -> Failure {
    match error {
        SendError::Unreachable(why) => Failure::new(FailureClass::Unreachable, Phase::Connect, why),
        SendError::ConnectTimeout => {
            Failure::new(FailureClass::Timeout, Phase::Connect, "the connection did not stand in time")
        }
    }
}

/// Seconds to the tenth, rounded up: a timer never ran shorter than it says. Less than that in milliseconds.
pub(super) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_millis(100) {
        return format!("{} ms", duration.as_millis().max(1));
    }
    format!("{} s", (duration.as_secs_f64() * 10.0).ceil() / 10.0)
}

fn cut(why: &str) -> Failure {
    Failure::new(
        FailureClass::Truncated,
        Phase::Body,
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
    use crate::provider::scripted::{Scene, Scripted};
    use crate::provider::{KeySource, ModelRef, built_in_providers};

    #[tokio::test]
    async fn a_printed_key_that_is_refused_is_printed_again_once() {
        let mut row = built_in_providers().into_iter().find(|row| row.name == "openai").unwrap();
        (row.base_url, row.base_url_variable) = ("https://a/v1".into(), None);
        row.key_source = Some(KeySource::Command(vec!["echo".into(), "planted-key-123".into()]));
        let model_ref = ModelRef { provider: "openai".into(), model: "m".into() };
        let target =
            Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &|_: &str| None).unwrap();
        let request = Request::prompt("hi");
        let fitted = target.fitted(&request, &[]);
        let before = SystemTime::now() - Duration::from_secs(120);
        target.authorization().unwrap().put(&mut outgoing(&target, &request, false), before).await.unwrap();
        let reply = |status, body: &str| Scene::Reply {
            after: Duration::ZERO,
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        };
        let answer =
            r#"{"choices":[{"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;
        let second = Duration::from_secs(5);
        let timers = Timers { first_token: second, idle: second, total: None };
        let transport = Scripted::new([("a", vec![reply(401, "{}"), reply(200, answer), reply(401, "{}")])]);
        let found = exchange(&transport, &target, &fitted, false, timers, &mut |_| ()).await;
        assert_eq!((found.outcome.unwrap().text.as_str(), transport.order().len()), ("hello", 2));
        // It has just run: the next key would be the same.
        let found = exchange(&transport, &target, &fitted, false, timers, &mut |_| ()).await;
        assert_eq!((found.outcome.unwrap_err().class, transport.order().len()), (FailureClass::Auth, 3));
    }
}
