//! How a model is reached: providers as data, credentials, the transport and its timers, one exchange.
//!
//! This room does the I/O and nothing else: it decides nothing about retries or order (that is `route`), and it knows
//! no wire format (that is `dialect`) but that of lists of models. A key never leaves it except to its provider's own
//! host. Start with [`exchange()`].

mod credential;
mod exchange;
mod http;
mod list;
mod model_ref;
mod row;
#[cfg(test)]
pub(crate) mod scripted;
mod target;
mod transport;

pub use credential::{Credential, KeySource};
pub use exchange::{Exchanged, Timers, exchange};
pub use http::Http;
pub use list::{ListError, fetch, list};
pub use model_ref::{ModelRef, ModelRefError};
pub use row::{Auth, BaseUrlVariable, Provider, built_in_providers};
pub use target::{Target, TargetError, is_loopback};
pub use transport::{BodyStream, Incoming, Method, Outgoing, SendError, Transport};
