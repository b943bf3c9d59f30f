//! How a model is reached: providers as data, credentials and signatures, the transport and its timers, one exchange.
//!
//! This room does the I/O and nothing else: it decides nothing about retries or order (that is `route`), and it knows
//! no wire format (that is `dialect`) but that of lists of models. A key never leaves it except to its provider's own
//! host. Start with [`exchange()`].

mod adapt_request;
#[cfg(test)]
mod adapt_request_tests;
mod authorization;
mod body;
mod credential;
mod drill;
#[cfg(test)]
mod drill_tests;
mod embed;
mod endpoint;
mod environment;
mod exchange;
mod glob;
mod http_transport;
mod list_models;
mod model_ref;
mod outgoing_request;
mod provider_row;
mod redaction;
#[cfg(test)]
pub(crate) mod scripted_transport;
mod signer;
mod target;
mod tool_answer;
mod transport;

pub use adapt_request::{AdaptedRequest, RequestAdjustment};
pub use credential::{Credential, KeySource};
pub use drill::{DrillFault, DrillRule, DrillTarget, DrillTransport};
pub use embed::embed_texts;
pub use endpoint::{fill_template, is_valid_setting};
pub use environment::Environment;
pub use exchange::{ExchangeRecord, ExchangeTimeouts, exchange};
pub use http_transport::HttpTransport;
pub use list_models::{ListModelsError, fetch_document, list_models};
pub use model_ref::{ModelRef, ModelRefError};
pub use provider_row::{AuthScheme, BaseUrlVariable, Hosting, Provider, ProviderLimits, built_in_providers};
pub use signer::SharedSigner;
pub use target::{Target, TargetError, is_loopback};
pub use transport::{BodyStream, HttpMethod, IncomingResponse, OutgoingRequest, SendError, Transport};
