//! The dialect `gemini` (Gemini generateContent). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod embedding;
mod messages;
mod partial_call;
mod request;
mod server;
mod vertex_embedding;
mod wire;

use serde_json::{Value, json};

use embedding::GeminiEmbeddingCodec;
use vertex_embedding::VertexEmbeddingCodec;

use crate::dialect::{
    DefaultAuth, DialectDescriptor, DoneLine, EffortControl, ErrorEvent, ExpectedFields, ListMarker,
    ModelListEndpoint, RequestCapabilities, ServedModel, ServedModelList, ServedPaths, StreamEnding,
    StreamFormat, StreamFraming, VertexHosting,
};

struct Gemini;

pub(super) static GEMINI: DialectDescriptor = DialectDescriptor {
    name: "gemini",
    family: "gemini",
    client: &Gemini,
    server: &Gemini,
    embeddings: Some(&GeminiEmbeddingCodec),
    default_auth: DefaultAuth::Header("x-goog-api-key"),
    model_list: Some(ModelListEndpoint {
        path: "/models?pageSize=1000",
        fallback_path: None,
        headers: &[],
        next_page: |page| Some(("pageToken", page["nextPageToken"].as_str()?)),
    }),
    served_paths: ServedPaths {
        base: "/v1beta",
        chat: &[":generateContent", ":streamGenerateContent"],
        embeddings: &[":batchEmbedContents"],
        model_list: Some(ServedModelList {
            path: "/v1beta/models",
            marker: ListMarker::None,
            encode: encode_model_list,
        }),
    },
    expected_fields: ExpectedFields {
        id: Some("responseId"),
        model: Some("modelVersion"),
        usage: "usageMetadata",
    },
    stream: StreamFormat {
        framing: StreamFraming::Sse,
        ending: StreamEnding::FinishReason,
        done_line: DoneLine::Never,
        error_event: ErrorEvent::None,
        has_choices: false,
        has_error_finish_reason: true,
        has_filter_finish_reason: true,
        sends_whole_tool_calls: true,
    },
    capabilities: RequestCapabilities {
        // Gemini 2.5 and older models, which have a reasoning budget.
        rejects_schema_with_tools: |quirks| quirks.effort == EffortControl::Budget,
        ..RequestCapabilities::DEFAULT
    },
    vertex: VertexHosting { embeddings: Some(&VertexEmbeddingCodec), ..VertexHosting::DEFAULT },
    serves_responses_models: false,
};

fn encode_model_list(models: &[ServedModel<'_>]) -> Value {
    let item = |model: &ServedModel<'_>| json!({"name": format!("models/{}", model.id), "supportedGenerationMethods": ["generateContent"]});
    json!({"models": models.iter().map(item).collect::<Vec<_>>()})
}
