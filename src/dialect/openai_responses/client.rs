//! The half that asks.

use super::stream::Reader;
use super::{OpenaiResponses, request};
use crate::chat::{Event, Failure, Parameter};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest};

impl Client for OpenaiResponses {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        WireRequest::new("/responses", &request::write(call))
    }

    fn lacks(&self) -> &'static [Parameter] {
        &[Parameter::Stop, Parameter::Seed]
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
