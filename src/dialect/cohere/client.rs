use super::decoder::CohereDecoder;
use super::{Cohere, request};
use crate::chat::{Failure, Part, RequestParameter, StreamEvent};
use crate::dialect::sse_stream_decoder::{SseStreamDecoder, decode_complete_body};
use crate::dialect::{
    ClientCodec, ClientRequest, Quirks, StreamDecoder, UnsupportedInput, WireRequest, WireResponse,
};

impl ClientCodec for Cohere {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest {
        WireRequest::new("/v2/chat", &request::encode_request_body(call))
    }

    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[RequestParameter::ParallelToolCalls]
    }

    fn unsupported_part(&self, part: &Part, _quirks: &Quirks) -> Option<UnsupportedInput> {
        matches!(part, Part::Document(_)).then_some(UnsupportedInput::Documents)
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
        decode_complete_body(CohereDecoder::default(), reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(SseStreamDecoder::new(CohereDecoder::default()))
    }
}
