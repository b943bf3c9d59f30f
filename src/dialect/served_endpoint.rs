//! Finds the dialect and the operation that a request to a server is for.

use super::{Dialect, ListMarker, ServedModelList, WireHeaders};

#[derive(Clone, Copy, Debug)]
pub(crate) enum EndpointOperation {
    Chat,
    Embeddings,
    ModelList(ServedModelList),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ServedEndpoint {
    pub dialect: Dialect,
    pub operation: EndpointOperation,
}

/// The parts of a request that select its endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointRequest<'a> {
    pub is_get: bool,
    /// Percent-decoded, without the query.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a WireHeaders,
}

/// `None` if the request is for no dialect.
pub(crate) fn find_endpoint(request: &EndpointRequest<'_>) -> Option<ServedEndpoint> {
    if let Some((dialect, list)) = find_model_list(request) {
        return Some(ServedEndpoint { dialect, operation: EndpointOperation::ModelList(list) });
    }
    let is_served = |paths: &[&str]| paths.iter().any(|end| request.path.ends_with(end));
    Dialect::all().find_map(|dialect| {
        let paths = &dialect.served_paths;
        let operation = if is_served(paths.embeddings) {
            EndpointOperation::Embeddings
        } else if is_served(paths.chat) {
            EndpointOperation::Chat
        } else {
            return None;
        };
        Some(ServedEndpoint { dialect, operation })
    })
}

/// The model list with the longest matching path; among those, one whose marker is present.
fn find_model_list(request: &EndpointRequest<'_>) -> Option<(Dialect, ServedModelList)> {
    if !request.is_get {
        return None;
    }
    let rank = |list: &ServedModelList| (list.path.len(), list.marker != ListMarker::None);
    let mut found: Option<(Dialect, ServedModelList)> = None;
    for dialect in Dialect::all() {
        let Some(list) = dialect.served_paths.model_list else { continue };
        let is_marked = match list.marker {
            ListMarker::None => true,
            ListMarker::Header(name) => request.headers.get(name).is_some(),
            ListMarker::QueryParameter(name) => has_query_parameter(request.query, name),
        };
        let is_match = is_marked && request.path.ends_with(list.path);
        if is_match && found.as_ref().is_none_or(|(_, best)| rank(&list) > rank(best)) {
            found = Some((dialect, list));
        }
    }
    found
}

fn has_query_parameter(query: Option<&str>, name: &str) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_cases() {
        let version = [("anthropic-version", "2023-06-01")];
        for (is_get, path, query, headers, expected) in [
            (false, "/v1/chat/completions", None, &[][..], Some(("openai-chat", "chat"))),
            (false, "/v1/responses", None, &[], Some(("openai-responses", "chat"))),
            (false, "/v1/messages", None, &[], Some(("anthropic", "chat"))),
            (false, "/v1beta/models/m:generateContent", None, &[], Some(("gemini", "chat"))),
            (false, "/v1beta/models/m:batchEmbedContents", None, &[], Some(("gemini", "embeddings"))),
            (false, "/v2/chat", None, &[], Some(("cohere", "chat"))),
            (false, "/api/chat", None, &[], Some(("ollama", "chat"))),
            (false, "/model/a:b/converse-stream", None, &[], Some(("bedrock", "chat"))),
            (false, "/v1/embeddings", None, &[], Some(("openai-chat", "embeddings"))),
            (true, "/v1/models", None, &[], Some(("openai-chat", "list"))),
            (true, "/v1/models", None, &version, Some(("anthropic", "list"))),
            (true, "/v1/models", Some("page_size=9"), &[], Some(("cohere", "list"))),
            (true, "/v1/models", Some("page_size=9"), &version, Some(("anthropic", "list"))),
            (true, "/v1beta/models", None, &version, Some(("gemini", "list"))),
            (true, "/api/tags", None, &[], Some(("ollama", "list"))),
            (false, "/v1/models", None, &[], None),
            (true, "/nowhere", None, &[], None),
        ] {
            let headers: WireHeaders = headers.iter().copied().collect();
            let found = find_endpoint(&EndpointRequest { is_get, path, query, headers: &headers });
            let found = found.map(|endpoint| {
                let operation = match endpoint.operation {
                    EndpointOperation::Chat => "chat",
                    EndpointOperation::Embeddings => "embeddings",
                    EndpointOperation::ModelList(_) => "list",
                };
                (endpoint.dialect.as_str(), operation)
            });
            assert_eq!(found, expected, "{path}");
        }
    }
}
