//! The half that asks.

use super::stream::Reader;
use super::{OpenaiResponses, request};
use crate::chat::{Event, Failure, Parameter};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for OpenaiResponses {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let (path, body) = ("/responses".to_owned(), wire::write(&request::write(call)));
        WireRequest { path, query: Vec::new(), headers: Vec::new(), body }
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
