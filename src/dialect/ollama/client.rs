use super::decoder::OllamaDecoder;
use super::{Ollama, request};
use crate::chat::{
    Attachment, AttachmentSource, Failure, Part, ReasoningEffort, RequestParameter, StreamEvent,
};
use crate::dialect::{
    ClientCodec, ClientRequest, Quirks, StreamDecoder, UnsupportedInput, WireRequest, WireResponse, wire_json,
};

impl ClientCodec for Ollama {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest {
        WireRequest::new("/api/chat", &request::encode_request_body(call))
    }

    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[RequestParameter::ToolChoice, RequestParameter::ParallelToolCalls]
    }

    fn unsupported_part(&self, part: &Part, _quirks: &Quirks) -> Option<UnsupportedInput> {
        match part {
            Part::Document(_) => Some(UnsupportedInput::Documents),
            Part::Image(Attachment { source: AttachmentSource::Url(_), .. }) => {
                Some(UnsupportedInput::ImagesByUrl)
            }
            _ => None,
        }
    }

    fn supported_efforts(&self, _quirks: &Quirks) -> &'static [ReasoningEffort] {
        &[
            ReasoningEffort::None,
            ReasoningEffort::Low,
            ReasoningEffort::Medium,
            ReasoningEffort::High,
            ReasoningEffort::Max,
        ]
    }

    fn decode_response_events(
        &self,
        reply: WireResponse<'_>,
        _quirks: &Quirks,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        if reply.body.trim_ascii().is_empty() {
            return Err(wire_json::empty_body_failure());
        }
        OllamaDecoder::default().decode_line(reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(OllamaDecoder::default())
    }
}
