//! The dialect `cohere` (Cohere Chat v2). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod embedding;
mod request;
mod server;
mod wire;

use serde_json::{Value, json};

use embedding::CohereEmbeddingCodec;

use crate::dialect::{
    DefaultAuth, DialectDescriptor, DoneLine, ErrorEvent, ExpectedFields, ListMarker, ModelListEndpoint,
    RequestCapabilities, ServedModel, ServedModelList, ServedPaths, StreamEnding, StreamFormat,
    StreamFraming, VertexHosting,
};

struct Cohere;

pub(super) static COHERE: DialectDescriptor = DialectDescriptor {
    name: "cohere",
    family: "cohere",
    client: &Cohere,
    server: &Cohere,
    embeddings: Some(&CohereEmbeddingCodec),
    default_auth: DefaultAuth::Bearer,
    model_list: Some(ModelListEndpoint {
        path: "/v1/models?page_size=1000",
        fallback_path: None,
        headers: &[],
        next_page: |page| Some(("page_token", page["next_page_token"].as_str()?)),
    }),
    served_paths: ServedPaths {
        base: "",
        chat: &["/v2/chat"],
        embeddings: &["/v2/embed"],
        model_list: Some(ServedModelList {
            path: "/models",
            marker: ListMarker::QueryParameter("page_size"),
            encode: encode_model_list,
        }),
    },
    expected_fields: ExpectedFields { id: Some("id"), model: None, usage: "usage" },
    stream: StreamFormat {
        framing: StreamFraming::Sse,
        ending: StreamEnding::MessageEvent,
        done_line: DoneLine::Always,
        error_event: ErrorEvent::Own,
        has_choices: false,
        has_error_finish_reason: true,
        has_filter_finish_reason: true,
        sends_whole_tool_calls: false,
    },
    capabilities: RequestCapabilities { rejects_schema_with_tools: |_| true, ..RequestCapabilities::DEFAULT },
    vertex: VertexHosting::DEFAULT,
    serves_responses_models: false,
};

fn encode_model_list(models: &[ServedModel<'_>]) -> Value {
    let item = |model: &ServedModel<'_>| json!({"name": model.id, "endpoints": ["chat"]});
    json!({"models": models.iter().map(item).collect::<Vec<_>>()})
}
