//! The half that asks.

use super::stream::Reader;
use super::{Anthropic, VERSION, request};
use crate::chat::{Effort, Event, Failure, Parameter};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, EffortControl, Quirks, Reply, StreamDecoder, WireRequest};

impl Client for Anthropic {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let headers = vec![("anthropic-version", VERSION)];
        WireRequest { headers, ..WireRequest::new("/v1/messages", &request::write(call)) }
    }

    fn lacks(&self) -> &'static [Parameter] {
        &[Parameter::Seed]
    }

    fn efforts(&self, quirks: &Quirks) -> &'static [Effort] {
        match quirks.effort {
            EffortControl::Budget => &Effort::ALL,
            _ => &[Effort::None, Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh, Effort::Max],
        }
    }

    fn most_temperature(&self) -> u8 {
        1
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
