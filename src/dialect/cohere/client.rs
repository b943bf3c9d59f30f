//! The half that asks.

use super::stream::Reader;
use super::{Cohere, request};
use crate::chat::{Event, Failure, Parameter, Part};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest};

impl Client for Cohere {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        WireRequest::new("/v2/chat", &request::write(call))
    }

    fn lacks(&self) -> &'static [Parameter] {
        &[Parameter::ParallelToolCalls]
    }

    fn cannot_carry(&self, part: &Part, _quirks: &Quirks) -> Option<&'static str> {
        matches!(part, Part::Document(_)).then_some("documents")
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
