//! The transport over HTTP.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use super::transport::{Incoming, Method, Outgoing, SendError, Transport};
use crate::dialect::Headers;

/// One client for all providers, built at the first call: building it is dear next to starting up.
pub struct Http {
    connect_timeout: Duration,
    client: OnceLock<Result<[reqwest::Client; 2], String>>,
}

impl Http {
    /// A transport whose connections must stand within that time.
    pub fn new(connect_timeout: Duration) -> Self {
        Self { connect_timeout, client: OnceLock::new() }
    }

    /// The client for a URL: loopback is never proxied.
    fn client(&self, url: &reqwest::Url) -> Result<&reqwest::Client, SendError> {
        let clients = self.client.get_or_init(|| {
            let direct = builder(self.connect_timeout).no_proxy().build();
            let proxied = builder(self.connect_timeout).build();
            Ok([direct.map_err(|e| causes(&e))?, proxied.map_err(|e| causes(&e))?])
        });
        let [direct, proxied] = clients.as_ref().map_err(|why| SendError::Unreachable(why.clone()))?;
        Ok(if super::is_loopback(url) { direct } else { proxied })
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
