//! The half that asks.

use serde_json::json;

use super::OpenaiChat;
use super::stream::Reader;
use super::wire::{Body, StreamOptions, WireMessage};
use crate::chat::{Event, Failure, Message};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{
    Call, Client, MaxTokensField, Quirks, Reply, StreamDecoder, SystemRole, WireRequest, wire,
};

impl Client for OpenaiChat {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, request, stream, quirks } = call;
        let mut messages = Vec::with_capacity(request.messages.len() + 1);
        if let Some(system) = &request.system {
            let role = match quirks.system_role {
                SystemRole::System => "system",
                SystemRole::Developer => "developer",
            };
            messages.push(WireMessage { role: role.into(), content: json!(system) });
        }
        messages.extend(request.messages.iter().map(message));
        let mut body = Body {
            model: model.to_owned(),
            messages,
            temperature: request.temperature,
            top_p: request.top_p,
            stop: request.stop.clone(),
            stream,
            stream_options: (stream && !quirks.no_stream_options)
                .then_some(StreamOptions { include_usage: true }),
            ..Body::default()
        };
        match quirks.max_tokens_field {
            MaxTokensField::MaxTokens => body.max_tokens = request.max_tokens,
            MaxTokensField::MaxCompletionTokens => body.max_completion_tokens = request.max_tokens,
        }
        if quirks.random_seed {
            body.random_seed = request.seed;
        } else {
            body.seed = request.seed;
        }
        WireRequest {
            path: "/chat/completions".to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: wire::write(&body),
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

/// One text is a plain string: some speakers of the dialect know nothing else.
fn message(message: &Message) -> WireMessage {
    let content = wire::text_content(&message.parts);
    WireMessage { role: wire::role(message).to_owned(), content }
}
