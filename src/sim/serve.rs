//! The server: one port, every dialect, told apart by path.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response as HttpResponse, Uri, header};
use axum::serve::ListenerExt;
use futures_util::{Stream, StreamExt, stream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::answer::{Answer, Outcome, Vendor, answer};
use super::behaviour::Behaviour;
use super::frames::{changed, faulty_body, frames};
use super::list::list;
use super::vectors::vectors;
use super::{Fault, MODELS, Settings};
use crate::chat::FailureClass;
use crate::dialect::{Asked, Dialect, Server, ServerReply, Serving};

/// A request may be this long, in bytes: pictures and documents come with it.
const BODY_LIMIT: usize = 128 << 20;

/// What the simulator says of one request.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// The dialect spoken, where one is.
    pub dialect: Option<Dialect>,
    /// The model asked, else the path, as it came.
    pub about: String,
    /// What was asked for: `stream`, `whole`, `list` or `vectors`; or why nothing was: `unreadable`, `unknown`.
    pub how: &'static str,
    /// The status answered.
    pub status: u16,
}

/// A running simulator. It stops when it is dropped.
pub struct Simulator {
    address: SocketAddr,
    hits: Arc<AtomicU64>,
    task: JoinHandle<io::Result<()>>,
}

struct Shared {
    settings: Settings,
    hits: Arc<AtomicU64>,
    /// How often a flaky model was asked what, and a rule was followed.
    asked: Mutex<HashMap<String, u64>>,
}

impl Simulator {
    /// Starts a simulator on the running runtime.
    ///
    /// # Errors
    /// When its address cannot be listened on.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.address).await?;
        let address = listener.local_addr()?;
        let hits = Arc::new(AtomicU64::new(0));
        let shared = Arc::new(Shared { settings, hits: Arc::clone(&hits), asked: Mutex::default() });
        let app = Router::new().fallback(handle).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(shared);
        // Small frames must not wait for each other.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let task = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, hits, task })
    }

    /// Where it listens, as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests that reached it so far.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// When serving breaks down.
    pub async fn wait(mut self) -> io::Result<()> {
        (&mut self.task).await.map_err(io::Error::other)?
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    asked_with: HeaderMap,
    body: Bytes,
) -> HttpResponse<Body> {
    shared.hits.fetch_add(1, Ordering::Relaxed);
    let path = percent_decoded(uri.path());
    let listed = if method == Method::GET { list(&uri, &asked_with) } else { None };
    let (dialect, about, how, reply) = if let Some((dialect, listed)) = listed {
        (Some(dialect), path, "list", whole(200, &[], listed.to_string().into_bytes()))
    } else if let Some((dialect, model, reply)) = embedded(&shared.settings, &path, &body) {
        (Some(dialect), model, "vectors", reply)
    } else if let Some(dialect) = dialect_of(&path) {
        let server = dialect.server();
        match server.decode_request(&path, &body) {
            Ok(asked) => {
                let reply = respond(&shared, dialect, &asked).await;
                (Some(dialect), asked.model, if asked.stream { "stream" } else { "whole" }, reply)
            }
            Err(why) => {
                let message = format!("the simulator cannot read the request: {why}");
                (Some(dialect), path, "unreadable", error(server, FailureClass::BadRequest, &message))
            }
        }
    } else {
        let words = br#"{"error":{"message":"the simulator has no such path"}}"#;
        (None, path, "unknown", whole(404, &[], words.to_vec()))
    };
    if let Some(log) = &shared.settings.log {
        log(&LogLine { dialect, about, how, status: reply.status().as_u16() });
    }
    reply
}

/// The reply to a request for vectors; `None` where it is one for something else.
fn embedded(settings: &Settings, path: &str, body: &[u8]) -> Option<(Dialect, String, HttpResponse<Body>)> {
    let (dialect, embedder, asked) = Dialect::ALL.into_iter().find_map(|dialect| {
        let embedder = dialect.embedder()?;
        Some((dialect, embedder, embedder.decode_request(path, body)?))
    })?;
    let reply = match Behaviour::of(&asked.model) {
        None => error(dialect.server(), FailureClass::ModelUnavailable, "the simulator has no such model"),
        Some(Behaviour::Error(class)) => error(dialect.server(), class, error_words(class)),
        Some(_) => {
            let found = vectors(&asked.texts, settings.seed);
            whole(200, &[], embedder.encode_response(&asked.model, &found))
        }
    };
    Some((dialect, asked.model, reply))
}

fn dialect_of(path: &str) -> Option<Dialect> {
    if path.ends_with("/chat/completions") {
        Some(Dialect::OpenaiChat)
    } else if path.ends_with("/responses") {
        Some(Dialect::OpenaiResponses)
    } else if path.ends_with("/messages") {
        Some(Dialect::Anthropic)
    } else if path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent") {
        Some(Dialect::Gemini)
    } else if path.ends_with("/converse") || path.ends_with("/converse-stream") {
        Some(Dialect::Bedrock)
    } else if path.ends_with("/v2/chat") {
        Some(Dialect::Cohere)
    } else if path.ends_with("/api/chat") {
        Some(Dialect::Ollama)
    } else {
        None
    }
}

async fn respond(shared: &Shared, dialect: Dialect, asked: &Asked) -> HttpResponse<Body> {
    let server = dialect.server();
    let rule = shared.settings.rules.iter().position(|rule| rule.matches(asked));
    let step = rule.and_then(|at| shared.settings.rules[at].step(shared.nth(format!("rule {at}"))));
    let behaviour = step.and_then(|step| step.behaviour).or_else(|| Behaviour::of(&asked.model));
    let Some(behaviour) = behaviour else {
        let faults = Fault::names().filter(|fault| !MODELS.contains(fault));
        let known: Vec<&str> = MODELS.into_iter().chain(faults).collect();
        let message = format!("the simulator has no model `{}`; it has {}", asked.model, known.join(", "));
        return error(server, FailureClass::ModelUnavailable, &message);
    };
    if asked.request.messages.is_empty() {
        return error(server, FailureClass::BadRequest, "messages: at least one message is required");
    }
    if let Behaviour::Fault(fault) = behaviour
        && let Some(why) = fault.refusal(dialect, asked.stream)
    {
        return error(server, FailureClass::BadRequest, &why);
    }
    let nth = match behaviour {
        Behaviour::Flaky(_) => shared.nth(format!("{}\n{}", asked.model, asked.request.last_user_text())),
        _ => 0,
    };
    let state = |turn: usize| server.thought_state(&format!("simulated-thoughts-{turn}"));
    let vendor = Vendor { speaks: dialect.name(), state: &state };
    let answer = answer(&shared.settings, &asked.model, behaviour, &asked.request, nth, step, &vendor);
    pause(answer.first_token).await;
    let serving =
        Serving { id: format!("sim-{}", shared.hits.load(Ordering::Relaxed)), model: asked.model.clone() };
    let headers = server.answer_headers(&serving);
    match &answer.outcome {
        Outcome::Error(class) => error(server, *class, error_words(*class)),
        Outcome::Refused(why) => error(server, FailureClass::BadRequest, why),
        Outcome::Fault(Fault::Empty) => whole(200, &headers, Vec::new()),
        Outcome::Whole | Outcome::Unexpected | Outcome::Fault(_) if asked.stream => {
            let frames = frames(dialect, &serving, &answer);
            let body = timed(frames, answer.rest, Ending::of(&answer.outcome));
            reply(200, server.stream_content_type(), &headers, Body::from_stream(body))
        }
        Outcome::Whole => {
            pause(answer.rest).await;
            whole(200, &headers, server.encode_response(&answer.response, &serving))
        }
        Outcome::Unexpected => {
            whole(200, &headers, changed(&server.encode_response(&answer.response, &serving)))
        }
        Outcome::Fault(fault) => broken_whole(*fault, dialect, &answer, &serving).await,
    }
}

impl Shared {
    /// How often this key was asked for before.
    fn nth(&self, key: String) -> u64 {
        let mut asked = self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = asked.entry(key).or_default();
        *count += 1;
        *count - 1
    }
}

fn error_words(class: FailureClass) -> &'static str {
    match class {
        FailureClass::RateLimited => "Rate limit reached (simulated)",
        FailureClass::QuotaExhausted => "You have no credit left (simulated)",
        FailureClass::Auth => "The key is not valid (simulated)",
        FailureClass::ModelUnavailable => "The model was retired and does not exist any more (simulated)",
        FailureClass::ContextOverflow => "The prompt is too long for the maximum context length (simulated)",
        FailureClass::Unreachable => "The service is down (simulated)",
        _ => "Overloaded (simulated)",
    }
}

/// A whole reply with a fault in it.
async fn broken_whole(
    fault: Fault,
    dialect: Dialect,
    answer: &Answer,
    serving: &Serving,
) -> HttpResponse<Body> {
    let body = faulty_body(fault, dialect, answer, serving);
    let ending = match fault {
        Fault::Stall => std::future::pending().await,
        Fault::Cut => Ending::Broken,
        _ => Ending::Clean,
    };
    reply(200, "application/json", &[], Body::from_stream(timed(vec![body], Duration::ZERO, ending)))
}

/// How a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Clean,
    Broken,
    Hang,
}

impl Ending {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Fault(Fault::Stall) => Self::Hang,
            Outcome::Fault(Fault::Cut) => Self::Broken,
            _ => Self::Clean,
        }
    }
}

/// Sleeps, unless for no time at all: a timer's least is a millisecond.
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Frames spread over a time. What is due at once goes out in one piece.
fn timed(frames: Vec<Vec<u8>>, rest: Duration, ending: Ending) -> impl Stream<Item = io::Result<Bytes>> {
    let pieces = if rest.is_zero() { vec![frames.concat()] } else { frames };
    let pause = rest / u32::try_from(pieces.len().max(1)).unwrap_or(u32::MAX);
    let sent = stream::iter(pieces).then(move |piece| async move {
        self::pause(pause).await;
        Ok(Bytes::from(piece))
    });
    let last = match ending {
        Ending::Clean => stream::empty().boxed(),
        Ending::Hang => stream::pending().boxed(),
        // A pause lets what was sent reach the other side before the connection goes.
        Ending::Broken => stream::once(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Err(io::Error::other("cut on purpose"))
        })
        .boxed(),
    };
    sent.chain(last)
}

fn error(server: &dyn Server, class: FailureClass, message: &str) -> HttpResponse<Body> {
    let ServerReply { status, headers, body } = server.encode_failure(class, message);
    whole(status, &headers, body)
}

fn whole(status: u16, headers: &[(&'static str, String)], body: Vec<u8>) -> HttpResponse<Body> {
    reply(status, "application/json", headers, Body::from(body))
}

fn reply(
    status: u16,
    kind: &'static str,
    headers: &[(&'static str, String)],
    body: Body,
) -> HttpResponse<Body> {
    let mut builder = HttpResponse::builder().status(status).header(header::CONTENT_TYPE, kind);
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    // Names and values are the dialects' own and always fit; an empty reply would say so at once.
    builder.body(body).unwrap_or_default()
}

fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
