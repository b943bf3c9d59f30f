//! How a model is reached: providers as data, credentials and signatures, the transport and its timers, one exchange.
//!
//! This room does the I/O and nothing else: it decides nothing about retries or order (that is `route`), and it knows
//! no wire format (that is `dialect`) but that of lists of models. A key never leaves it except to its provider's own
//! host. Start with [`exchange()`].

mod authorization;
mod body;
mod credential;
mod drill;
#[cfg(test)]
mod drill_tests;
mod embed;
mod environment;
mod exchange;
mod fit;
#[cfg(test)]
mod fit_tests;
mod glob;
mod http;
mod list;
mod model_ref;
mod place;
mod redaction;
mod request;
mod row;
#[cfg(test)]
pub(crate) mod scripted;
mod shape;
mod signer;
mod target;
mod transport;

pub use credential::{Credential, KeySource};
pub use drill::{Drill, Drilled, Fault, Struck};
pub use embed::embed;
pub use environment::Environment;
pub use exchange::{Exchanged, Timers, exchange};
pub use fit::{Adjustment, Fitted};
pub use http::Http;
pub use list::{ListError, fetch, list};
pub use model_ref::{ModelRef, ModelRefError};
pub use place::{filled, is_setting};
pub use row::{Auth, BaseUrlVariable, Hosting, Limits, Provider, built_in_providers};
pub use signer::SharedSigner;
pub use target::{Target, TargetError, is_loopback};
pub use transport::{BodyStream, Incoming, Method, Outgoing, SendError, Transport};
