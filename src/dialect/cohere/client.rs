//! The half that asks.

use serde_json::json;

use super::Cohere;
use super::stream::Reader;
use super::wire::{Body, Turn};
use crate::chat::{Event, Failure, Message};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for Cohere {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, request, stream, .. } = call;
        let system =
            request.system.iter().map(|text| Turn { role: "system".to_owned(), content: json!(text) });
        let body = Body {
            model: model.to_owned(),
            messages: system.chain(request.messages.iter().map(turn)).collect(),
            temperature: request.temperature,
            p: request.top_p,
            max_tokens: request.max_tokens,
            stop_sequences: request.stop.clone(),
            seed: request.seed,
            stream,
        };
        let path = "/v2/chat".to_owned();
        WireRequest { path, query: Vec::new(), headers: Vec::new(), body: wire::write(&body) }
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
    Turn { role: wire::role(message).to_owned(), content: wire::text_content(&message.parts) }
}
