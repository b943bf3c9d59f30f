//! The dialect `openai-chat`: OpenAI Chat Completions and compatible APIs, whose deviations are
//! [`Quirks`](super::Quirks). It depends on `chat` and on the shared code of `dialect`.

mod citations;
mod client;
mod decoder;
mod messages;
mod reasoning_details;
mod request;
mod server;
mod wire;

use serde_json::{Value, json};

use crate::dialect::descriptor::single_page;
use crate::dialect::embedding::OpenaiEmbeddingCodec;
use crate::dialect::{
    DefaultAuth, DialectDescriptor, DoneLine, ErrorEvent, ExpectedFields, ListMarker, ModelListEndpoint,
    RequestCapabilities, ServedModel, ServedModelList, ServedPaths, StreamEnding, StreamFormat,
    StreamFraming, VertexHosting, VertexPaths,
};

struct OpenaiChat;

pub(super) static OPENAI_CHAT: DialectDescriptor = DialectDescriptor {
    name: "openai-chat",
    family: "openai",
    client: &OpenaiChat,
    server: &OpenaiChat,
    embeddings: Some(&OpenaiEmbeddingCodec),
    default_auth: DefaultAuth::Bearer,
    model_list: Some(ModelListEndpoint {
        path: "/models",
        // Some hosts have a version in the path of lists only (Perplexity).
        fallback_path: Some("/v1/models"),
        headers: &[],
        next_page: single_page,
    }),
    served_paths: ServedPaths {
        base: "/v1",
        chat: &["/chat/completions"],
        embeddings: &["/embeddings"],
        model_list: Some(ServedModelList {
            path: "/models",
            marker: ListMarker::None,
            encode: encode_model_list,
        }),
    },
    expected_fields: ExpectedFields { id: Some("id"), model: Some("model"), usage: "usage" },
    stream: StreamFormat {
        framing: StreamFraming::Sse,
        ending: StreamEnding::FinishReason,
        done_line: DoneLine::Always,
        error_event: ErrorEvent::NamedBySomeServers,
        has_choices: true,
        has_error_finish_reason: true,
        has_filter_finish_reason: true,
        sends_whole_tool_calls: false,
    },
    capabilities: RequestCapabilities::DEFAULT,
    vertex: VertexHosting { paths: VertexPaths::Prefixed("/endpoints/openapi"), ..VertexHosting::DEFAULT },
    serves_responses_models: false,
};

fn encode_model_list(models: &[ServedModel<'_>]) -> Value {
    let item = |model: &ServedModel<'_>| json!({"id": model.id, "object": "model", "created": model.created_at.as_second(), "owned_by": model.owner});
    json!({"object": "list", "data": models.iter().map(item).collect::<Vec<_>>()})
}
