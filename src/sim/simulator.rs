//! The HTTP server: one port for all dialects, which are distinguished by path.

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

use super::embeddings::simulate_embeddings;
use super::fault_injection::{encode_faulty_body, encode_stream, inject_unexpected_fields};
use super::model_behavior::ModelBehavior;
use super::model_list::encode_model_list;
use super::simulated_metadata::{SIMULATED_TIMING, failure_metadata, response_identity, response_metadata};
use super::simulated_response::{DialectContext, SimulatedOutcome, SimulatedResponse, simulate_response};
use super::{LISTED_MODELS, SimulatedFault, SimulatorConfig};
use crate::chat::FailureClass;
use crate::dialect::{
    Dialect, ResponseIdentity, ServerCodec, ServerErrorResponse, ServerFailure, ServerRequest,
};

/// 128 MiB, because requests carry attachments.
const MAX_REQUEST_BYTES: usize = 128 << 20;

#[derive(Clone, Debug)]
pub struct RequestLogEntry {
    /// `None` if the path belongs to no dialect.
    pub dialect: Option<Dialect>,
    /// The requested model; otherwise the request path.
    pub target: String,
    /// `stream`, `whole`, `list`, or `vectors`; `unreadable` or `unknown` for requests that cannot be served.
    pub kind: &'static str,
    pub status: u16,
}

/// A running simulator. Dropping it stops the server.
pub struct Simulator {
    address: SocketAddr,
    request_count: Arc<AtomicU64>,
    task: JoinHandle<io::Result<()>>,
}

struct SimulatorState {
    settings: SimulatorConfig,
    hits: Arc<AtomicU64>,
    /// Requests so far per scenario rule, and per flaky model and prompt.
    request_counts: Mutex<HashMap<String, u64>>,
}

impl Simulator {
    pub async fn start(settings: SimulatorConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.address).await?;
        let address = listener.local_addr()?;
        let hits = Arc::new(AtomicU64::new(0));
        let shared =
            Arc::new(SimulatorState { settings, hits: Arc::clone(&hits), request_counts: Mutex::default() });
        let app = Router::new()
            .fallback(handle_request)
            .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
            .with_state(shared);
        // Without TCP_NODELAY, small frames would be held back and sent together.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let task = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, request_count: hits, task })
    }

    /// Base URL without a path.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn request_count(&self) -> u64 {
        self.request_count.load(Ordering::Relaxed)
    }

    /// Serves until the server fails or the process ends.
    pub async fn run_until_stopped(mut self) -> io::Result<()> {
        (&mut self.task).await.map_err(io::Error::other)?
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle_request(
    State(shared): State<Arc<SimulatorState>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse<Body> {
    shared.hits.fetch_add(1, Ordering::Relaxed);
    let path = percent_decode(uri.path());
    let listed = if method == Method::GET { encode_model_list(&uri, &headers) } else { None };
    let (dialect, target, kind, reply) = if let Some((dialect, listed)) = listed {
        (Some(dialect), path, "list", json_response(200, &[], listed.to_string().into_bytes()))
    } else if let Some((dialect, model, reply)) = handle_embedding_request(&shared, &path, &body) {
        (Some(dialect), model, "vectors", reply)
    } else if let Some(dialect) = dialect_for_path(&path) {
        let server = dialect.server_codec();
        match server.decode_request(&path, &body) {
            Ok(incoming) => {
                let reply = respond_to_chat(&shared, dialect, &incoming).await;
                (Some(dialect), incoming.model, if incoming.is_streaming { "stream" } else { "whole" }, reply)
            }
            Err(why) => {
                let message = format!("the simulator cannot parse the request: {why}");
                (
                    Some(dialect),
                    path,
                    "unreadable",
                    error_response(server, FailureClass::BadRequest, &message),
                )
            }
        }
    } else {
        let body_text = br#"{"error":{"message":"the simulator has no such path"}}"#;
        (None, path, "unknown", json_response(404, &[], body_text.to_vec()))
    };
    if let Some(log) = &shared.settings.log {
        log(&RequestLogEntry { dialect, target, kind, status: reply.status().as_u16() });
    }
    reply
}

/// `None` if the request is not for embeddings.
fn handle_embedding_request(
    shared: &SimulatorState,
    path: &str,
    body: &[u8],
) -> Option<(Dialect, String, HttpResponse<Body>)> {
    let (dialect, embedder, request) = Dialect::ALL.into_iter().find_map(|dialect| {
        let embedder = dialect.embedding_codec()?;
        Some((dialect, embedder, embedder.decode_request(path, body)?))
    })?;
    let reply = match ModelBehavior::from_model_name(&request.model) {
        None => {
            error_response(dialect.server_codec(), FailureClass::ModelUnavailable, "unknown simulator model")
        }
        Some(ModelBehavior::Error(class)) => {
            error_response(dialect.server_codec(), class, error_message(class))
        }
        Some(_) => {
            let embeddings = simulate_embeddings(&request.texts, shared.settings.seed);
            let identity = response_identity(shared.hits.load(Ordering::Relaxed), &request.model);
            json_response(200, &[], embedder.encode_response(&identity, &embeddings))
        }
    };
    Some((dialect, request.model, reply))
}

fn dialect_for_path(path: &str) -> Option<Dialect> {
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

async fn respond_to_chat(
    shared: &SimulatorState,
    dialect: Dialect,
    incoming: &ServerRequest,
) -> HttpResponse<Body> {
    let server = dialect.server_codec();
    let rule = shared.settings.scenario.iter().position(|rule| rule.matches(incoming));
    let step = rule.and_then(|at| {
        shared.settings.scenario[at].step_for(shared.next_request_index(format!("rule {at}")))
    });
    let behavior =
        step.and_then(|step| step.behavior).or_else(|| ModelBehavior::from_model_name(&incoming.model));
    let Some(behavior) = behavior else {
        let faults = SimulatedFault::names().filter(|fault| !LISTED_MODELS.contains(fault));
        let known: Vec<&str> = LISTED_MODELS.into_iter().chain(faults).collect();
        let message =
            format!("unknown simulator model `{}`: expected one of {}", incoming.model, known.join(", "));
        return error_response(server, FailureClass::ModelUnavailable, &message);
    };
    if incoming.request.messages.is_empty() {
        return error_response(
            server,
            FailureClass::BadRequest,
            "messages: at least one message is required",
        );
    }
    if let ModelBehavior::Fault(fault) = behavior
        && let Some(reason) = fault.unsupported_reason(dialect, incoming.is_streaming)
    {
        return error_response(server, FailureClass::BadRequest, &reason);
    }
    let nth = match behavior {
        ModelBehavior::Flaky(_) => {
            shared.next_request_index(format!("{}\n{}", incoming.model, incoming.request.last_user_text()))
        }
        _ => 0,
    };
    let state = |turn: usize| server.wrap_reasoning_state(&format!("simulated-thoughts-{turn}"));
    let context = DialectContext { dialect_name: dialect.as_str(), reasoning_state: &state };
    let answer = simulate_response(
        &shared.settings,
        &incoming.model,
        behavior,
        &incoming.request,
        nth,
        step,
        &context,
    );
    sleep_unless_zero(answer.time_to_first_token).await;
    let nth = shared.hits.load(Ordering::Relaxed);
    let identity = response_identity(nth, &incoming.model);
    let headers = server.encode_headers(&response_metadata(nth));
    match &answer.outcome {
        SimulatedOutcome::Error(class) => error_response(server, *class, error_message(*class)),
        SimulatedOutcome::InvalidRequest(reason) => error_response(server, FailureClass::BadRequest, reason),
        SimulatedOutcome::Fault(SimulatedFault::Empty) => json_response(200, &headers, Vec::new()),
        SimulatedOutcome::Complete | SimulatedOutcome::UnexpectedFields | SimulatedOutcome::Fault(_)
            if incoming.is_streaming =>
        {
            let frames = encode_stream(dialect, &identity, &answer);
            let body =
                stream_over_time(frames, answer.streaming_time, ConnectionEnd::from_outcome(&answer.outcome));
            build_response(200, server.stream_content_type(), &headers, Body::from_stream(body))
        }
        SimulatedOutcome::Complete => {
            sleep_unless_zero(answer.streaming_time).await;
            json_response(
                200,
                &headers,
                server.encode_response(&answer.response, &identity, Some(SIMULATED_TIMING)),
            )
        }
        SimulatedOutcome::UnexpectedFields => json_response(
            200,
            &headers,
            inject_unexpected_fields(&server.encode_response(
                &answer.response,
                &identity,
                Some(SIMULATED_TIMING),
            )),
        ),
        SimulatedOutcome::Fault(fault) => respond_with_faulty_body(*fault, dialect, &answer, &identity).await,
    }
}

impl SimulatorState {
    /// How many requests with this key came before.
    fn next_request_index(&self, key: String) -> u64 {
        let mut counts = self.request_counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = counts.entry(key).or_default();
        *count += 1;
        *count - 1
    }
}

fn error_message(class: FailureClass) -> &'static str {
    match class {
        FailureClass::RateLimited => "Rate limit reached (simulated)",
        FailureClass::QuotaExhausted => "Insufficient credit balance (simulated)",
        FailureClass::Auth => "Invalid API key (simulated)",
        FailureClass::ModelUnavailable => "The model was retired and does not exist (simulated)",
        FailureClass::ContextOverflow => "The prompt is too long for the maximum context length (simulated)",
        FailureClass::Unreachable => "The service is down (simulated)",
        _ => "Overloaded (simulated)",
    }
}

async fn respond_with_faulty_body(
    fault: SimulatedFault,
    dialect: Dialect,
    answer: &SimulatedResponse,
    identity: &ResponseIdentity,
) -> HttpResponse<Body> {
    let body = encode_faulty_body(fault, dialect, answer, identity);
    let ending = match fault {
        SimulatedFault::Stall => std::future::pending().await,
        SimulatedFault::Cut => ConnectionEnd::Reset,
        _ => ConnectionEnd::Closed,
    };
    build_response(
        200,
        "application/json",
        &[],
        Body::from_stream(stream_over_time(vec![body], Duration::ZERO, ending)),
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionEnd {
    Closed,
    Reset,
    Stalled,
}

impl ConnectionEnd {
    fn from_outcome(outcome: &SimulatedOutcome) -> Self {
        match outcome {
            SimulatedOutcome::Fault(SimulatedFault::Stall) => Self::Stalled,
            SimulatedOutcome::Fault(SimulatedFault::Cut) => Self::Reset,
            _ => Self::Closed,
        }
    }
}

/// Skips the timer for zero, because it waits at least one millisecond.
async fn sleep_unless_zero(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Sends the frames spread evenly over `duration`; if it is zero, as one chunk.
fn stream_over_time(
    frames: Vec<Vec<u8>>,
    duration: Duration,
    ending: ConnectionEnd,
) -> impl Stream<Item = io::Result<Bytes>> {
    let pieces = if duration.is_zero() { vec![frames.concat()] } else { frames };
    let pause = duration / u32::try_from(pieces.len().max(1)).unwrap_or(u32::MAX);
    let sent = stream::iter(pieces).then(move |piece| async move {
        self::sleep_unless_zero(pause).await;
        Ok(Bytes::from(piece))
    });
    let last = match ending {
        ConnectionEnd::Closed => stream::empty().boxed(),
        ConnectionEnd::Stalled => stream::pending().boxed(),
        // The pause lets the sent bytes arrive before the connection is reset.
        ConnectionEnd::Reset => stream::once(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Err(io::Error::other("cut on purpose"))
        })
        .boxed(),
    };
    sent.chain(last)
}

fn error_response(server: &dyn ServerCodec, class: FailureClass, message: &str) -> HttpResponse<Body> {
    let failure = ServerFailure { class, message, metadata: &failure_metadata(class) };
    let ServerErrorResponse { status, headers, body } = server.encode_failure(&failure);
    json_response(status, &headers, body)
}

fn json_response(status: u16, headers: &[(&'static str, String)], body: Vec<u8>) -> HttpResponse<Body> {
    build_response(status, "application/json", headers, Body::from(body))
}

fn build_response(
    status: u16,
    kind: &'static str,
    headers: &[(&'static str, String)],
    body: Body,
) -> HttpResponse<Body> {
    let mut builder = HttpResponse::builder().status(status).header(header::CONTENT_TYPE, kind);
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    // The dialects' headers are always valid; an empty response would expose a mistake at once.
    builder.body(body).unwrap_or_default()
}

fn percent_decode(path: &str) -> String {
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
