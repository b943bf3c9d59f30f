//! One exchange with one model, under its timers.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::transport::{Incoming, Method, Outgoing, SendError, Transport};
use super::{Target, transport::BodyStream};
use crate::chat::{Assembler, Event, Failure, FailureClass, Phase, Request, Response, Usage};
use crate::dialect::{Call, Progress, Reply};

/// A whole reply may be this long, in bytes.
const WHOLE_LIMIT: usize = 64 << 20;

/// An error's body is read this far, in bytes.
const ERROR_LIMIT: usize = 256 << 10;

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
}

/// Sends one request and reads its answer. `sink` sees every event as it arrives.
pub async fn exchange(
    transport: &dyn Transport,
    target: &Target,
    request: &Request,
    stream: bool,
    timers: Timers,
    sink: &mut (dyn FnMut(&Event) + Send),
) -> Exchanged {
    let mut reading =
        Reading { start: Instant::now(), timers, last_content: None, first_content: None, stream };
    let mut assembler = Assembler::default();
    let client = target.provider.dialect.client();
    let outgoing = outgoing(target, request, stream);
    let sent = match timeout_at(reading.deadline(), transport.send(outgoing)).await {
        Err(_) => Err(reading.timed_out()),
        Ok(Err(error)) => Err(unreachable(error)),
        Ok(Ok(incoming)) => Ok(incoming),
    };
    let outcome = match sent {
        Err(failure) => Err(failure),
        Ok(incoming) if !(200..300).contains(&incoming.status) => {
            let Incoming { status, headers, mut body } = incoming;
            // Whatever of the body comes in time helps to say what happened; the status alone is enough.
            let mut bytes = Vec::new();
            let _ = reading.read_to_end(&mut body, &mut bytes, ERROR_LIMIT).await;
            Err(client.decode_failure(Reply { status, headers: &headers, body: &bytes }))
        }
        Ok(incoming) if stream => {
            let decoder = client.stream_decoder(&target.quirks);
            match reading.read_stream(incoming.body, decoder, &mut assembler, sink).await {
                Ok(()) => whole(&mut assembler),
                Err(failure) => Err(failure),
            }
        }
        Ok(incoming) => {
            let Incoming { status, headers, mut body } = incoming;
            let mut bytes = Vec::new();
            match reading.read_to_end(&mut body, &mut bytes, WHOLE_LIMIT).await {
                Ok(()) => {
                    let mut events = Vec::new();
                    let reply = Reply { status, headers: &headers, body: &bytes };
                    let decoded = client.decode_whole(reply, &target.quirks, &mut events);
                    events.iter().for_each(|event| assembler.push(event));
                    decoded.and_then(|()| whole(&mut assembler))
                }
                Err(failure) => Err(failure),
            }
        }
    };
    let duration = reading.start.elapsed();
    let outcome = outcome.map_err(|failure| redacted(failure, target));
    Exchanged {
        outcome,
        partial_usage: assembler.usage(),
        output_bytes: assembler.output_bytes(),
        first_content: reading.first_content,
        duration,
    }
}

/// The whole answer. When it is none, everything that came stays in the assembler: it was billed.
fn whole(assembler: &mut Assembler) -> Result<Response, Failure> {
    assembler.check()?;
    std::mem::take(assembler).finish()
}

fn outgoing(target: &Target, request: &Request, stream: bool) -> Outgoing {
    let call = Call { model: &target.model_ref.model, request, stream, quirks: &target.quirks };
    let wire = target.provider.dialect.client().encode_request(call);
    let mut url = format!("{}{}", target.base_url(), wire.path);
    for (n, (name, value)) in wire.query.iter().enumerate() {
        url.push(if n == 0 { '?' } else { '&' });
        url.push_str(&format!("{name}={value}"));
    }
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(wire.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    headers.extend(target.key_header());
    Outgoing { method: Method::Post, url, headers, body: wire.body.into() }
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

    async fn read_to_end(
        &self,
        body: &mut BodyStream,
        bytes: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Failure> {
        while let Some(piece) = self.next(body).await? {
            bytes.extend_from_slice(&piece.map_err(|why| cut(&why))?);
            if bytes.len() > limit {
                return Err(too_long(limit));
            }
        }
        Ok(())
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
                return Err(too_long(WHOLE_LIMIT));
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

fn too_long(limit: usize) -> Failure {
    let message = format!("the answer is longer than {} MiB", limit >> 20);
    Failure::new(FailureClass::Malformed, Phase::Body, message)
}

fn unreachable(error: SendError) -> Failure {
    match error {
        SendError::Unreachable(why) => Failure::new(FailureClass::Unreachable, Phase::Connect, why),
        SendError::ConnectTimeout => {
            Failure::new(FailureClass::Timeout, Phase::Connect, "the connection did not stand in time")
        }
    }
}

/// Seconds to the tenth, rounded up: a timer never ran shorter than it says.
fn seconds(duration: Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 10.0).ceil() / 10.0)
}

fn cut(why: &str) -> Failure {
    Failure::new(
        FailureClass::Truncated,
        Phase::Body,
        format!("the connection broke in the middle of the answer ({why})"),
    )
}

fn redacted(mut failure: Failure, target: &Target) -> Failure {
    if let Some(key) = target.credential() {
        for text in [Some(&mut failure.message), failure.code.as_mut(), failure.request_id.as_mut()]
            .into_iter()
            .flatten()
        {
            if let Some(clean) = key.redact(text) {
                *text = clean;
            }
        }
    }
    failure
}
