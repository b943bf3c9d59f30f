//! The dialect `anthropic` (Anthropic Messages). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod messages;
mod request;
mod server;
mod wire;

use serde_json::{Value, json};

use crate::chat::TokenCount;
use crate::dialect::{
    DefaultAuth, DialectDescriptor, DoneLine, EffortControl, ErrorEvent, ExpectedFields, ListMarker,
    ModelListEndpoint, PromptCaching, RequestCapabilities, ServedModel, ServedModelList, ServedPaths,
    StreamEnding, StreamFormat, StreamFraming, VertexHosting, VertexPaths,
};

struct Anthropic;

const VERSION_HEADER: &str = "anthropic-version";

/// The version used in recorded traffic. Newer versions reject sampling parameters for older models.
const API_VERSION: &str = "2023-06-01";

/// Sent for models of unknown size: the dialect requires a limit, and every model accepts this one.
const DEFAULT_MAX_OUTPUT_TOKENS: TokenCount = TokenCount::new(4096);

pub(super) static ANTHROPIC: DialectDescriptor = DialectDescriptor {
    name: "anthropic",
    family: "anthropic",
    client: &Anthropic,
    server: &Anthropic,
    embeddings: None,
    default_auth: DefaultAuth::Header("x-api-key"),
    model_list: Some(ModelListEndpoint {
        path: "/v1/models?limit=1000",
        fallback_path: None,
        headers: &[(VERSION_HEADER, API_VERSION)],
        next_page: |page| {
            let last = page["last_id"].as_str().filter(|_| page["has_more"] == true);
            last.map(|id| ("after_id", id))
        },
    }),
    served_paths: ServedPaths {
        base: "",
        chat: &["/messages"],
        embeddings: &[],
        model_list: Some(ServedModelList {
            path: "/models",
            marker: ListMarker::Header(VERSION_HEADER),
            encode: encode_model_list,
        }),
    },
    expected_fields: ExpectedFields { id: Some("id"), model: Some("model"), usage: "usage" },
    stream: StreamFormat {
        framing: StreamFraming::Sse,
        ending: StreamEnding::EventAfterFinishReason,
        done_line: DoneLine::Never,
        error_event: ErrorEvent::Own,
        has_choices: false,
        has_error_finish_reason: false,
        has_filter_finish_reason: true,
        sends_whole_tool_calls: false,
    },
    capabilities: RequestCapabilities {
        prompt_caching: PromptCaching::AtCachePoints,
        has_json_mode: false,
        is_claude: |_| true,
        // With effort levels alone, as in Opus 4.5, reasoning is not visible.
        reasoning_limits_parameters: |effort| effort != EffortControl::Level,
        ..RequestCapabilities::DEFAULT
    },
    vertex: VertexHosting {
        paths: VertexPaths::RawPredict {
            publisher: "/publishers/anthropic",
            version_header: VERSION_HEADER,
            version: ("anthropic_version", "vertex-2023-10-16"),
        },
        embeddings: None,
    },
    serves_responses_models: false,
};

fn encode_model_list(models: &[ServedModel<'_>]) -> Value {
    let item = |model: &ServedModel<'_>| json!({"type": "model", "id": model.id, "display_name": model.id});
    let data: Vec<Value> = models.iter().map(item).collect();
    let (first, last) = (models.first().map(|model| model.id), models.last().map(|model| model.id));
    json!({"first_id": first, "last_id": last, "data": data, "has_more": false})
}
