//! The half that asks.

use super::Gemini;
use super::stream::Reader;
use super::wire::{Body, GenerationConfig, TextPart, Turn};
use crate::chat::{Event, Failure, Message, Role};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for Gemini {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, request, stream, .. } = call;
        let body = Body {
            contents: request.messages.iter().map(turn).collect(),
            system_instruction: request
                .system
                .clone()
                .map(|text| Turn { role: None, parts: vec![TextPart { text }] }),
            generation_config: GenerationConfig {
                temperature: request.temperature,
                top_p: request.top_p,
                max_output_tokens: request.max_tokens,
                stop_sequences: request.stop.clone(),
                seed: request.seed,
            },
        };
        let (method, query) = if stream {
            ("streamGenerateContent", vec![("alt", "sse".to_owned())])
        } else {
            ("generateContent", Vec::new())
        };
        let path = format!("/models/{}:{method}", wire::escape(model, b"-_.~/:@"));
        WireRequest { path, query, headers: Vec::new(), body: wire::write(&body) }
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
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "model",
    };
    let parts = message.parts.iter().map(|text| TextPart { text: text.clone() }).collect();
    Turn { role: Some(role.to_owned()), parts }
}
