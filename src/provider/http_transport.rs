//! The HTTP transport.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::transport::{HttpMethod, IncomingResponse, OutgoingRequest, SendError, Transport};
use crate::dialect::WireHeaders;

/// Longer than the usual time to first token, so that a preconnected connection is still open when it is
/// needed.
const CONNECTION_IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Minimum interval between preconnects to an origin. Hosts keep idle connections open for about this long.
const PRECONNECT_INTERVAL: Duration = Duration::from_secs(60);

/// One client for loopback and one for all other hosts. Each is built on first use, because building one is
/// slow compared with startup.
pub struct HttpTransport {
    connect_timeout: Duration,
    /// For loopback, which never uses a proxy.
    direct_client: OnceLock<Result<reqwest::Client, String>>,
    proxied_client: OnceLock<Result<reqwest::Client, String>>,
    /// When each origin was last preconnected to.
    preconnected_at: Mutex<HashMap<String, Instant>>,
}

impl HttpTransport {
    pub fn new(connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            direct_client: OnceLock::new(),
            proxied_client: OnceLock::new(),
            preconnected_at: Mutex::default(),
        }
    }

    fn client(&self, url: &reqwest::Url) -> Result<&reqwest::Client, SendError> {
        let build = |builder: reqwest::ClientBuilder| builder.build().map_err(|e| describe_causes(&e));
        let client = if super::is_loopback(url) {
            self.direct_client.get_or_init(|| build(client_builder(self.connect_timeout).no_proxy()))
        } else {
            self.proxied_client.get_or_init(|| build(client_builder(self.connect_timeout)))
        };
        client.as_ref().map_err(|why| SendError::Unreachable(why.clone()))
    }

    /// Whether the origin is due for a preconnect; if so, records that it happens now.
    fn claim_preconnect(&self, origin: String) -> bool {
        let mut preconnected = self.preconnected_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = preconnected.get(&origin).is_none_or(|last| now - *last >= PRECONNECT_INTERVAL);
        if is_due {
            preconnected.insert(origin, now);
        }
        is_due
    }
}

pub(super) fn client_builder(connect_timeout: Duration) -> reqwest::ClientBuilder {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = reqwest::Client::builder()
        // A redirected POST would carry the key to another host.
        .redirect(reqwest::redirect::Policy::none())
        // `route` counts the attempts, so the client must not retry.
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(CONNECTION_IDLE_TIMEOUT)
        .tcp_nodelay(true)
        .user_agent(concat!("slalom/", env!("CARGO_PKG_VERSION")));
    match rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
        Ok(config) => {
            let mut config = config.with_root_certificates(roots).with_no_client_auth();
            // A preconfigured TLS backend offers no ALPN protocols by default.
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            builder.tls_backend_preconfigured(config)
        }
        Err(_) => builder,
    }
}

impl Transport for HttpTransport {
    fn send(&self, outgoing: OutgoingRequest) -> BoxFuture<'_, Result<IncomingResponse, SendError>> {
        async move {
            let url =
                reqwest::Url::parse(&outgoing.url).map_err(|e| SendError::Unreachable(e.to_string()))?;
            let client = self.client(&url)?;
            let mut request = match outgoing.method {
                HttpMethod::Post => client.post(url).body(outgoing.body),
                HttpMethod::Get => client.get(url),
            };
            for (name, value) in outgoing.headers {
                request = request.header(name, value);
            }
            let reply = request.send().await.map_err(|e| to_send_error(&e))?;
            let status = reply.status().as_u16();
            let text =
                |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers: WireHeaders =
                reply.headers().iter().map(|(name, value)| (name.as_str(), text(value))).collect();
            let body = reply.bytes_stream().map(|piece| piece.map_err(|e| describe_causes(&e))).boxed();
            Ok(IncomingResponse { status, headers, body })
        }
        .boxed()
    }

    /// reqwest cannot open a connection without a request. A `HEAD` of the root comes closest: it carries no
    /// data, and the connection is free again after its headers.
    fn preconnect<'a>(&'a self, base_url: &'a str) -> BoxFuture<'a, ()> {
        async move {
            let Ok(mut url) = reqwest::Url::parse(base_url) else { return };
            url.set_path("/");
            url.set_query(None);
            let Ok(client) = self.client(&url) else { return };
            if self.claim_preconnect(url.origin().ascii_serialization()) {
                // If the host is down, the actual request reports it.
                let _ = client.head(url).timeout(self.connect_timeout).send().await;
            }
        }
        .boxed()
    }
}

fn to_send_error(error: &reqwest::Error) -> SendError {
    if error.is_timeout() && error.is_connect() {
        return SendError::ConnectTimeout;
    }
    SendError::Unreachable(describe_causes(error))
}

/// The two innermost causes of an error. The error's own message would repeat the URL, which may contain
/// secrets.
pub(super) fn describe_causes(error: &reqwest::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        cause = error.source();
    }
    match causes.as_slice() {
        [] => "connection failed".to_owned(),
        causes => causes[causes.len().saturating_sub(2)..].join(": "),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};

    use bytes::Bytes;

    use super::*;

    /// An HTTP/1.1 host that keeps connections open and records the requests of each.
    struct RecordingHost {
        url: String,
        connections: Arc<Mutex<Vec<Vec<String>>>>,
    }

    impl RecordingHost {
        /// Accepts at most two connections. The blocking thread stops a paused clock from advancing by
        /// itself.
        fn start(status: &'static str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/v1", listener.local_addr().unwrap());
            let connections: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
            let shared = Arc::clone(&connections);
            tokio::task::spawn_blocking(move || {
                for (n, stream) in listener.incoming().take(2).enumerate() {
                    shared.lock().unwrap().push(Vec::new());
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || serve_connection(stream.unwrap(), status, &shared, n));
                }
            });
            Self { url, connections }
        }

        fn connections(&self) -> Vec<Vec<String>> {
            self.connections.lock().unwrap().clone()
        }
    }

    impl Drop for RecordingHost {
        /// Unblocks the accept loop, which the runtime waits for.
        fn drop(&mut self) {
            let address = self.url.trim_start_matches("http://").trim_end_matches("/v1");
            for _ in 0..2 {
                drop(TcpStream::connect(address));
            }
        }
    }

    fn serve_connection(mut stream: TcpStream, status: &str, seen: &Mutex<Vec<Vec<String>>>, n: usize) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            seen.lock().unwrap()[n].push(head);
            let reply = format!("HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(reply.as_bytes()).unwrap();
        }
    }

    fn outgoing(url: &str) -> OutgoingRequest {
        OutgoingRequest {
            model: None,
            method: HttpMethod::Post,
            url: format!("{url}/chat"),
            headers: vec![("authorization".into(), "Bearer planted".into())],
            body: Bytes::from_static(b"{}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn request_reuses_preconnected_connection() {
        for status in ["404 Not Found", "302 Found"] {
            let (host, http) = (RecordingHost::start(status), HttpTransport::new(Duration::from_secs(5)));
            http.preconnect(&host.url).await;
            http.preconnect(&host.url).await;
            // A long but realistic time to first token.
            tokio::time::advance(Duration::from_secs(290)).await;
            let reply = http.send(outgoing(&host.url)).await.unwrap();
            assert_eq!(reply.status.to_string(), status[..3]);
            let seen = host.connections();
            assert_eq!(seen.len(), 1, "one connection: {seen:?}");
            let [head, post] = &seen[0][..] else { panic!("expected one preconnect: {seen:?}") };
            assert!(
                head.starts_with("HEAD / HTTP/1.1\r\n") && post.starts_with("POST /v1/chat "),
                "{seen:?}"
            );
            assert!(!head.contains("planted") && !head.to_lowercase().contains("authorization"), "{head}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn expired_preconnect_is_repeated() {
        let (host, http) = (RecordingHost::start("200 OK"), HttpTransport::new(Duration::from_secs(5)));
        http.preconnect(&host.url).await;
        tokio::time::advance(PRECONNECT_INTERVAL).await;
        http.preconnect(&host.url).await;
        assert_eq!(host.connections().iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    }

    #[tokio::test]
    async fn preconnect_to_unreachable_host_is_ignored() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let http = HttpTransport::new(Duration::from_secs(5));
        http.preconnect(&format!("http://{}/v1", socket.local_addr().unwrap())).await;
        http.preconnect("no url").await;
    }
}
