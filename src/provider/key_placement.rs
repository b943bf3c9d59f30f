//! Where a request carries its key.

use super::{Credential, OutgoingRequest};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyPlacement {
    Bearer,
    Header(String),
    Query(String),
}

impl KeyPlacement {
    pub(super) fn attach(&self, key: &Credential, outgoing: &mut OutgoingRequest) {
        match self {
            Self::Bearer => {
                outgoing.set_header("authorization", format!("Bearer {}", key.expose()));
            }
            Self::Header(name) => outgoing.set_header(name, key.expose().to_owned()),
            Self::Query(name) => outgoing.append_query(name, key.expose()),
        }
    }
}
