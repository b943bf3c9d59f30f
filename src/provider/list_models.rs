//! The models that a provider serves, from its list endpoint. Needs no codec: every dialect's list names its
//! models by `id` or `name`.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::timeout;

use super::exchange::authorize;
use super::limited_body::{BodyError, read_up_to};
use super::outgoing_request::azure_base_url;
use super::transport::append_query;
use super::transport::{HttpMethod, OutgoingRequest, SendError, Transport};
use super::{Credential, Hosting, Target};
use crate::dialect::WireResponse;

/// Maximum number of pages, in case the pagination never ends; real lists are shorter.
const MAX_PAGES: usize = 20;

const MAX_LIST_BYTES: usize = 32 << 20;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListModelsError {
    #[error("no model list on this host; see the vendor's console")]
    NotOffered,
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(String),
    #[error("the response is not a list of models: {0}")]
    Malformed(String),
}

/// The models of the target's provider, in the provider's order. The target's own model does not matter.
pub(crate) async fn list_models(
    transport: &dyn Transport,
    target: &Target,
    limit: Duration,
) -> Result<Vec<String>, ListModelsError> {
    timeout(limit, list_pages(transport, target)).await.unwrap_or_else(|_| Err(timeout_error(limit)))
}

/// Fetches a public document, without a key.
pub(crate) async fn fetch_document(
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
    let response =
        timeout(limit, get(transport, outgoing)).await.unwrap_or_else(|_| Err(timeout_error(limit)))?;
    match response.status {
        200 => Ok(response.body),
        status => Err(ListModelsError::Refused(format!("HTTP status {status}"))),
    }
}

fn timeout_error(limit: Duration) -> ListModelsError {
    ListModelsError::Unreachable(format!("no complete response within {} s", limit.as_secs_f64()))
}

async fn list_pages(transport: &dyn Transport, target: &Target) -> Result<Vec<String>, ListModelsError> {
    let list = target.dialect.model_list.ok_or(ListModelsError::NotOffered)?;
    let mut headers: Vec<(String, String)> = target.provider.headers.clone().into_iter().collect();
    headers.extend(list.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    if target.provider.hosting == Hosting::Vertex {
        return Err(ListModelsError::NotOffered);
    }
    let mut url = list_url(target, list.path);
    let (mut models, mut seen) = (Vec::new(), std::collections::HashSet::new());
    for _ in 0..MAX_PAGES {
        let (mut response, mut secrets) = get_authorized(transport, target, url, headers.clone()).await?;
        let fallback = list.fallback_path.filter(|_| target.provider.hosting == Hosting::Direct);
        if let (404, Some(path)) = (response.status, fallback) {
            let url = list_url(target, path);
            (response, secrets) = get_authorized(transport, target, url, headers.clone()).await?;
        }
        if !(200..300).contains(&response.status) {
            let reply =
                WireResponse { status: response.status, headers: &response.headers, body: &response.body };
            let failure = target.dialect.client_codec().decode_failure(reply).to_string();
            return Err(ListModelsError::Refused(redact_secrets(failure, &secrets)));
        }
        let page: Value = serde_json::from_slice(&response.body)
            .map_err(|error| ListModelsError::Malformed(error.to_string()))?;
        let names = model_names(&page)
            .ok_or_else(|| ListModelsError::Malformed("no model names found".to_owned()))?;
        let names = names.into_iter().map(|name| redact_secrets(name, &secrets));
        models.extend(names.filter(|name| seen.insert(name.clone())));
        match (list.next_page)(&page).filter(|(_, token)| !token.is_empty()) {
            Some((parameter, token)) => {
                url = list_url(target, list.path);
                append_query(&mut url, parameter, token);
            }
            None => break,
        }
    }
    Ok(models)
}

fn list_url(target: &Target, path: &str) -> String {
    let provider = &target.provider;
    let is_azure = provider.hosting == Hosting::Azure;
    let root =
        if is_azure { azure_base_url(target.base_url(), target, path) } else { target.base_url().to_owned() };
    // A host that serves several dialects may have the version of the path in its base URL.
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

/// Sends the request with the provider's key. Also returns the secrets that the request contained.
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
            SendError::ConnectTimeout => "connection timed out".to_owned(),
        })
    })?;
    let mut body = Vec::new();
    read_up_to(&mut incoming.body, &mut body, MAX_LIST_BYTES).await.map_err(|why| match why {
        BodyError::ConnectionLost(why) => ListModelsError::Unreachable(format!("connection lost ({why})")),
        BodyError::TooLong => ListModelsError::Malformed(format!("longer than {} MiB", MAX_LIST_BYTES >> 20)),
    })?;
    Ok(ListResponse { status: incoming.status, headers: incoming.headers, body: body.into() })
}

/// The model names of a page, in `data`, in `models`, or in the page itself (Together).
fn model_names(page: &Value) -> Option<Vec<String>> {
    let list = [page, &page["data"], &page["models"]].into_iter().find_map(Value::as_array)?;
    let name = |item: &Value| {
        let name = item["id"].as_str().or(item["name"].as_str())?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    Some(list.iter().filter_map(name).collect())
}

fn redact_secrets(text: String, secrets: &[Credential]) -> String {
    secrets.iter().fold(text, |text, secret| secret.redact(&text).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::dialect::Dialect;
    use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply, ScriptedTransport};
    use crate::provider::{ModelRef, built_in_providers};

    const LIST_TIMEOUT: Duration = Duration::from_secs(5);

    fn target(provider: &str) -> Target {
        let mut row = built_in_providers().unwrap().into_iter().find(|row| row.name == provider).unwrap();
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
        replies: Vec<ScriptedReply>,
    ) -> (Result<Vec<String>, ListModelsError>, usize) {
        let transport = ScriptedTransport::new([("localhost", replies)]);
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
            let replies: Vec<ScriptedReply> = pages.iter().map(|page| reply(200, page)).collect();
            let (listed, requests) = run_list(provider, replies).await;
            assert_eq!(listed.unwrap(), ["a", "b"], "{provider}");
            assert_eq!(requests, pages.len(), "{provider}");
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
        let (listed, requests) = run_list("gemini", vec![page]).await;
        assert_eq!((listed.unwrap(), requests), (vec!["a".to_owned()], MAX_PAGES));
    }

    #[tokio::test(start_paused = true)]
    async fn error_cases() {
        let quoted = r#"{"error":{"message":"bad key planted-key-123","code":"invalid_api_key"}}"#;
        let never = ScriptedReply::Stream { pieces: Vec::new(), ending: ScriptedEnding::Hang };
        for (reply_script, expected) in [
            (reply(401, quoted), "[redacted]"),
            (reply(200, "<html>"), "not a list of models"),
            (reply(200, "{}"), "not a list of models"),
            (ScriptedReply::RefuseConnection, "connection refused"),
            (never, "no complete response within 5 s"),
        ] {
            let why = run_list("openai", vec![reply_script]).await.0.unwrap_err().to_string();
            assert!(why.contains(expected) && !why.contains("planted"), "{why}");
        }
        let transport = ScriptedTransport::new([]);
        let mut bedrock = target("openai");
        bedrock.dialect = Dialect::named("bedrock");
        assert_eq!(list_models(&transport, &bedrock, LIST_TIMEOUT).await, Err(ListModelsError::NotOffered));
    }
}
