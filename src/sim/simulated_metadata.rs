//! What the simulator makes up about itself and its callers: IDs, times, and limits.

use std::time::Duration;

use jiff::Timestamp;

use crate::chat::{FailureClass, TokenCount, Usage};
use crate::dialect::{RateLimit, ResponseIdentity, ResponseMetadata, ResponseTiming};

/// The start of 2026. Fixed, so that equal requests get equal responses.
const CREATED_AT: i64 = 1_767_225_600;

/// Errors share one request ID, so that they do not depend on earlier requests.
const FAILURE_REQUEST_ID: &str = "req_sim";

const REQUEST_LIMIT: u64 = 10_000;

const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Simulated responses report no duration, because the simulated latency is not a measurement.
pub(super) const SIMULATED_TIMING: ResponseTiming =
    ResponseTiming { total: Duration::ZERO, first_token: Some(Duration::ZERO) };

pub(super) fn created_at() -> Timestamp {
    Timestamp::from_second(CREATED_AT).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The identity of the response to the n-th request.
pub(super) fn response_identity(nth: u64, model: &str) -> ResponseIdentity {
    ResponseIdentity { response_id: format!("sim-{nth}"), model: model.to_owned(), created_at: created_at() }
}

/// A caller far below its limit.
pub(super) fn response_metadata(nth: u64) -> ResponseMetadata {
    ResponseMetadata {
        request_id: Some(format!("req_sim-{nth}")),
        request_limit: RateLimit {
            limit: Some(REQUEST_LIMIT),
            remaining: Some(REQUEST_LIMIT - 1),
            reset_after: Some(Duration::from_millis(6)),
        },
        ..ResponseMetadata::default()
    }
}

/// For a rate limit, a caller that has reached its limit.
pub(super) fn failure_metadata(class: FailureClass) -> ResponseMetadata {
    let mut metadata =
        ResponseMetadata { request_id: Some(FAILURE_REQUEST_ID.to_owned()), ..ResponseMetadata::default() };
    if class == FailureClass::RateLimited {
        metadata.retry_after = Some(RETRY_AFTER);
        metadata.request_limit =
            RateLimit { limit: None, remaining: Some(0), reset_after: Some(RETRY_AFTER) };
    }
    metadata
}

/// The counts at the start of a stream, where Anthropic counts one output token.
pub(super) fn opening_usage(usage: &Usage) -> Usage {
    Usage { output_tokens: Some(TokenCount::new(1)), ..*usage }
}
