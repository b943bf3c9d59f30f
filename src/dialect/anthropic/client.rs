//! The half that asks.

use serde_json::Value;

use super::stream::Reader;
use super::wire::{Body, Turn};
use super::{Anthropic, FALLBACK_MAX_TOKENS, VERSION};
use crate::chat::{Event, Failure, Message, Parameter};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for Anthropic {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, request, stream, quirks } = call;
        let body = Body {
            model: model.to_owned(),
            max_tokens: request.max_tokens.or(quirks.default_max_tokens).unwrap_or(FALLBACK_MAX_TOKENS),
            system: request.system.clone().map(Value::String),
            messages: request.messages.iter().map(turn).collect(),
            temperature: request.temperature,
            top_p: request.top_p,
            stop_sequences: request.stop.clone(),
            stream,
        };
        WireRequest {
            path: "/v1/messages".to_owned(),
            query: Vec::new(),
            headers: vec![("anthropic-version", VERSION)],
            body: wire::write(&body),
        }
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
        read_whole(Reader::default(), reply.body, events)
    }

    fn stream_decoder(&self, _quirks: &Quirks) -> Box<dyn StreamDecoder> {
        Box::new(SseStream::new(Reader::default()))
    }
}

fn turn(message: &Message) -> Turn {
    let content = wire::text_content(&message.parts);
    Turn { role: wire::role(message).to_owned(), content }
}
