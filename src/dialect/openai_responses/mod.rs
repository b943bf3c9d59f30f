//! The dialect `openai-responses` (OpenAI Responses), used statelessly: nothing is stored at the provider. It
//! depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod encoder;
mod items;
mod request;
mod server;
mod wire;

use crate::dialect::descriptor::single_page;
use crate::dialect::embedding::OpenaiEmbeddingCodec;
use crate::dialect::{
    DefaultAuth, DialectDescriptor, DoneLine, ErrorEvent, ExpectedFields, ModelListEndpoint,
    RequestCapabilities, ServedPaths, StreamEnding, StreamFormat, StreamFraming, VertexHosting,
};

struct OpenaiResponses;

pub(super) static OPENAI_RESPONSES: DialectDescriptor = DialectDescriptor {
    name: "openai-responses",
    family: "openai",
    client: &OpenaiResponses,
    server: &OpenaiResponses,
    embeddings: Some(&OpenaiEmbeddingCodec),
    default_auth: DefaultAuth::Bearer,
    model_list: Some(ModelListEndpoint {
        path: "/models",
        // Some hosts have a version in the path of lists only (Perplexity).
        fallback_path: Some("/v1/models"),
        headers: &[],
        next_page: single_page,
    }),
    served_paths: ServedPaths { base: "/v1", chat: &["/responses"], embeddings: &[], model_list: None },
    expected_fields: ExpectedFields { id: Some("id"), model: Some("model"), usage: "usage" },
    stream: StreamFormat {
        framing: StreamFraming::Sse,
        ending: StreamEnding::MessageEvent,
        done_line: DoneLine::ByCompatibleServers,
        error_event: ErrorEvent::Own,
        has_choices: false,
        has_error_finish_reason: true,
        has_filter_finish_reason: true,
        sends_whole_tool_calls: false,
    },
    capabilities: RequestCapabilities::DEFAULT,
    vertex: VertexHosting::DEFAULT,
    serves_responses_models: true,
};
