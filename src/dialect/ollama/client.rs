//! The half that asks.

use super::stream::Reader;
use super::{Ollama, request};
use crate::chat::{Effort, Event, Failure, Media, Parameter, Part, Source};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for Ollama {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        WireRequest::new("/api/chat", &request::write(call))
    }

    fn lacks(&self) -> &'static [Parameter] {
        &[Parameter::ToolChoice, Parameter::ParallelToolCalls]
    }

    fn cannot_carry(&self, part: &Part, _quirks: &Quirks) -> Option<&'static str> {
        match part {
            Part::Document(_) => Some("documents"),
            Part::Image(Media { source: Source::Url(_), .. }) => Some("pictures by URL"),
            _ => None,
        }
    }

    fn efforts(&self, _quirks: &Quirks) -> &'static [Effort] {
        &[Effort::None, Effort::Low, Effort::Medium, Effort::High, Effort::Max]
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
        Reader::default().line(reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(Reader::default())
    }
}
