//! The transport over HTTP.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::transport::{Incoming, Method, Outgoing, SendError, Transport};
use crate::dialect::Headers;

/// A connection that is not used is kept for so long: longer than a first token is usually waited for, so that one that
/// was opened meanwhile is still there when it is needed.
const IDLE: Duration = Duration::from_secs(300);

/// No host is warmed more often: hosts keep idle connections for about that long.
const WARM: Duration = Duration::from_secs(60);

/// One client for all providers, and one for those on loopback, each built at the first call that needs it: building it is
/// dear next to starting up.
pub struct Http {
    connect_timeout: Duration,
    /// For loopback, which is never proxied.
    direct: OnceLock<Result<reqwest::Client, String>>,
    proxied: OnceLock<Result<reqwest::Client, String>>,
    /// When which origin was warmed last.
    warmed: Mutex<HashMap<String, Instant>>,
}

impl Http {
    /// A transport whose connections must stand within that time.
    pub fn new(connect_timeout: Duration) -> Self {
        Self { connect_timeout, direct: OnceLock::new(), proxied: OnceLock::new(), warmed: Mutex::default() }
    }

    /// The client for a URL.
    fn client(&self, url: &reqwest::Url) -> Result<&reqwest::Client, SendError> {
        let built = |builder: reqwest::ClientBuilder| builder.build().map_err(|e| causes(&e));
        let client = if super::is_loopback(url) {
            self.direct.get_or_init(|| built(builder(self.connect_timeout).no_proxy()))
        } else {
            self.proxied.get_or_init(|| built(builder(self.connect_timeout)))
        };
        client.as_ref().map_err(|why| SendError::Unreachable(why.clone()))
    }

    /// Whether an origin was not warmed of late; if so, it counts as warmed from now on.
    fn is_cold(&self, origin: String) -> bool {
        let mut warmed = self.warmed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let cold = warmed.get(&origin).is_none_or(|last| now - *last >= WARM);
        if cold {
            warmed.insert(origin, now);
        }
        cold
    }
}

pub(super) fn builder(connect_timeout: Duration) -> reqwest::ClientBuilder {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = reqwest::Client::builder()
        // A redirected POST would carry the key to another host.
        .redirect(reqwest::redirect::Policy::none())
        // Attempts are counted by `route`, so the client must not make its own.
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .user_agent(concat!("slalom/", env!("CARGO_PKG_VERSION")));
    match rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
        Ok(config) => {
            let mut config = config.with_root_certificates(roots).with_no_client_auth();
            // A configuration of one's own offers no protocol unless told to.
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            builder.tls_backend_preconfigured(config)
        }
        Err(_) => builder,
    }
}

impl Transport for Http {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Incoming, SendError>> {
        async move {
            let url =
                reqwest::Url::parse(&outgoing.url).map_err(|e| SendError::Unreachable(e.to_string()))?;
            let client = self.client(&url)?;
            let mut request = match outgoing.method {
                Method::Post => client.post(url).body(outgoing.body),
                Method::Get => client.get(url),
            };
            for (name, value) in outgoing.headers {
                request = request.header(name, value);
            }
            let reply = request.send().await.map_err(|e| of_error(&e))?;
            let status = reply.status().as_u16();
            let text =
                |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers: Headers =
                reply.headers().iter().map(|(name, value)| (name.as_str(), text(value))).collect();
            let body = reply.bytes_stream().map(|piece| piece.map_err(|e| causes(&e))).boxed();
            Ok(Incoming { status, headers, body })
        }
        .boxed()
    }

    /// The client has no way to open a connection alone. A `HEAD` of the host's root is what comes next to it: it holds
    /// nothing, and its answer has no body that would have to be read before the connection is free again.
    fn warm<'a>(&'a self, base_url: &'a str) -> BoxFuture<'a, ()> {
        async move {
            let Ok(mut url) = reqwest::Url::parse(base_url) else { return };
            url.set_path("/");
            url.set_query(None);
            let Ok(client) = self.client(&url) else { return };
            if self.is_cold(url.origin().ascii_serialization()) {
                // A host that is down will say so to the request that matters.
                let _ = client.head(url).timeout(self.connect_timeout).send().await;
            }
        }
        .boxed()
    }
}

fn of_error(error: &reqwest::Error) -> SendError {
    if error.is_timeout() && error.is_connect() {
        return SendError::ConnectTimeout;
    }
    SendError::Unreachable(causes(error))
}

/// The innermost causes in words. The outermost one would repeat the URL, which may hold what is not for a log.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        cause = error.source();
    }
    match words.as_slice() {
        [] => "the connection failed".to_owned(),
        words => words[words.len().saturating_sub(2)..].join(": "),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};

    use bytes::Bytes;

    use super::*;

    /// A host of HTTP/1.1 that keeps connections, and writes down each with the requests that came over it.
    struct Host {
        url: String,
        seen: Arc<Mutex<Vec<Vec<String>>>>,
    }

    impl Host {
        /// Serves two connections at most. While it does, a paused clock stands still: it passes by itself only where
        /// nothing blocks.
        fn start(status: &'static str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/v1", listener.local_addr().unwrap());
            let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
            let shared = Arc::clone(&seen);
            tokio::task::spawn_blocking(move || {
                for (n, stream) in listener.incoming().take(2).enumerate() {
                    shared.lock().unwrap().push(Vec::new());
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || serve(stream.unwrap(), status, &shared, n));
                }
            });
            Self { url, seen }
        }

        fn seen(&self) -> Vec<Vec<String>> {
            self.seen.lock().unwrap().clone()
        }
    }

    impl Drop for Host {
        /// Ends the serving, which a runtime would wait for.
        fn drop(&mut self) {
            let address = self.url.trim_start_matches("http://").trim_end_matches("/v1");
            for _ in 0..2 {
                drop(TcpStream::connect(address));
            }
        }
    }

    fn serve(mut stream: TcpStream, status: &str, seen: &Mutex<Vec<Vec<String>>>, n: usize) {
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

    fn outgoing(url: &str) -> Outgoing {
        Outgoing {
            model: None,
            method: Method::Post,
            url: format!("{url}/chat"),
            headers: vec![("authorization".into(), "Bearer planted".into())],
            body: Bytes::from_static(b"{}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_takes_the_connection_that_was_warmed() {
        for status in ["404 Not Found", "302 Found"] {
            let (host, http) = (Host::start(status), Http::new(Duration::from_secs(5)));
            http.warm(&host.url).await;
            http.warm(&host.url).await;
            // As long as a first token may be waited for elsewhere.
            tokio::time::advance(Duration::from_secs(290)).await;
            let reply = http.send(outgoing(&host.url)).await.unwrap();
            assert_eq!(reply.status.to_string(), status[..3]);
            let seen = host.seen();
            assert_eq!(seen.len(), 1, "one connection: {seen:?}");
            let [warm, asked] = &seen[0][..] else { panic!("a host is warmed once: {seen:?}") };
            assert!(
                warm.starts_with("HEAD / HTTP/1.1\r\n") && asked.starts_with("POST /v1/chat "),
                "{seen:?}"
            );
            assert!(!warm.contains("planted") && !warm.to_lowercase().contains("authorization"), "{warm}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_warmed_long_ago_is_warmed_again() {
        let (host, http) = (Host::start("200 OK"), Http::new(Duration::from_secs(5)));
        http.warm(&host.url).await;
        tokio::time::advance(WARM).await;
        http.warm(&host.url).await;
        assert_eq!(host.seen().iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    }

    #[tokio::test]
    async fn a_host_that_is_down_disturbs_nobody() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let http = Http::new(Duration::from_secs(5));
        http.warm(&format!("http://{}/v1", socket.local_addr().unwrap())).await;
        http.warm("no url").await;
    }
}
