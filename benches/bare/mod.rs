//! A minimal client, the baseline for comparisons: it sends the same bytes with the same HTTP library.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use slalom::provider::{HttpMethod, HttpTransport, IncomingResponse, OutgoingRequest, SendError, Transport};

/// Records the last request, so that the bare client can send the same bytes.
pub(crate) struct RecordingTransport {
    inner: HttpTransport,
    last_request: Mutex<Option<OutgoingRequest>>,
}

impl RecordingTransport {
    pub(crate) fn new() -> Self {
        Self { inner: HttpTransport::new(Duration::from_secs(5)), last_request: Mutex::new(None) }
    }

    pub(crate) fn take_last_request(&self) -> OutgoingRequest {
        self.last_request.lock().unwrap().take().unwrap()
    }
}

impl Transport for RecordingTransport {
    fn send(&self, outgoing: OutgoingRequest) -> BoxFuture<'_, Result<IncomingResponse, SendError>> {
        *self.last_request.lock().unwrap() = Some(outgoing.clone());
        self.inner.send(outgoing)
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .build()
        .unwrap()
}

/// Sends a request, reads the whole response, and returns the elapsed time.
pub(crate) async fn time_request(client: &reqwest::Client, outgoing: OutgoingRequest) -> Duration {
    let start = Instant::now();
    assert_eq!(outgoing.method, HttpMethod::Post);
    let mut request = client.post(outgoing.url).body(outgoing.body);
    for (name, value) in outgoing.headers {
        request = request.header(name, value);
    }
    let mut body = request.send().await.unwrap().bytes_stream();
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        length += chunk.unwrap().len();
    }
    assert!(length > 0);
    start.elapsed()
}
