//! Calls models: providers as data, credentials and request signing, the HTTP transport, and one exchange
//! with its timeouts. This module does the I/O. It depends on `chat`, `catalog`, and `dialect`.
//! Retries and candidate order belong to `route` and wire formats to `dialect`, except for model lists. A key
//! is sent only to its provider's own host.

mod adapt_request;
#[cfg(test)]
mod adapt_request_tests;
mod authorization;
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
mod key_placement;
mod limited_body;
mod list_models;
mod loopback;
mod model_ref;
mod outgoing_request;
mod provider_row;
mod redact_secrets;
#[cfg(test)]
pub(crate) mod scripted_transport;
mod signer;
mod target;
mod target_error;
mod tool_answer;
mod transport;

pub(crate) use adapt_request::{AdaptedRequest, RequestAdjustment};
pub(crate) use credential::{Credential, KeySource};
pub(crate) use drill::{DrillFault, DrillRule, DrillTarget, DrillTransport};
pub(crate) use embed::embed_texts;
pub(crate) use endpoint::{fill_template, is_valid_setting};
pub(crate) use environment::Environment;
pub(crate) use exchange::{ExchangeRecord, ExchangeTimeouts, exchange};
pub use http_transport::HttpTransport;
pub(crate) use list_models::{fetch_document, list_models};
pub(crate) use loopback::is_loopback;
pub use model_ref::ModelRef;
pub(crate) use model_ref::ModelRefError;
pub use provider_row::{AuthScheme, Provider, built_in_providers};
pub(crate) use provider_row::{Hosting, ProviderLimits};
pub(crate) use signer::SharedSigner;
pub use target::Target;
pub(crate) use target_error::TargetError;
pub use transport::{HttpMethod, IncomingResponse, OutgoingRequest, SendError, Transport};
