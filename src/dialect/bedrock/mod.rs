//! The dialect `bedrock` (Amazon Bedrock Converse). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod embedding;
mod messages;
mod request;
mod server;
mod wire;

use embedding::BedrockEmbeddingCodec;

use crate::dialect::{
    DefaultAuth, DialectDescriptor, DoneLine, EffortControl, ErrorEvent, ExpectedFields, PromptCaching,
    RequestCapabilities, ServedPaths, StreamEnding, StreamFormat, StreamFraming, VertexHosting,
};

#[cfg(test)]
pub(super) use messages::EMPTY_RESULT_TEXT;

struct Bedrock;

pub(super) static BEDROCK: DialectDescriptor = DialectDescriptor {
    name: "bedrock",
    family: "bedrock",
    client: &Bedrock,
    server: &Bedrock,
    embeddings: Some(&BedrockEmbeddingCodec),
    default_auth: DefaultAuth::Bearer,
    model_list: None,
    served_paths: ServedPaths {
        base: "",
        chat: &["/converse", "/converse-stream"],
        embeddings: &["/invoke"],
        model_list: None,
    },
    expected_fields: ExpectedFields { id: None, model: None, usage: "usage" },
    stream: StreamFormat {
        framing: StreamFraming::AwsEventStream,
        ending: StreamEnding::MessageEvent,
        done_line: DoneLine::Never,
        error_event: ErrorEvent::Own,
        has_choices: false,
        has_error_finish_reason: true,
        has_filter_finish_reason: true,
        sends_whole_tool_calls: false,
    },
    capabilities: RequestCapabilities {
        prompt_caching: PromptCaching::AtCachePointsOfSomeModels,
        has_json_mode: false,
        must_declare_called_tools: true,
        is_claude: |model| model.contains("claude"),
        reasoning_limits_parameters: |effort| {
            matches!(effort, EffortControl::Budget | EffortControl::Adaptive)
        },
        ..RequestCapabilities::DEFAULT
    },
    vertex: VertexHosting::DEFAULT,
    serves_responses_models: false,
};
