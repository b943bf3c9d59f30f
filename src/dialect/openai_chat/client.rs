//! The half that asks.

use super::stream::Reader;
use super::{OpenaiChat, request};
use crate::chat::{Event, Failure, Media, Part, Source};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest};

impl Client for OpenaiChat {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        WireRequest::new("/chat/completions", &request::write(call))
    }

    fn cannot_carry(&self, part: &Part, quirks: &Quirks) -> Option<&'static str> {
        match part {
            Part::Document(Media { source: Source::Url(_), .. }) if !quirks.document_url => {
                Some("documents by URL")
            }
            _ => None,
        }
    }

    fn decode_whole(
        &self,
        reply: Reply<'_>,
        quirks: &Quirks,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        read_whole(Reader::new(quirks), reply.body, events)
    }

    fn stream_decoder(&self, quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(SseStream::new(Reader::new(quirks)))
    }
}
