//! What is said: the normalised contract between everything above and every wire format below.
//!
//! A [`Request`] goes in; a stream of [`Event`]s or a whole [`Response`] comes out, or a [`Failure`] whose class
//! alone decides what happens next. This room is pure: no clock, no network, no environment, no runtime. Start
//! with [`Response`] and [`FailureClass`].

mod assemble;
mod event;
mod failure;
mod finish;
mod message;
mod redact;
mod request;
mod response;
mod usage;

pub use assemble::Assembler;
pub use event::Event;
pub use failure::{Failure, FailureClass, Phase};
pub use finish::FinishReason;
pub use message::{Message, Role};
pub use redact::{clean_message, harmless, redact_keys};
pub use request::{Parameter, Request};
pub use response::{Response, ToolCall};
pub use usage::Usage;
