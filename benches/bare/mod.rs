//! A client that only sends and reads, for the figures that stand beside ours: the same bytes, over the same library.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use slalom::provider::{Http, Incoming, Method, Outgoing, SendError, Transport};

/// Keeps what is sent, so that a bare client can send the same.
pub(crate) struct Kept {
    inner: Http,
    kept: Mutex<Option<Outgoing>>,
}

impl Kept {
    pub(crate) fn new() -> Self {
        Self { inner: Http::new(Duration::from_secs(5)), kept: Mutex::new(None) }
    }

    /// What was sent last.
    pub(crate) fn taken(&self) -> Outgoing {
        self.kept.lock().unwrap().take().unwrap()
    }
}

impl Transport for Kept {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Incoming, SendError>> {
        *self.kept.lock().unwrap() = Some(outgoing.clone());
        self.inner.send(outgoing)
    }
}

/// The client.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .build()
        .unwrap()
}

/// Sends this, and reads the answer to its end.
pub(crate) async fn send(client: &reqwest::Client, outgoing: Outgoing) -> Duration {
    let start = Instant::now();
    assert_eq!(outgoing.method, Method::Post);
    let mut request = client.post(outgoing.url).body(outgoing.body);
    for (name, value) in outgoing.headers {
        request = request.header(name, value);
    }
    let mut body = request.send().await.unwrap().bytes_stream();
    let mut length = 0;
    while let Some(piece) = body.next().await {
        length += piece.unwrap().len();
    }
    assert!(length > 0);
    start.elapsed()
}
