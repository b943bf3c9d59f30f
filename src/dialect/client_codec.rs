//! The client half of a dialect: encodes requests and decodes responses.

use serde_json::{Map, Value};

use super::error_body::ErrorBody;
use super::{Quirks, WireRequest, WireResponse};
use crate::chat::{
    Assembler, Failure, Part, ReasoningEffort, Request, RequestParameter, Response, StreamEvent,
};

/// A request to one model, ready to be encoded.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    /// The model's name at its provider.
    pub model: &'a str,
    pub request: &'a Request,
    pub is_streaming: bool,
    pub quirks: &'a Quirks,
    /// The caller's options for this provider, merged over the body at the end.
    pub provider_options: Option<&'a Map<String, Value>>,
}

/// Whether a stream needs more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeProgress {
    More,
    /// The response is complete, so the connection can be closed.
    Done,
}

/// Content of a request that a model or its dialect cannot accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsupportedInput {
    Tools,
    Images,
    ImagesByUrl,
    Documents,
    DocumentsByUrl,
}

/// The client half of a dialect.
pub trait ClientCodec: Sync {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest;

    /// Parameters that the dialect cannot express.
    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[]
    }

    /// The effort levels that the dialect can express, for models with unknown levels.
    fn supported_efforts(&self, _quirks: &Quirks) -> &'static [ReasoningEffort] {
        &ReasoningEffort::ALL
    }

    fn max_temperature(&self) -> u8 {
        2
    }

    /// Content of this part that the dialect cannot carry; `None` if it can carry all of it.
    fn unsupported_part(&self, _part: &Part, _quirks: &Quirks) -> Option<UnsupportedInput> {
        None
    }

    /// Decodes a complete response with a 2xx status into the events of an equivalent stream. `events` is
    /// filled even on failure, because the tokens of a broken response are billed too.
    ///
    /// # Errors
    /// The failure that the body reports, or `malformed` if it does not match the dialect.
    fn decode_response_events(
        &self,
        reply: WireResponse<'_>,
        quirks: &Quirks,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure>;

    /// Decodes a complete response with a 2xx status.
    ///
    /// # Errors
    /// As [`decode_response_events`](Self::decode_response_events), and `empty` if the response has no
    /// content.
    fn decode_response(&self, reply: WireResponse<'_>, quirks: &Quirks) -> Result<Response, Failure> {
        let mut events = Vec::new();
        self.decode_response_events(reply, quirks, &mut events)?;
        let mut assembler = Assembler::default();
        events.iter().for_each(|event| assembler.push(event));
        assembler.finish()
    }

    /// Decodes a response with any other status.
    fn decode_failure(&self, reply: WireResponse<'_>) -> Failure {
        ErrorBody::decode_failure(reply)
    }

    fn stream_decoder(&self, quirks: &Quirks) -> Box<dyn StreamDecoder>;
}

/// Decodes one streamed response from byte chunks of any size.
pub trait StreamDecoder: Send {
    /// Decodes bytes and appends their events.
    ///
    /// # Errors
    /// The failure that the stream reports, or `malformed` at the first frame that cannot be parsed: skipping
    /// a frame could lose text.
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<DecodeProgress, Failure>;

    /// Called when the stream ends, cleanly or by a broken connection.
    ///
    /// # Errors
    /// `truncated` without the dialect's terminal event, `empty` if no bytes arrived.
    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure>;
}
