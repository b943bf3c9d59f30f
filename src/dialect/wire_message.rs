//! HTTP requests and responses as a dialect sees them.

use super::{WireHeaders, wire_json};

/// An HTTP request relative to the provider's base URL, without credentials. Always a POST with a JSON body.
#[derive(Clone, Debug, PartialEq)]
pub struct WireRequest {
    /// Path after the base URL, with a leading slash.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    /// Headers that the dialect requires.
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
}

impl WireRequest {
    pub(super) fn new(path: impl Into<String>, body: &impl serde::Serialize) -> Self {
        Self { path: path.into(), query: Vec::new(), headers: Vec::new(), body: wire_json::encode_json(body) }
    }
}

/// A complete HTTP response.
#[derive(Clone, Copy, Debug)]
pub struct WireResponse<'a> {
    pub status: u16,
    pub headers: &'a WireHeaders,
    pub body: &'a [u8],
}
