//! The half that asks.

use super::stream::Reader;
use super::{OpenaiChat, request};
use crate::chat::{Effort, Event, Failure, Media, Part, Source};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, EffortControl, Quirks, Reply, StreamDecoder, WireRequest};

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

    fn efforts(&self, quirks: &Quirks) -> &'static [Effort] {
        match quirks.effort {
            // A switch knows off and on; on is as hard as the model thinks unasked.
            EffortControl::ThinkingSwitch if !quirks.effort_levels => &[Effort::None, Effort::Medium],
            EffortControl::EnableThinking => &[Effort::None, Effort::Medium],
            _ => &Effort::ALL,
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
