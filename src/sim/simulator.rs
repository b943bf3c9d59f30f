//! A running simulator: answers each request of the HTTP server in the request's dialect.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::embeddings::simulate_embeddings;
use super::fault_injection::{encode_faulty_body, encode_stream, inject_unexpected_fields};
use super::model_behavior::ModelBehavior;
use super::model_list::encode_model_list;
use super::paced_stream::{ConnectionEnd, sleep_unless_zero, stream_over_time};
use super::simulated_metadata::{SIMULATED_TIMING, failure_metadata, response_identity, response_metadata};
use super::simulated_response::{DialectContext, SimulatedOutcome, SimulatedResponse, simulate_response};
use super::{LISTED_MODELS, SimulatedFault, SimulatorConfig};
use crate::chat::FailureClass;
use crate::dialect::{
    Dialect, EmbeddingCodec, EndpointOperation, ResponseIdentity, ServedEndpoint, ServerCodec,
    ServerEmbeddingRequest, ServerErrorResponse, ServerFailure, ServerRequest,
};
use crate::http_server::{HttpReply, HttpRequest, HttpServer, ReplyBody, RequestHandler};

/// How long a stopping simulator finishes responses in progress.
const STOP_GRACE: Duration = Duration::from_secs(1);

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
    server: HttpServer,
    request_count: Arc<AtomicU64>,
}

struct SimulatorState {
    settings: SimulatorConfig,
    hits: Arc<AtomicU64>,
    /// Requests so far per scenario rule, and per flaky model and prompt.
    request_counts: Mutex<HashMap<String, u64>>,
}

/// What a request asked for, for the log, and the reply.
struct HandledRequest {
    target: String,
    kind: &'static str,
    reply: HttpReply,
}

impl Simulator {
    pub async fn start(settings: SimulatorConfig) -> io::Result<Self> {
        let (port, limits) = (settings.port, settings.limits);
        let hits = Arc::new(AtomicU64::new(0));
        let state = SimulatorState { settings, hits: Arc::clone(&hits), request_counts: Mutex::default() };
        let server = HttpServer::start(port, limits, Arc::new(state)).await?;
        Ok(Self { server, request_count: hits })
    }

    /// Base URL without a path.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    pub fn request_count(&self) -> u64 {
        self.request_count.load(Ordering::Relaxed)
    }

    /// Serves until the server fails or the process ends.
    pub async fn run_until_stopped(&mut self) -> io::Result<()> {
        self.server.wait().await
    }

    /// Stops accepting requests and finishes those in progress, except stalled ones.
    pub async fn stop(self) {
        self.server.stop(STOP_GRACE).await;
    }
}

impl RequestHandler for SimulatorState {
    async fn handle(&self, request: HttpRequest) -> HttpReply {
        self.hits.fetch_add(1, Ordering::Relaxed);
        let dialect = request.endpoint.map(|endpoint| endpoint.dialect);
        let HandledRequest { target, kind, reply } = match request.endpoint {
            Some(endpoint) => self.respond(endpoint, request).await,
            None => {
                let body = br#"{"error":{"message":"the simulator has no such path"}}"#.to_vec();
                let reply = HttpReply::json(404, Vec::new(), body);
                HandledRequest { target: request.path, kind: "unknown", reply }
            }
        };
        if let Some(log) = &self.settings.log {
            log(&RequestLogEntry { dialect, target, kind, status: reply.status });
        }
        reply
    }
}

impl SimulatorState {
    async fn respond(&self, endpoint: ServedEndpoint, request: HttpRequest) -> HandledRequest {
        let (dialect, path) = (endpoint.dialect, request.path);
        match endpoint.operation {
            EndpointOperation::ModelList(list) => {
                let body = encode_model_list(&list).to_string().into_bytes();
                HandledRequest { target: path, kind: "list", reply: HttpReply::json(200, Vec::new(), body) }
            }
            EndpointOperation::Embeddings => {
                let decoded = dialect
                    .embedding_codec()
                    .and_then(|codec| Some((codec, codec.decode_request(&path, &request.body)?)));
                match decoded {
                    Some((codec, incoming)) => {
                        let reply = self.respond_with_embeddings(dialect, codec, &incoming);
                        HandledRequest { target: incoming.model, kind: "vectors", reply }
                    }
                    None => reject_unreadable(dialect, path, "not a request for embeddings"),
                }
            }
            EndpointOperation::Chat => match dialect.server_codec().decode_request(&path, &request.body) {
                Ok(incoming) => {
                    let reply = respond_to_chat(self, dialect, &incoming).await;
                    let kind = if incoming.is_streaming { "stream" } else { "whole" };
                    HandledRequest { target: incoming.model, kind, reply }
                }
                Err(why) => reject_unreadable(dialect, path, &why),
            },
        }
    }

    fn respond_with_embeddings(
        &self,
        dialect: Dialect,
        codec: &dyn EmbeddingCodec,
        incoming: &ServerEmbeddingRequest,
    ) -> HttpReply {
        let server = dialect.server_codec();
        match ModelBehavior::from_model_name(&incoming.model) {
            None => error_response(server, FailureClass::ModelUnavailable, "unknown simulator model"),
            Some(ModelBehavior::Error(class)) => error_response(server, class, error_message(class)),
            Some(_) => {
                let embeddings = simulate_embeddings(&incoming.texts, self.settings.seed);
                let identity = response_identity(self.hits.load(Ordering::Relaxed), &incoming.model);
                HttpReply::json(200, Vec::new(), codec.encode_response(&identity, &embeddings))
            }
        }
    }

    /// How many requests with this key came before.
    fn next_request_index(&self, key: String) -> u64 {
        let mut counts = self.request_counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = counts.entry(key).or_insert(0);
        *count += 1;
        *count - 1
    }
}

fn reject_unreadable(dialect: Dialect, path: String, why: &str) -> HandledRequest {
    let message = format!("the simulator cannot parse the request: {why}");
    let reply = error_response(dialect.server_codec(), FailureClass::BadRequest, &message);
    HandledRequest { target: path, kind: "unreadable", reply }
}

async fn respond_to_chat(shared: &SimulatorState, dialect: Dialect, incoming: &ServerRequest) -> HttpReply {
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
        SimulatedOutcome::Fault(SimulatedFault::Empty) => HttpReply::json(200, headers, Vec::new()),
        SimulatedOutcome::Complete | SimulatedOutcome::UnexpectedFields | SimulatedOutcome::Fault(_)
            if incoming.is_streaming =>
        {
            let frames = encode_stream(dialect, &identity, &answer);
            let ending = connection_end(&answer.outcome);
            let body = ReplyBody::Stream(stream_over_time(frames, answer.streaming_time, ending));
            HttpReply { status: 200, content_type: dialect.stream.framing.content_type(), headers, body }
        }
        SimulatedOutcome::Complete => {
            sleep_unless_zero(answer.streaming_time).await;
            HttpReply::json(
                200,
                headers,
                server.encode_response(&answer.response, &identity, Some(SIMULATED_TIMING)),
            )
        }
        SimulatedOutcome::UnexpectedFields => HttpReply::json(
            200,
            headers,
            inject_unexpected_fields(&server.encode_response(
                &answer.response,
                &identity,
                Some(SIMULATED_TIMING),
            )),
        ),
        SimulatedOutcome::Fault(fault) => respond_with_faulty_body(*fault, dialect, &answer, &identity).await,
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
) -> HttpReply {
    let body = encode_faulty_body(fault, dialect, answer, identity);
    let ending = match fault {
        SimulatedFault::Stall => std::future::pending().await,
        SimulatedFault::Cut => ConnectionEnd::Reset,
        _ => ConnectionEnd::Closed,
    };
    let body = ReplyBody::Stream(stream_over_time(vec![body], Duration::ZERO, ending));
    HttpReply { status: 200, content_type: "application/json", headers: Vec::new(), body }
}

fn connection_end(outcome: &SimulatedOutcome) -> ConnectionEnd {
    match outcome {
        SimulatedOutcome::Fault(SimulatedFault::Stall) => ConnectionEnd::Stalled,
        SimulatedOutcome::Fault(SimulatedFault::Cut) => ConnectionEnd::Reset,
        _ => ConnectionEnd::Closed,
    }
}

fn error_response(server: &dyn ServerCodec, class: FailureClass, message: &str) -> HttpReply {
    let metadata = failure_metadata(class);
    let ServerErrorResponse { status, headers, body } =
        server.encode_failure(&ServerFailure::new(class, message, &metadata));
    HttpReply::json(status, headers, body)
}
