//! The half that asks.

use super::Bedrock;
use super::stream::Reader;
use super::wire::{Body, InferenceConfig, TextBlock, Turn};
use crate::chat::{Event, Failure, Message, Parameter};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for Bedrock {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, request, stream, .. } = call;
        let body = Body {
            messages: request.messages.iter().map(turn).collect(),
            system: request.system.iter().map(|text| TextBlock { text: text.clone() }).collect(),
            inference_config: InferenceConfig {
                max_tokens: request.max_tokens,
                temperature: request.temperature,
                top_p: request.top_p,
                stop_sequences: request.stop.clone(),
            },
        };
        let (method, headers) = if stream {
            ("converse-stream", vec![("accept", "application/vnd.amazon.eventstream")])
        } else {
            ("converse", Vec::new())
        };
        // An id may be an ARN: its colons and slashes are part of one path segment.
        let path = format!("/model/{}/{method}", wire::escape(model, b"-_.~"));
        WireRequest { path, query: Vec::new(), headers, body: wire::write(&body) }
    }

    fn lacks(&self) -> &'static [Parameter] {
        &[Parameter::Seed]
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

fn turn(message: &Message) -> Turn {
    Turn {
        role: wire::role(message).to_owned(),
        content: message.parts.iter().map(|text| TextBlock { text: text.clone() }).collect(),
    }
}
