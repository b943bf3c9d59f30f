//! What is said: the normalised contract between everything above and every wire format below.
//!
//! A [`Request`] goes in; a stream of [`Event`]s or a whole [`Response`] comes out, or a [`Failure`] whose class
//! alone decides what happens next. This room is pure: no clock, no network, no environment, no runtime. Start
//! with [`Response`] and [`FailureClass`].

mod assemble;
mod effort;
mod embedding;
mod event;
mod failure;
mod finish;
mod message;
mod redact;
mod request;
mod response;
mod tool;
mod usage;
mod words;

pub use assemble::Assembler;
pub use effort::{Effort, EffortError};
pub use embedding::{EmbeddingRequest, Embeddings, Purpose};
pub use event::Event;
pub use failure::{Failure, FailureClass, Phase};
pub use finish::FinishReason;
pub use message::{Media, Message, Part, Role, Source, ToolResult};
pub use redact::{clean_message, harmless, redact_keys};
pub use request::{CacheLifetime, Parameter, Request};
pub use response::{Citation, Response, ToolCall};
pub use tool::{Function, JsonSchema, Schema, Tool, ToolChoice};
pub use usage::Usage;
pub use words::{counted, times};
