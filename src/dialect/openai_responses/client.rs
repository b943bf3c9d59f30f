//! The half that asks.

use serde_json::{Value, json};

use super::OpenaiResponses;
use super::stream::Reader;
use super::wire::Body;
use crate::chat::{Event, Failure, Message, Parameter, Role};
use crate::dialect::sse_stream::{SseStream, read_whole};
use crate::dialect::{Call, Client, Quirks, Reply, StreamDecoder, WireRequest, wire};

impl Client for OpenaiResponses {
    fn encode_request(&self, call: Call<'_>) -> WireRequest {
        let Call { model, request, stream, .. } = call;
        let body = Body {
            model: model.to_owned(),
            instructions: request.system.clone(),
            input: request.messages.iter().map(item).collect(),
            temperature: request.temperature,
            top_p: request.top_p,
            max_output_tokens: request.max_tokens,
            store: false,
            stream,
        };
        let path = "/responses".to_owned();
        WireRequest { path, query: Vec::new(), headers: Vec::new(), body: wire::write(&body) }
    }

    fn lacks(&self) -> &'static [Parameter] {
        &[Parameter::Stop, Parameter::Seed]
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

fn item(message: &Message) -> Value {
    let (role, kind) = match message.role {
        Role::User => ("user", "input_text"),
        Role::Assistant => ("assistant", "output_text"),
    };
    let content: Vec<Value> = message.parts.iter().map(|text| json!({"type": kind, "text": text})).collect();
    json!({"type": "message", "role": role, "content": content})
}
