//! Small HTTP requests for credentials: to a metadata address, without a proxy, or to a token endpoint.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Method, Url};

use super::auth_failure::auth_failure;
use crate::chat::{Failure, FailureClass, FailurePhase, sanitize_message};
use crate::provider::http_transport::{client_builder, describe_causes};
use crate::provider::is_loopback;
use crate::provider::limited_body::{BodyError, read_up_to};

/// A metadata address answers immediately or does not exist.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout for the complete response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

const MAX_RESPONSE_BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct CredentialClient(OnceLock<Result<[reqwest::Client; 2], String>>);

impl CredentialClient {
    /// The body of a successful response. Failures mention only the status and the host, never anything sent
    /// or received, except OAuth error fields.
    pub(super) async fn fetch_text(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<String, Failure> {
        let url = Url::parse(url).map_err(|_| auth_failure("invalid credentials URL"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreachable = |why: String| {
            let message = format!("no credentials from {host}: {why}");
            Failure::new(FailureClass::Unreachable, FailurePhase::Connect, message)
        };
        let mut request =
            self.client(&url).map_err(&unreachable)?.request(method, url).timeout(REQUEST_TIMEOUT);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                let message = format!("timed out waiting for credentials from {host}");
                return Failure::new(FailureClass::Timeout, FailurePhase::Connect, message);
            }
            unreachable(describe_causes(&error))
        };
        let reply = request.body(body).send().await.map_err(failed)?;
        let status = reply.status();
        let mut pieces = reply.bytes_stream();
        let mut bytes = Vec::new();
        read_up_to(&mut pieces, &mut bytes, MAX_RESPONSE_BYTES).await.map_err(|why| match why {
            BodyError::ConnectionLost(error) => failed(error),
            BodyError::TooLong => {
                auth_failure(format!("the response from {host} is too large for credentials"))
            }
        })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        let message =
            format!("no credentials from {host}: HTTP status {}{}", status.as_u16(), oauth_error(&text));
        let class = match status.as_u16() {
            429 | 500.. => FailureClass::ServerError,
            _ => FailureClass::Auth,
        };
        Err(Failure::new(class, FailurePhase::Connect, message))
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let clients = self.0.get_or_init(|| {
            let direct = client_builder(CONNECT_TIMEOUT)
                .no_proxy()
                .build()
                .map_err(|error| describe_causes(&error))?;
            let proxied = client_builder(CONNECT_TIMEOUT.max(REQUEST_TIMEOUT / 2))
                .build()
                .map_err(|error| describe_causes(&error))?;
            Ok([direct, proxied])
        });
        let [direct, proxied] = clients.as_ref().map_err(Clone::clone)?;
        // Metadata addresses use plain HTTP, and their credentials must not pass through a proxy.
        Ok(if url.scheme() == "http" || is_loopback(url) { direct } else { proxied })
    }
}

/// The error fields of an OAuth response.
fn oauth_error(body: &str) -> String {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else { return String::new() };
    let messages: Vec<&str> =
        ["error", "error_description", "message"].iter().filter_map(|name| body[name].as_str()).collect();
    if messages.is_empty() { String::new() } else { format!(" ({})", sanitize_message(&messages.join(": "))) }
}
