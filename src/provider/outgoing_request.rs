//! Builds the HTTP request for a target from an encoded one: host-specific paths, extra headers, and query.

use sha2::{Digest, Sha256};

use super::transport::{append_query, append_raw_query};
use super::{Hosting, HttpMethod, OutgoingRequest, RequestAdjustment, Target};
use crate::chat::Request;
use crate::dialect::{ClientRequest, VertexPaths, WireRequest, percent_encode};

/// Builds the request for a target, without authorization.
pub(super) fn build_outgoing(target: &Target, request: &Request, stream: bool) -> OutgoingRequest {
    let options = request.provider_options.get(&target.provider.name);
    let call = ClientRequest {
        model: &target.model_ref.model,
        request,
        is_streaming: stream,
        quirks: &target.quirks,
        provider_options: options,
    };
    address_request(target, target.dialect.client_codec().encode_request(call), stream)
}

/// Adds the target's URL, query, and headers to an encoded request, without authorization.
pub(super) fn address_request(target: &Target, mut wire: WireRequest, stream: bool) -> OutgoingRequest {
    let mut url = target.base_url().to_owned();
    let mut query = Vec::new();
    match target.provider.hosting {
        Hosting::Direct => {}
        Hosting::Azure => {
            url = azure_base_url(&url, target, &wire.path);
            query.extend(target.api_version().map(|version| ("api-version", version)));
        }
        Hosting::Vertex => apply_vertex_paths(&mut wire, target, stream),
    }
    // A host that serves several dialects may have the version of another dialect's path in its base URL.
    let path = match wire.path.strip_prefix("/v1/") {
        Some(rest) if url.ends_with("/v1") => format!("/{rest}"),
        _ => wire.path,
    };
    url.push_str(&path);
    for (name, value) in &wire.query {
        // The dialect's own values need no percent-encoding.
        append_raw_query(&mut url, name, value);
    }
    for (name, value) in query.into_iter().chain(target.provider.query.iter().map(as_str_pair)) {
        append_query(&mut url, name, value);
    }
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(wire.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let model = Some(target.model_ref.clone());
    let mut outgoing =
        OutgoingRequest { model, method: HttpMethod::Post, url, headers, body: wire.body.into() };
    for (name, value) in &target.provider.headers {
        outgoing.set_header(name, value.clone());
    }
    outgoing
}

impl Target {
    /// SHA-256 over the request as it would be sent, without key or signature. Equal requests have equal
    /// digests.
    pub fn request_digest(
        &self,
        request: &Request,
        adjustments: &[RequestAdjustment],
        stream: bool,
    ) -> String {
        let mut outgoing = build_outgoing(self, &self.adapt_request(request, adjustments).request, stream);
        outgoing.headers.sort();
        let mut hash = Sha256::new();
        // A zero byte ends every piece but the last, and no piece contains one, so that pieces cannot run
        // together.
        for piece in [self.model_ref.to_string(), outgoing.url] {
            hash.update(piece.as_bytes());
            hash.update([0]);
        }
        for (name, value) in &outgoing.headers {
            hash.update(name.to_ascii_lowercase().as_bytes());
            hash.update([b':']);
            hash.update(value.as_bytes());
            hash.update([0]);
        }
        hash.update(&outgoing.body);
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }
}

fn as_str_pair<'a>((name, value): (&'a String, &'a String)) -> (&'a str, &'a str) {
    (name, value)
}

/// Azure's base URL: `/openai/v1`, or the deployment's own path if the API version is a date. The configured
/// base URL may end in `/openai`, `/openai/v1`, or neither.
pub(super) fn azure_base_url(base_url: &str, target: &Target, path: &str) -> String {
    let dated = target.api_version().is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()));
    if !dated && base_url.ends_with("/v1") {
        return base_url.to_owned();
    }
    let root = base_url.trim_end_matches("/v1").trim_end_matches("/openai");
    if !dated {
        return format!("{root}/openai/v1");
    }
    // Only some of the dated API's paths are per deployment.
    if path.starts_with("/chat/") || path == "/embeddings" {
        format!("{root}/openai/deployments/{}", percent_encode(&target.model_ref.model, b"-_.~"))
    } else {
        format!("{root}/openai")
    }
}

/// Rewrites the path, and where Vertex requires it the body, as the dialect's descriptor says.
fn apply_vertex_paths(wire: &mut WireRequest, target: &Target, stream: bool) {
    let (publisher, version_header, version) = match target.dialect.vertex.paths {
        VertexPaths::Prefixed(prefix) => {
            wire.path = format!("{prefix}{}", wire.path);
            return;
        }
        VertexPaths::RawPredict { publisher, version_header, version } => {
            (publisher, version_header, version)
        }
    };
    let method = if stream { "streamRawPredict" } else { "rawPredict" };
    let model = percent_encode(&target.model_ref.model, b"-_.~@");
    wire.path = format!("{publisher}/models/{model}:{method}");
    wire.headers.retain(|(name, _)| *name != version_header);
    let Ok(serde_json::Value::Object(mut body)) = serde_json::from_slice(&wire.body) else { return };
    body.shift_remove("model");
    let (name, value) = version;
    body.insert(name.to_owned(), value.into());
    wire.body = serde_json::Value::Object(body).to_string().into_bytes();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::dialect::Dialect;
    use crate::provider::{ModelRef, Provider, built_in_providers};

    fn outgoing_request(
        provider: &str,
        model: &str,
        change: impl FnOnce(&mut Provider),
        environment: &[(&str, &str)],
    ) -> OutgoingRequest {
        let mut row = built_in_providers().unwrap().into_iter().find(|p| p.name == provider).unwrap();
        change(&mut row);
        let lookup = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let model_ref = ModelRef { provider: provider.into(), model: model.into() };
        let target = Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &lookup).unwrap();
        build_outgoing(&target, &Request::from_prompt("hi"), true)
    }

    fn request_url(provider: &str, model: &str, environment: &[(&str, &str)]) -> String {
        outgoing_request(provider, model, |_| (), environment).url
    }

    #[test]
    fn azure_url_cases() {
        let (key, v1) =
            (("AZURE_OPENAI_API_KEY", "k"), "https://me.openai.azure.com/openai/v1/chat/completions");
        assert_eq!(request_url("azure", "mine", &[key, ("AZURE_RESOURCE_NAME", "me")]), v1);
        for endpoint in ["https://me.openai.azure.com/", "https://me.openai.azure.com/openai/v1/"] {
            assert_eq!(request_url("azure", "mine", &[key, ("AZURE_OPENAI_ENDPOINT", endpoint)]), v1);
        }
        let resource = ("AZURE_RESOURCE_NAME", "me");
        assert_eq!(
            request_url("azure", "a b", &[key, resource, ("OPENAI_API_VERSION", "2024-10-21")]),
            "https://me.openai.azure.com/openai/deployments/a%20b/chat/completions?api-version=2024-10-21"
        );
        assert_eq!(
            request_url("azure", "mine", &[key, resource, ("OPENAI_API_VERSION", "preview")]),
            format!("{v1}?api-version=preview")
        );
        let responses = |p: &mut Provider| p.dialect = Dialect::named("openai-responses");
        assert_eq!(
            outgoing_request(
                "azure",
                "m",
                responses,
                &[key, resource, ("OPENAI_API_VERSION", "2025-03-01-preview")]
            )
            .url,
            "https://me.openai.azure.com/openai/responses?api-version=2025-03-01-preview"
        );
    }

    #[test]
    fn vertex_request_cases() {
        let at = |region| [("GOOGLE_CLOUD_PROJECT", "p-1"), ("GOOGLE_CLOUD_LOCATION", region), ACCESS_TOKEN];
        assert_eq!(
            request_url("vertex", "gemini-3", &at("europe-west4")),
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-3:streamGenerateContent?alt=sse"
        );
        for (region, host) in [
            ("global", "aiplatform.googleapis.com"),
            ("us", "aiplatform.us.rep.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ] {
            let start = format!("https://{host}/v1/projects/p-1/locations/{region}/publishers/");
            assert!(request_url("vertex", "gemini-3", &at(region)).starts_with(&start));
        }
        assert!(
            request_url("vertex", "meta/llama-4", &at("us-east5"))
                .ends_with("/locations/us-east5/endpoints/openapi/chat/completions")
        );
        let sent = outgoing_request("vertex", "claude-opus-5@20260101", |_| (), &at("global"));
        assert!(
            sent.url.ends_with("/publishers/anthropic/models/claude-opus-5@20260101:streamRawPredict"),
            "{}",
            sent.url
        );
        let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!((&body["anthropic_version"], body.get("model")), (&"vertex-2023-10-16".into(), None));
        assert_eq!((&body["stream"], &body["messages"][0]["role"]), (&true.into(), &"user".into()));
        assert!(!sent.headers.iter().any(|(name, _)| name == "anthropic-version"));
    }

    /// A fixed token, so that no test looks for real credentials.
    const ACCESS_TOKEN: (&str, &str) = ("GOOGLE_OAUTH_ACCESS_TOKEN", "t");

    #[test]
    fn provider_row_cases() {
        let more = |p: &mut Provider| {
            p.headers = [("x-portkey-provider".to_owned(), "@openai".to_owned())].into();
            p.query = [("tag".to_owned(), "a&b".to_owned())].into();
        };
        let sent = outgoing_request("portkey", "gpt-6", more, &[("PORTKEY_API_KEY", "k")]);
        assert_eq!(sent.url, "https://api.portkey.ai/v1/chat/completions?tag=a%26b");
        assert!(sent.headers.contains(&("x-portkey-provider".into(), "@openai".into())));
        assert_eq!(
            request_url(
                "databricks",
                "m",
                &[("DATABRICKS_HOST", "dbc-1.cloud.databricks.com"), ("DATABRICKS_TOKEN", "k")]
            ),
            "https://dbc-1.cloud.databricks.com/serving-endpoints/chat/completions"
        );
        assert_eq!(
            request_url(
                "cloudflare",
                "@cf/a/b",
                &[("CLOUDFLARE_ACCOUNT_ID", "f00d"), ("CLOUDFLARE_API_TOKEN", "k")]
            ),
            "https://api.cloudflare.com/client/v4/accounts/f00d/ai/v1/chat/completions"
        );
    }
}
