//! The dialect `ollama` (Ollama's native chat API). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod embedding;
mod request;
mod server;
mod wire;

use serde_json::{Value, json};

use embedding::OllamaEmbeddingCodec;

use crate::dialect::descriptor::single_page;
use crate::dialect::{
    DefaultAuth, DialectDescriptor, DoneLine, ErrorEvent, ExpectedFields, ListMarker, ModelListEndpoint,
    RequestCapabilities, ServedModel, ServedModelList, ServedPaths, StreamEnding, StreamFormat,
    StreamFraming, VertexHosting,
};

struct Ollama;

pub(super) static OLLAMA: DialectDescriptor = DialectDescriptor {
    name: "ollama",
    family: "ollama",
    client: &Ollama,
    server: &Ollama,
    embeddings: Some(&OllamaEmbeddingCodec),
    default_auth: DefaultAuth::Bearer,
    model_list: Some(ModelListEndpoint {
        path: "/api/tags",
        fallback_path: None,
        headers: &[],
        next_page: single_page,
    }),
    served_paths: ServedPaths {
        base: "",
        chat: &["/api/chat"],
        embeddings: &["/api/embed"],
        model_list: Some(ServedModelList {
            path: "/api/tags",
            marker: ListMarker::None,
            encode: encode_model_list,
        }),
    },
    expected_fields: ExpectedFields { id: None, model: Some("model"), usage: "eval_count" },
    stream: StreamFormat {
        framing: StreamFraming::Ndjson,
        ending: StreamEnding::FinishReason,
        done_line: DoneLine::Never,
        error_event: ErrorEvent::None,
        has_choices: false,
        has_error_finish_reason: false,
        has_filter_finish_reason: false,
        sends_whole_tool_calls: true,
    },
    capabilities: RequestCapabilities::DEFAULT,
    vertex: VertexHosting::DEFAULT,
    serves_responses_models: false,
};

fn encode_model_list(models: &[ServedModel<'_>]) -> Value {
    let item = |model: &ServedModel<'_>| json!({"name": model.id, "model": model.id});
    json!({"models": models.iter().map(item).collect::<Vec<_>>()})
}
