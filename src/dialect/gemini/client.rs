use super::decoder::GeminiDecoder;
use super::{Gemini, request};
use crate::chat::{Failure, ReasoningEffort, RequestParameter, StreamEvent};
use crate::dialect::sse_stream_decoder::{SseStreamDecoder, decode_complete_body};
use crate::dialect::{
    ClientCodec, ClientRequest, EffortControl, Quirks, StreamDecoder, WireRequest, WireResponse, wire_json,
};

impl ClientCodec for Gemini {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest {
        let ClientRequest { model, is_streaming: stream, .. } = call;
        let (method, query) = if stream {
            ("streamGenerateContent", vec![("alt", "sse".to_owned())])
        } else {
            ("generateContent", Vec::new())
        };
        let path = format!("/models/{}:{method}", wire_json::percent_encode(model, b"-_.~/:@"));
        WireRequest { query, ..WireRequest::new(path, &request::encode_request_body(call)) }
    }

    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[RequestParameter::ParallelToolCalls]
    }

    fn supported_efforts(&self, quirks: &Quirks) -> &'static [ReasoningEffort] {
        match quirks.effort {
            EffortControl::Budget => &ReasoningEffort::ALL,
            _ => &[
                ReasoningEffort::Minimal,
                ReasoningEffort::Low,
                ReasoningEffort::Medium,
                ReasoningEffort::High,
            ],
        }
    }

    fn decode_response_events(
        &self,
        reply: WireResponse<'_>,
        _quirks: &Quirks,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure> {
        decode_complete_body(GeminiDecoder::default(), reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(SseStreamDecoder::new(GeminiDecoder::default()))
    }
}
