use super::decoder::BedrockDecoder;
use super::{Bedrock, request};
use crate::chat::{Attachment, AttachmentSource, Failure, Part, RequestParameter, StreamEvent};
use crate::dialect::{
    ClientCodec, ClientRequest, Quirks, StreamDecoder, UnsupportedInput, WireRequest, WireResponse, wire_json,
};

impl ClientCodec for Bedrock {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest {
        let ClientRequest { model, is_streaming: stream, .. } = call;
        let (method, headers) = if stream {
            ("converse-stream", vec![("accept", "application/vnd.amazon.eventstream")])
        } else {
            ("converse", Vec::new())
        };
        // A model ID may be an ARN, whose colons and slashes belong to one path segment.
        let path = format!("/model/{}/{method}", wire_json::percent_encode(model, b"-_.~"));
        WireRequest { headers, ..WireRequest::new(path, &request::encode_request_body(call)) }
    }

    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[RequestParameter::Seed, RequestParameter::ParallelToolCalls]
    }

    fn unsupported_part(&self, part: &Part, _quirks: &Quirks) -> Option<UnsupportedInput> {
        match part {
            Part::Image(Attachment { source: AttachmentSource::Url(_), .. }) => {
                Some(UnsupportedInput::ImagesByUrl)
            }
            Part::Document(Attachment { source: AttachmentSource::Url(_), .. }) => {
                Some(UnsupportedInput::DocumentsByUrl)
            }
            _ => None,
        }
    }

    fn max_temperature(&self) -> u8 {
        1
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
        BedrockDecoder::default().decode_body(reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(BedrockDecoder::default())
    }
}
