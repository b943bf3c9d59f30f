//! The half that asks.

use super::stream::Reader;
use super::{Gemini, request};
use crate::chat::{Effort, Event, Failure, Parameter};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, EffortControl, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for Gemini {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, stream, .. } = call;
        let (method, query) = if stream {
            ("streamGenerateContent", vec![("alt", "sse".to_owned())])
        } else {
            ("generateContent", Vec::new())
        };
        let path = format!("/models/{}:{method}", wire::escape(model, b"-_.~/:@"));
        WireRequest { query, ..WireRequest::new(path, &request::write(call)) }
    }

    fn lacks(&self) -> &'static [Parameter] {
        &[Parameter::ParallelToolCalls]
    }

    fn efforts(&self, quirks: &Quirks) -> &'static [Effort] {
        match quirks.effort {
            EffortControl::Budget => &Effort::ALL,
            _ => &[Effort::Minimal, Effort::Low, Effort::Medium, Effort::High],
        }
    }

    fn decode_whole(
        &self,
        reply: Reply<'_>,
        _quirks: &Quirks,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        read_whole(Reader::default(), reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(SseStream::new(Reader::default()))
    }
}
