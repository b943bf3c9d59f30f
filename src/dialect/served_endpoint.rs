//! Finds the dialect and the operation that a request to a server is for.

use super::{Dialect, WireHeaders};

/// The paths at which a server offers a dialect, as ends of the request path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServedPaths {
    pub chat: &'static [&'static str],
    pub embeddings: &'static [&'static str],
    /// `None` if this dialect has no model list of its own.
    pub model_list: Option<ServedModelList>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ServedModelList {
    pub path: &'static str,
    pub marker: ListMarker,
}

/// What tells a dialect's model list from others at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListMarker {
    /// The list of this path if no other dialect's marker is present.
    None,
    Header(&'static str),
    QueryParameter(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointOperation {
    Chat,
    Embeddings,
    ModelList,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let list = if request.is_get { find_model_list(request) } else { None };
    if let Some(dialect) = list {
        return Some(ServedEndpoint { dialect, operation: EndpointOperation::ModelList });
    }
    let is_served = |paths: &[&str]| paths.iter().any(|end| request.path.ends_with(end));
    Dialect::ALL.into_iter().find_map(|dialect| {
        let paths = dialect.served_paths();
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

/// The dialect with the longest matching path; among those, one whose marker is present.
fn find_model_list(request: &EndpointRequest<'_>) -> Option<Dialect> {
    let mut found: Option<(Dialect, (usize, bool))> = None;
    for dialect in Dialect::ALL {
        let Some(list) = dialect.served_paths().model_list else { continue };
        let is_marked = match list.marker {
            ListMarker::None => true,
            ListMarker::Header(name) => request.headers.get(name).is_some(),
            ListMarker::QueryParameter(name) => has_query_parameter(request.query, name),
        };
        if !is_marked || !request.path.ends_with(list.path) {
            continue;
        }
        let rank = (list.path.len(), list.marker != ListMarker::None);
        if found.is_none_or(|(_, best)| rank > best) {
            found = Some((dialect, rank));
        }
    }
    found.map(|(dialect, _)| dialect)
}

fn has_query_parameter(query: Option<&str>, name: &str) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_cases() {
        use EndpointOperation::{Chat, Embeddings, ModelList};
        let version = [("anthropic-version", "2023-06-01")];
        for (is_get, path, query, headers, expected) in [
            (false, "/v1/chat/completions", None, &[][..], Some(("openai-chat", Chat))),
            (false, "/v1/responses", None, &[], Some(("openai-responses", Chat))),
            (false, "/v1/messages", None, &[], Some(("anthropic", Chat))),
            (false, "/v1beta/models/m:generateContent", None, &[], Some(("gemini", Chat))),
            (false, "/v1beta/models/m:batchEmbedContents", None, &[], Some(("gemini", Embeddings))),
            (false, "/v2/chat", None, &[], Some(("cohere", Chat))),
            (false, "/api/chat", None, &[], Some(("ollama", Chat))),
            (false, "/model/a:b/converse-stream", None, &[], Some(("bedrock", Chat))),
            (false, "/v1/embeddings", None, &[], Some(("openai-chat", Embeddings))),
            (true, "/v1/models", None, &[], Some(("openai-chat", ModelList))),
            (true, "/v1/models", None, &version, Some(("anthropic", ModelList))),
            (true, "/v1/models", Some("page_size=9"), &[], Some(("cohere", ModelList))),
            (true, "/v1/models", Some("page_size=9"), &version, Some(("anthropic", ModelList))),
            (true, "/v1beta/models", None, &version, Some(("gemini", ModelList))),
            (true, "/api/tags", None, &[], Some(("ollama", ModelList))),
            (false, "/v1/models", None, &[], None),
            (true, "/nowhere", None, &[], None),
        ] {
            let headers: WireHeaders = headers.iter().copied().collect();
            let found = find_endpoint(&EndpointRequest { is_get, path, query, headers: &headers });
            let found = found.map(|endpoint| (endpoint.dialect.as_str(), endpoint.operation));
            assert_eq!(found, expected, "{path}");
        }
    }
}
