//! Small requests for credentials: to a metadata address, which is never proxied, or to a token host.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Method, Url};

use super::refused;
use crate::chat::{Failure, FailureClass, Phase, clean_message};
use crate::provider::body::{Unread, read_whole};
use crate::provider::http::{builder, causes};
use crate::provider::is_loopback;

/// A metadata address answers at once or is not there.
const CONNECT: Duration = Duration::from_secs(2);

/// Until the whole answer.
const WHOLE: Duration = Duration::from_secs(10);

/// An answer may be this long, in bytes.
const MOST: usize = 256 << 10;

/// Sends the requests.
#[derive(Debug, Default)]
pub(super) struct Fetch(OnceLock<Result<[reqwest::Client; 2], String>>);

impl Fetch {
    /// The body of a 200. Nothing that was sent or received is in a failure's words, but the status and the host.
    pub(super) async fn text(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<String, Failure> {
        let url = Url::parse(url).map_err(|_| refused("the address for credentials is no URL"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreachable = |why: String| {
            let message = format!("no credentials from {host}: {why}");
            Failure::new(FailureClass::Unreachable, Phase::Connect, message)
        };
        let mut request = self.client(&url).map_err(&unreachable)?.request(method, url).timeout(WHOLE);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                let message = format!("no credentials from {host} in time");
                return Failure::new(FailureClass::Timeout, Phase::Connect, message);
            }
            unreachable(causes(&error))
        };
        let reply = request.body(body).send().await.map_err(failed)?;
        let status = reply.status();
        let mut pieces = reply.bytes_stream();
        let mut bytes = Vec::new();
        read_whole(&mut pieces, &mut bytes, MOST).await.map_err(|why| match why {
            Unread::Broke(error) => failed(error),
            Unread::TooLong => refused(format!("{host} sent more than credentials are long")),
        })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        let message = format!("no credentials from {host}: it answered {}{}", status.as_u16(), why(&text));
        let class = match status.as_u16() {
            429 | 500.. => FailureClass::ServerError,
            _ => FailureClass::Auth,
        };
        Err(Failure::new(class, Phase::Connect, message))
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let clients = self.0.get_or_init(|| {
            let direct = builder(CONNECT).no_proxy().build().map_err(|error| causes(&error))?;
            let proxied = builder(CONNECT.max(WHOLE / 2)).build().map_err(|error| causes(&error))?;
            Ok([direct, proxied])
        });
        let [direct, proxied] = clients.as_ref().map_err(Clone::clone)?;
        // Metadata addresses speak plain HTTP; what they say is not for a proxy.
        Ok(if url.scheme() == "http" || is_loopback(url) { direct } else { proxied })
    }
}

/// The error's name and words, as OAuth hosts put them.
fn why(body: &str) -> String {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else { return String::new() };
    let words: Vec<&str> =
        ["error", "error_description", "message"].iter().filter_map(|name| body[name].as_str()).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", clean_message(&words.join(": "))) }
}
