use super::decoder::AnthropicDecoder;
use super::{API_VERSION, Anthropic, VERSION_HEADER, request};
use crate::chat::{Failure, ReasoningEffort, RequestParameter, StreamEvent};
use crate::dialect::sse_stream_decoder::{SseStreamDecoder, decode_complete_body};
use crate::dialect::{
    ClientCodec, ClientRequest, EffortControl, Quirks, StreamDecoder, WireRequest, WireResponse,
};

impl ClientCodec for Anthropic {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest {
        let headers = vec![(VERSION_HEADER, API_VERSION)];
        WireRequest { headers, ..WireRequest::new("/v1/messages", &request::encode_request_body(call)) }
    }

    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[RequestParameter::Seed]
    }

    fn supported_efforts(&self, quirks: &Quirks) -> &'static [ReasoningEffort] {
        match quirks.effort {
            EffortControl::Budget => &ReasoningEffort::ALL,
            _ => &[
                ReasoningEffort::None,
                ReasoningEffort::Low,
                ReasoningEffort::Medium,
                ReasoningEffort::High,
                ReasoningEffort::Xhigh,
                ReasoningEffort::Max,
            ],
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
        decode_complete_body(AnthropicDecoder::default(), reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(SseStreamDecoder::new(AnthropicDecoder::default()))
    }
}
