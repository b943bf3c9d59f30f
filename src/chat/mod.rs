//! The normalized types that every dialect encodes and decodes. A [`Request`] goes in; [`StreamEvent`]s or a
//! complete [`Response`] come out, or a [`Failure`] whose class alone decides what happens next. This module
//! is pure: it depends on no other module and uses no clock, network, environment, or runtime.

mod assembler;
mod closest_match;
mod duration;
mod embedding;
mod failure;
mod finish_reason;
mod message;
mod nano_dollars;
mod plural;
mod reasoning_effort;
mod request;
mod response;
mod sanitize;
mod stream_event;
mod token_count;
mod tool;
mod usage;

pub use assembler::Assembler;
pub(crate) use closest_match::find_closest;
pub(crate) use duration::{DurationError, parse_age, parse_duration};
pub(crate) use embedding::{EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse};
pub(crate) use failure::FailurePhase;
pub use failure::{Failure, FailureClass};
pub use finish_reason::FinishReason;
pub use message::{Attachment, AttachmentSource, Message, Part, Role, ToolResult};
pub use nano_dollars::NanoDollars;
pub(crate) use plural::{format_times, pluralize};
pub use reasoning_effort::ReasoningEffort;
pub(crate) use request::RequestParameter;
pub use request::{PromptCacheTtl, Request};
pub(crate) use response::Citation;
pub use response::{Response, ToolCall};
pub(crate) use sanitize::{redact_api_keys, sanitize_char, sanitize_message};
pub use stream_event::StreamEvent;
pub use token_count::TokenCount;
pub use tool::{FunctionTool, JsonSchema, ResponseFormat, Tool, ToolChoice};
pub use usage::Usage;
