//! The server itself: starts, applies the limits, hands requests to the handler, and stops.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::limited_listener::{ConnectionPhase, LimitedListener, ServingGuard};
use super::request_body::{RequestBodyError, read_body};
use super::{HttpReply, HttpRequest, ReplyBody, RequestHandler, ServerLimits};
use crate::chat::FailureClass;
use crate::dialect::{
    EndpointRequest, ResponseMetadata, ServedEndpoint, ServerFailure, WireHeaders, find_endpoint,
};

/// A running server on 127.0.0.1. Dropping it closes the port.
pub(crate) struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

struct FrontEnd<H> {
    handler: Arc<H>,
    limits: ServerLimits,
}

impl HttpServer {
    /// Starts a server. Port 0 picks a free port.
    pub(crate) async fn start<H: RequestHandler>(
        port: u16,
        limits: ServerLimits,
        handler: Arc<H>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let app = Router::new()
            .fallback(serve_request::<H>)
            .with_state(Arc::new(FrontEnd { handler, limits }))
            .into_make_service_with_connect_info::<ConnectionPhase>();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(LimitedListener::new(listener, limits), app).with_graceful_shutdown(async {
            // Dropping the sender stops the server too.
            let _ = stopped.await;
        });
        Ok(Self { address, stop: Some(stop), task: tokio::spawn(server.into_future()) })
    }

    /// Base URL without a path.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the server fails.
    pub(crate) async fn wait(&mut self) -> io::Result<()> {
        (&mut self.task).await.map_err(io::Error::other)?
    }

    /// Accepts no more requests and waits until those in progress are answered, but at most for `grace`.
    pub(crate) async fn stop(mut self, grace: Duration) {
        drop(self.stop.take());
        let _ = timeout(grace, self.wait()).await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve_request<H: RequestHandler>(
    State(front_end): State<Arc<FrontEnd<H>>>,
    ConnectInfo(phase): ConnectInfo<ConnectionPhase>,
    request: Request,
) -> Response<Body> {
    let serving = phase.start_serving();
    let reply = match receive_request(request, &front_end.limits).await {
        Ok(request) => front_end.handler.handle(request).await,
        Err(rejection) => rejection,
    };
    build_response(reply, serving)
}

/// Reads a request, or builds the reply that rejects it.
async fn receive_request(request: Request, limits: &ServerLimits) -> Result<HttpRequest, HttpReply> {
    let (head, body) = request.into_parts();
    let path = percent_decode(head.uri.path());
    let headers = wire_headers(&head.headers);
    let endpoint = find_endpoint(&EndpointRequest {
        is_get: head.method == Method::GET,
        path: &path,
        query: head.uri.query(),
        headers: &headers,
    });
    if head_bytes(&head.method, &head.uri, &head.headers) > limits.max_head_bytes {
        let message = format!("the request headers are larger than {} bytes", limits.max_head_bytes);
        return Err(reject(endpoint, 431, &message));
    }
    let announced = headers.get("content-length").and_then(|length| length.parse().ok());
    let body = read_body(body, announced, limits).await.map_err(|error| match error {
        RequestBodyError::TooLarge => {
            let message = format!("the request body is larger than {} bytes", limits.max_body_bytes);
            reject(endpoint, 413, &message)
        }
        RequestBodyError::TimedOut => reject(endpoint, 408, "the request body did not arrive in time"),
        RequestBodyError::Broken => reject(endpoint, 400, "the request body is incomplete"),
    })?;
    Ok(HttpRequest { endpoint, path, body })
}

/// The dialect's error with this status, or a plain one if the dialect is unknown.
fn reject(endpoint: Option<ServedEndpoint>, status: u16, message: &str) -> HttpReply {
    let Some(endpoint) = endpoint else {
        let body = serde_json::json!({"error": {"message": message}});
        return HttpReply::json(status, Vec::new(), body.to_string().into_bytes());
    };
    let metadata = ResponseMetadata::default();
    let failure = ServerFailure {
        status: Some(status),
        ..ServerFailure::new(FailureClass::BadRequest, message, &metadata)
    };
    let error = endpoint.dialect.server_codec().encode_failure(&failure);
    HttpReply::json(error.status, error.headers, error.body)
}

/// The size of the request line and the headers as sent, without separators of the request line.
fn head_bytes(method: &Method, uri: &Uri, headers: &HeaderMap) -> usize {
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    method.as_str().len() + target + fields.sum::<usize>()
}

/// Headers that are not valid UTF-8 carry nothing that a dialect reads, so they are left out.
fn wire_headers(headers: &HeaderMap) -> WireHeaders {
    headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect()
}

/// `serving` ends with a streamed body, or at once for a complete one, which is sent without waiting.
fn build_response(reply: HttpReply, serving: ServingGuard) -> Response<Body> {
    let body = match reply.body {
        ReplyBody::Complete(body) => Body::from(body),
        ReplyBody::Stream(pieces) => Body::from_stream(pieces.map(move |piece| {
            let _ = &serving;
            piece
        })),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    for (name, value) in reply.headers {
        // A value that no header can carry must not cost the client the whole response.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
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
