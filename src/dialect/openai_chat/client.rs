use super::decoder::OpenaiChatDecoder;
use super::{OpenaiChat, request};
use crate::chat::{Attachment, AttachmentSource, Failure, Part, ReasoningEffort, StreamEvent};
use crate::dialect::sse_stream_decoder::{SseStreamDecoder, decode_complete_body};
use crate::dialect::{
    ClientCodec, ClientRequest, EffortControl, Quirks, StreamDecoder, UnsupportedInput, WireRequest,
    WireResponse,
};

impl ClientCodec for OpenaiChat {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest {
        WireRequest::new("/chat/completions", &request::encode_request_body(call))
    }

    fn unsupported_part(&self, part: &Part, quirks: &Quirks) -> Option<UnsupportedInput> {
        match part {
            Part::Document(Attachment { source: AttachmentSource::Url(_), .. }) if !quirks.document_url => {
                Some(UnsupportedInput::DocumentsByUrl)
            }
            _ => None,
        }
    }

    fn supported_efforts(&self, quirks: &Quirks) -> &'static [ReasoningEffort] {
        match quirks.effort {
            // A switch has only off and on, and on is the model's default effort.
            EffortControl::ThinkingSwitch if !quirks.effort_levels => {
                &[ReasoningEffort::None, ReasoningEffort::Medium]
            }
            EffortControl::EnableThinking => &[ReasoningEffort::None, ReasoningEffort::Medium],
            _ => &ReasoningEffort::ALL,
        }
    }

    fn decode_response_events(
        &self,
        reply: WireResponse<'_>,
        quirks: &Quirks,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        decode_complete_body(OpenaiChatDecoder::new(quirks), reply.body, events)
    }

    fn stream_decoder(&self, quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(SseStreamDecoder::new(OpenaiChatDecoder::new(quirks)))
    }
}
