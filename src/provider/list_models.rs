//! Which models a provider serves, by its own word: its list endpoint, page by page.
//!
//! Lists are small, the same for everybody and the same in every version of a dialect, so this reads them without a
//! codec: whatever names its models by `id` or `name` will do.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::timeout;

use super::body::{BodyError, read_up_to};
use super::exchange::authorize;
use super::outgoing_request::{append_query, azure_base_url};
use super::transport::{HttpMethod, OutgoingRequest, SendError, Transport};
use super::{Credential, Hosting, Target};
use crate::dialect::{Dialect, WireResponse};

/// Pages that are followed: no list is longer, and one that never ends is let go.
const MAX_PAGES: usize = 20;

/// A list may be this long, in bytes.
const MAX_LIST_BYTES: usize = 32 << 20;

/// Why there is no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListModelsError {
    /// The host that answers has none.
    #[error("its runtime host offers no list; the console of the vendor has it")]
    NotOffered,
    /// Nobody answered, or not in time.
    #[error("{0}")]
    Unreachable(String),
    /// It refused.
    #[error("{0}")]
    Refused(String),
    /// It answered something else.
    #[error("the answer is no list of models: {0}")]
    Malformed(String),
}

/// Asks a provider for its models, in its order. `target` may name any model of it.
///
/// # Errors
/// When it does not say, or not within `limit`.
pub async fn list_models(
    transport: &dyn Transport,
    target: &Target,
    limit: Duration,
) -> Result<Vec<String>, ListModelsError> {
    timeout(limit, list_pages(transport, target)).await.unwrap_or_else(|_| Err(timeout_error(limit)))
}

/// Fetches a public document: no key goes with it.
///
/// # Errors
/// When there is none within `limit`.
pub async fn fetch_document(
    transport: &dyn Transport,
    url: String,
    limit: Duration,
) -> Result<Bytes, ListModelsError> {
    let outgoing = OutgoingRequest {
        model: None,
        method: HttpMethod::Get,
        url,
        headers: Vec::new(),
        body: Bytes::new(),
    };
    let got = timeout(limit, get(transport, outgoing)).await.unwrap_or_else(|_| Err(timeout_error(limit)))?;
    match got.status {
        200 => Ok(got.body),
        status => Err(ListModelsError::Refused(format!("it answers with status {status}"))),
    }
}

fn timeout_error(limit: Duration) -> ListModelsError {
    ListModelsError::Unreachable(format!("no whole answer within {} s", limit.as_secs_f64()))
}

async fn list_pages(transport: &dyn Transport, target: &Target) -> Result<Vec<String>, ListModelsError> {
    let dialect = target.dialect;
    let mut headers: Vec<(String, String)> = target.provider.headers.clone().into_iter().collect();
    let first = match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => "/models",
        Dialect::Anthropic => {
            // Without a version the vendor answers nothing; this one is what its list is known to take.
            headers.push(("anthropic-version".to_owned(), "2023-06-01".to_owned()));
            "/v1/models?limit=1000"
        }
        Dialect::Gemini => "/models?pageSize=1000",
        Dialect::Cohere => "/v1/models?page_size=1000",
        Dialect::Ollama => "/api/tags",
        Dialect::Bedrock => return Err(ListModelsError::NotOffered),
    };
    if target.provider.hosting == Hosting::Vertex {
        return Err(ListModelsError::NotOffered);
    }
    let mut url = list_url(target, first);
    let (mut models, mut seen) = (Vec::new(), std::collections::HashSet::new());
    for _ in 0..MAX_PAGES {
        let (mut got, mut secrets) = get_authorized(transport, target, url, headers.clone()).await?;
        if got.status == 404 && first == "/models" && target.provider.hosting == Hosting::Direct {
            // Where chats need no version in the path, lists may (Perplexity).
            let versioned = list_url(target, "/v1/models");
            (got, secrets) = get_authorized(transport, target, versioned, headers.clone()).await?;
        }
        if !(200..300).contains(&got.status) {
            let reply = WireResponse { status: got.status, headers: &got.headers, body: &got.body };
            let failure = target.dialect.client_codec().decode_failure(reply).to_string();
            return Err(ListModelsError::Refused(redact_secrets(failure, &secrets)));
        }
        let page: Value = serde_json::from_slice(&got.body)
            .map_err(|error| ListModelsError::Malformed(error.to_string()))?;
        let named =
            model_names(&page).ok_or_else(|| ListModelsError::Malformed("it names none".to_owned()))?;
        let named = named.into_iter().map(|name| redact_secrets(name, &secrets));
        models.extend(named.filter(|name| seen.insert(name.clone())));
        match next_page(dialect, &page) {
            Some((parameter, token)) => {
                url = list_url(target, first);
                append_query(&mut url, parameter, token);
            }
            None => break,
        }
    }
    Ok(models)
}

/// Where a list is, with what the host wants of every request.
fn list_url(target: &Target, path: &str) -> String {
    let provider = &target.provider;
    let is_azure = provider.hosting == Hosting::Azure;
    let root =
        if is_azure { azure_base_url(target.base_url(), target, path) } else { target.base_url().to_owned() };
    // The base URL may hold the version that the path begins with, where one host speaks several dialects.
    let path = if root.ends_with("/v1") { path.strip_prefix("/v1").unwrap_or(path) } else { path };
    let mut url = root + path;
    if let Some(version) = target.api_version().filter(|_| is_azure) {
        append_query(&mut url, "api-version", version);
    }
    for (name, value) in &provider.query {
        append_query(&mut url, name, value);
    }
    url
}

struct ListResponse {
    status: u16,
    headers: crate::dialect::WireHeaders,
    body: Bytes,
}

/// Gets a page with the provider's key, and says which secrets went along.
async fn get_authorized(
    transport: &dyn Transport,
    target: &Target,
    url: String,
    headers: Vec<(String, String)>,
) -> Result<(ListResponse, Vec<Credential>), ListModelsError> {
    let mut outgoing =
        OutgoingRequest { model: None, method: HttpMethod::Get, url, headers, body: Bytes::new() };
    let secrets = authorize(target, &mut outgoing)
        .await
        .map_err(|failure| ListModelsError::Unreachable(failure.to_string()))?;
    Ok((get(transport, outgoing).await?, secrets))
}

async fn get(transport: &dyn Transport, outgoing: OutgoingRequest) -> Result<ListResponse, ListModelsError> {
    let mut incoming = transport.send(outgoing).await.map_err(|error| {
        ListModelsError::Unreachable(match error {
            SendError::Unreachable(why) => why,
            SendError::ConnectTimeout => "the connection did not stand in time".to_owned(),
        })
    })?;
    let mut body = Vec::new();
    read_up_to(&mut incoming.body, &mut body, MAX_LIST_BYTES).await.map_err(|why| match why {
        BodyError::ConnectionLost(why) => {
            ListModelsError::Unreachable(format!("the connection broke ({why})"))
        }
        BodyError::TooLong => {
            ListModelsError::Malformed(format!("it is longer than {} MiB", MAX_LIST_BYTES >> 20))
        }
    })?;
    Ok(ListResponse { status: incoming.status, headers: incoming.headers, body: body.into() })
}

/// The models of a page: `data` or `models`, or the page itself where it is a list (Together).
fn model_names(page: &Value) -> Option<Vec<String>> {
    let list = [page, &page["data"], &page["models"]].into_iter().find_map(Value::as_array)?;
    let name = |item: &Value| {
        let name = item["id"].as_str().or(item["name"].as_str())?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    Some(list.iter().filter_map(name).collect())
}

/// Where the next page is, as the parameter that asks for it.
fn next_page(dialect: Dialect, page: &Value) -> Option<(&'static str, &str)> {
    let (parameter, token) = match dialect {
        Dialect::Anthropic if page["has_more"] == true => ("after_id", &page["last_id"]),
        Dialect::Gemini => ("pageToken", &page["nextPageToken"]),
        Dialect::Cohere => ("page_token", &page["next_page_token"]),
        _ => return None,
    };
    token.as_str().filter(|token| !token.is_empty()).map(|token| (parameter, token))
}

fn redact_secrets(text: String, secrets: &[Credential]) -> String {
    secrets.iter().fold(text, |text, secret| secret.redact(&text).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply, ScriptedTransport};
    use crate::provider::{ModelRef, built_in_providers};

    const LIST_TIMEOUT: Duration = Duration::from_secs(5);

    fn target(provider: &str) -> Target {
        let mut row = built_in_providers().into_iter().find(|row| row.name == provider).unwrap();
        row.base_url = "http://localhost/base".into();
        row.base_url_variable = None;
        let model_ref = ModelRef { provider: provider.into(), model: "any".into() };
        let key = |_: &str| Some("planted-key-123".to_owned());
        Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &key).unwrap()
    }

    fn reply(status: u16, body: &str) -> ScriptedReply {
        ScriptedReply::Reply { after: Duration::ZERO, status, headers: Vec::new(), body: body.into() }
    }

    async fn run_list(
        provider: &str,
        scenes: Vec<ScriptedReply>,
    ) -> (Result<Vec<String>, ListModelsError>, usize) {
        let transport = ScriptedTransport::new([("localhost", scenes)]);
        let listed = list_models(&transport, &target(provider), LIST_TIMEOUT).await;
        (listed, transport.hosts_called().len())
    }

    #[tokio::test(start_paused = true)]
    async fn response_format_cases() {
        for (provider, pages) in [
            ("openai", vec![r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#]),
            ("together", vec![r#"[{"id":"a"},{"id":"b"},{"id":"b"}]"#]),
            (
                "anthropic",
                vec![
                    r#"{"data":[{"id":"a"}],"has_more":true,"last_id":"a"}"#,
                    r#"{"data":[{"id":"b"}],"has_more":false,"last_id":"b"}"#,
                ],
            ),
            (
                "gemini",
                vec![
                    r#"{"models":[{"name":"models/a"}],"nextPageToken":"x+/="}"#,
                    r#"{"models":[{"name":"models/b"}]}"#,
                ],
            ),
            (
                "cohere",
                vec![
                    r#"{"models":[{"name":"a"}],"next_page_token":"t"}"#,
                    r#"{"models":[{"name":"b"}],"next_page_token":""}"#,
                ],
            ),
            ("ollama", vec![r#"{"models":[{"name":"a","model":"a"},{"name":"b"}]}"#]),
        ] {
            let scenes: Vec<ScriptedReply> = pages.iter().map(|page| reply(200, page)).collect();
            let (listed, asked) = run_list(provider, scenes).await;
            assert_eq!(listed.unwrap(), ["a", "b"], "{provider}");
            assert_eq!(asked, pages.len(), "{provider}");
        }
    }

    #[test]
    fn url_cases() {
        let mut azure = target("azure");
        let preview = "http://localhost/base/openai/v1/models?api-version=planted-key-123";
        assert_eq!(list_url(&azure, "/models"), preview);
        let mut row = (*azure.provider).clone();
        row.query = [("tag".to_owned(), "a&b".to_owned())].into();
        row.settings = [("api_version".to_owned(), "2024-10-21".to_owned())].into();
        let key = |_: &str| Some("k".to_owned());
        azure = Target::resolve(azure.model_ref, &Arc::new(row), &Catalog::default(), &key).unwrap();
        let dated = "http://localhost/base/openai/models?api-version=2024-10-21&tag=a%26b";
        assert_eq!(list_url(&azure, "/models"), dated);
        assert_eq!(
            list_url(&target("gemini"), "/models?pageSize=1000"),
            "http://localhost/base/models?pageSize=1000"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn vertex_is_not_offered() {
        let mut vertex = target("openai");
        Arc::make_mut(&mut vertex.provider).hosting = Hosting::Vertex;
        assert_eq!(
            list_models(&ScriptedTransport::new([]), &vertex, LIST_TIMEOUT).await,
            Err(ListModelsError::NotOffered)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn endless_pagination_stops_at_page_limit() {
        let page = reply(200, r#"{"models":[{"name":"models/a"}],"nextPageToken":"again"}"#);
        let (listed, asked) = run_list("gemini", vec![page]).await;
        assert_eq!((listed.unwrap(), asked), (vec!["a".to_owned()], MAX_PAGES));
    }

    #[tokio::test(start_paused = true)]
    async fn error_cases() {
        let quoted = r#"{"error":{"message":"bad key planted-key-123","code":"invalid_api_key"}}"#;
        let never = ScriptedReply::Stream { pieces: Vec::new(), ending: ScriptedEnding::Hang };
        for (scene, said) in [
            (reply(401, quoted), "[redacted]"),
            (reply(200, "<html>"), "no list of models"),
            (reply(200, "{}"), "no list of models"),
            (ScriptedReply::RefuseConnection, "connection refused"),
            (never, "no whole answer within 5 s"),
        ] {
            let why = run_list("openai", vec![scene]).await.0.unwrap_err().to_string();
            assert!(why.contains(said) && !why.contains("planted"), "{why}");
        }
        let transport = ScriptedTransport::new([]);
        let mut bedrock = target("openai");
        bedrock.dialect = Dialect::Bedrock;
        assert_eq!(list_models(&transport, &bedrock, LIST_TIMEOUT).await, Err(ListModelsError::NotOffered));
    }
}
