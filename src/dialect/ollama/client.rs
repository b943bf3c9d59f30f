//! The half that asks.

use super::Ollama;
use super::stream::Reader;
use super::wire::{Body, Options, Turn};
use crate::chat::{Event, Failure, Message};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for Ollama {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, request, stream, .. } = call;
        let system =
            request.system.iter().map(|text| Turn { role: "system".to_owned(), content: text.clone() });
        let body = Body {
            model: model.to_owned(),
            messages: system.chain(request.messages.iter().map(turn)).collect(),
            stream,
            options: Options {
                temperature: request.temperature,
                top_p: request.top_p,
                num_predict: request.max_tokens,
                stop: request.stop.clone(),
                seed: request.seed,
            },
        };
        let path = "/api/chat".to_owned();
        WireRequest { path, query: Vec::new(), headers: Vec::new(), body: wire::write(&body) }
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

/// Content is one string; several texts are joined by a blank line.
fn turn(message: &Message) -> Turn {
    Turn { role: wire::role(message).to_owned(), content: message.text() }
}
