use super::decoder::OpenaiResponsesDecoder;
use super::{OpenaiResponses, request};
use crate::chat::{Failure, RequestParameter, StreamEvent};
use crate::dialect::sse_stream_decoder::{SseStreamDecoder, decode_complete_body};
use crate::dialect::{ClientCodec, ClientRequest, Quirks, StreamDecoder, WireRequest, WireResponse};

impl ClientCodec for OpenaiResponses {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest {
        WireRequest::new("/responses", &request::encode_request_body(call))
    }

    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[RequestParameter::StopSequences, RequestParameter::Seed]
    }

    fn decode_response_events(
        &self,
        reply: WireResponse<'_>,
        _quirks: &Quirks,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        decode_complete_body(OpenaiResponsesDecoder::default(), reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(SseStreamDecoder::new(OpenaiResponsesDecoder::default()))
    }
}
