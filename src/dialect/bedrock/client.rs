//! The half that asks.

use super::stream::Reader;
use super::{Bedrock, request};
use crate::chat::{Event, Failure, Media, Parameter, Part, Source};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for Bedrock {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, stream, .. } = call;
        let (method, headers) = if stream {
            ("converse-stream", vec![("accept", "application/vnd.amazon.eventstream")])
        } else {
            ("converse", Vec::new())
        };
        // An id may be an ARN: its colons and slashes are part of one path segment.
        let path = format!("/model/{}/{method}", wire::escape(model, b"-_.~"));
        WireRequest { headers, ..WireRequest::new(path, &request::write(call)) }
    }

    fn lacks(&self) -> &'static [Parameter] {
        &[Parameter::Seed, Parameter::ParallelToolCalls]
    }

    fn cannot_carry(&self, part: &Part, _quirks: &Quirks) -> Option<&'static str> {
        match part {
            Part::Image(Media { source: Source::Url(_), .. }) => Some("pictures by URL"),
            Part::Document(Media { source: Source::Url(_), .. }) => Some("documents by URL"),
            _ => None,
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
        if reply.body.trim_ascii().is_empty() {
            return Err(wire::empty());
        }
        Reader::default().whole(reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(Reader::default())
    }
}
