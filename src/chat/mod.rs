//! What is said: the normalised contract between everything above and every wire format below.
//!
//! A [`Request`] goes in; a stream of [`Event`]s or a whole [`Response`] comes out, or a [`Failure`] whose class
//! alone decides what happens next. This room is pure: no clock, no network, no environment, no runtime. Start
//! with [`Response`] and [`FailureClass`].

mod assembler;
mod embedding;
mod failure;
mod finish_reason;
mod message;
mod plural;
mod reasoning_effort;
mod redact;
mod request;
mod response;
mod stream_event;
mod tool;
mod usage;

pub use assembler::Assembler;
pub use embedding::{EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse};
pub use failure::{Failure, FailureClass, FailurePhase};
pub use finish_reason::FinishReason;
pub use message::{Attachment, AttachmentSource, Message, Part, Role, ToolResult};
pub use plural::{format_times, pluralize};
pub use reasoning_effort::{ParseReasoningEffortError, ReasoningEffort};
pub use redact::{redact_api_keys, sanitize_char, sanitize_message};
pub use request::{PromptCacheTtl, Request, RequestParameter};
pub use response::{Citation, Response, ToolCall};
pub use stream_event::StreamEvent;
pub use tool::{FunctionTool, JsonSchema, ResponseFormat, Tool, ToolChoice};
pub use usage::Usage;
