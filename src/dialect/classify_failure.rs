//! Maps a provider's error to a failure class.
//!
//! The order is fixed: a structured code that names one class; a phrase, if code and status are generic; the
//! HTTP status; for errors in a stream without a status, the error type; then `unknown`. A structured code
//! precedes phrases because some providers write "insufficient quota" for a concurrency limit. Quota precedes
//! rate limit.

use crate::chat::FailureClass;
use FailureClass as Class;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ErrorFields<'a> {
    /// The HTTP status or, within a stream, the status that the error body names.
    pub status: Option<u16>,
    pub code: &'a str,
    pub error_type: &'a str,
    pub message: &'a str,
}

pub(super) fn classify_error(fields: ErrorFields<'_>) -> FailureClass {
    let by_code = class_by_code(fields.code).or_else(|| class_by_code(fields.error_type));
    by_code
        .or_else(|| if has_ambiguous_status(fields) { class_by_phrase(fields) } else { None })
        .or_else(|| fields.status.and_then(class_by_status))
        .or_else(|| if fields.status.is_none() { class_by_type(fields) } else { None })
        .unwrap_or(Class::Unknown)
}

/// Codes that name one class, in lower case. Includes error types that are as specific as a code.
const CODE_TABLE: &[(Class, &[&str])] = &[
    (
        Class::ContextOverflow,
        &[
            "context_length_exceeded",
            "context_window_exceeded",
            "too_many_tokens",
            "too_many_prompt_tokens",
            "request_too_large",
        ],
    ),
    (
        Class::QuotaExhausted,
        &[
            "insufficient_quota",
            "billing_error",
            "exceeded_current_quota_error",
            "quota_per_day",
            "insufficient_credits",
            "insufficient_balance",
            "billing_hard_limit_reached",
            "billing_not_active",
            "contract_spend_limit_reached",
            "servicequotaexceededexception",
            "payment_required",
            "1113",
        ],
    ),
    (
        Class::RateLimited,
        &[
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limit_reached_error",
            "rate_limited",
            "too_many_requests",
            "queue_exceeded",
            "ramp_limit_exceeded",
            "throttlingexception",
            "modelnotreadyexception",
            "concurrency_limit_exceeded",
            "1302",
            "1303",
            "1305",
        ],
    ),
    (
        Class::Auth,
        &[
            "invalid_api_key",
            "api_key_invalid",
            "authentication_error",
            "invalid_authentication_error",
            "unauthenticated",
            "account_deactivated",
        ],
    ),
    (
        Class::ModelUnavailable,
        &[
            "model_not_found",
            "deploymentnotfound",
            "model_decommissioned",
            "model_deprecated",
            "invalid_model",
            "unknown_model",
            "not_found_error",
            "unsupported_country_region_territory",
            "model_terms_required",
        ],
    ),
    (
        Class::ContentPolicy,
        &[
            "content_filter",
            "content_policy_violation",
            "invalid_prompt",
            "responsibleaipolicyviolation",
            "moderation_blocked",
            "data_inspection_failed",
            "1301",
        ],
    ),
    (
        Class::ServerError,
        &["overloaded_error", "engine_overloaded_error", "server_overloaded", "service_unavailable"],
    ),
    (
        Class::BadRequest,
        &[
            "unsupported_parameter",
            "unsupported_value",
            "unknown_parameter",
            "invalid_value",
            "string_above_max_length",
            "decimal_below_min_value",
        ],
    ),
];

/// Phrases, in lower case, that refine generic errors.
const PHRASE_TABLE: &[(Class, &[&str])] = &[
    (
        Class::Auth,
        &[
            "api key not valid",
            "incorrect api key",
            "invalid api key",
            "invalid x-api-key",
            "invalid api-key",
            "api key is invalid",
            "api_key_invalid",
        ],
    ),
    (
        Class::ContextOverflow,
        &[
            "maximum context length",
            "context_length_exceeded",
            "context length",
            "context window",
            "context size",
            "context limit",
            "prompt is too long",
            "prompt too long",
            "input is too long",
            "too many tokens",
            "too many input tokens",
            "input tokens exceeded",
            "input token count",
            "maximum number of tokens allowed",
            "reduce the length of the messages",
            "reduce your prompt",
        ],
    ),
    (
        Class::QuotaExhausted,
        &[
            "credit balance",
            "insufficient credit",
            "insufficient balance",
            "insufficient quota",
            "insufficient_quota",
            "out of credits",
            "monthly included credits",
            "spend limit",
            "usage limit",
            "billing hard limit",
        ],
    ),
    (
        Class::ModelUnavailable,
        &[
            "model_not_found",
            "no endpoints found",
            "no available model provider",
            "decommissioned",
            "model does not exist",
            "does not exist or you do not have access",
            "don't have access to the model",
            "do not have access to the model",
            "does not have access to model",
            "model identifier is invalid",
            "model is not available",
            "model is not supported",
            "unsupported model",
            "invalid model",
            "unknown model",
            "country, region",
            "not available in your region",
            "not supported in your region",
            "user location is not supported",
        ],
    ),
    (
        Class::ContentPolicy,
        &[
            "content management policy",
            "content policy",
            "content_filter",
            "responsibleaipolicyviolation",
            "safety system",
            "usage polic",
            "input was flagged",
        ],
    ),
    (Class::RateLimited, &["rate limit", "too many requests", "requests per minute", "tokens per minute"]),
];

/// Error types that are only as specific as a status, used only if there is no status.
const TYPE_TABLE: &[(Class, &[&str])] = &[
    (
        Class::ServerError,
        &[
            "overloaded",
            "server_error",
            "api_error",
            "internal",
            "unavailable",
            "deadline_exceeded",
            "timeout_error",
            "bad_gateway",
            "network_error",
            "modelstreamerror",
            "modelerror",
        ],
    ),
    (Class::RateLimited, &["rate_limit", "throttling", "resource_exhausted"]),
    (Class::Auth, &["authentication", "permission", "forbidden", "unauthorized"]),
    (Class::ModelUnavailable, &["not_found"]),
    (
        Class::BadRequest,
        &[
            "invalid_request",
            "invalid-request",
            "validation",
            "invalid_argument",
            "invalid-argument",
            "bad_request",
            "failed_precondition",
        ],
    ),
];

fn class_by_code(code: &str) -> Option<Class> {
    let code = code.to_ascii_lowercase();
    CODE_TABLE.iter().find(|(_, codes)| codes.contains(&code.as_str())).map(|(class, _)| *class)
}

/// Whether the status is too generic to decide alone. Errors within a stream have no status.
fn has_ambiguous_status(fields: ErrorFields<'_>) -> bool {
    matches!(fields.status, None | Some(400 | 403 | 422 | 429))
}

fn class_by_phrase(fields: ErrorFields<'_>) -> Option<Class> {
    let message = fields.message.to_lowercase();
    let found = PHRASE_TABLE
        .iter()
        .find(|(_, phrases)| phrases.iter().any(|p| message.contains(p)))
        .map(|(class, _)| *class);
    let class = found
        .or_else(|| is_missing_model_message(&message, fields.status).then_some(Class::ModelUnavailable))?;
    // A 429 is always about rate or quota, even if its text mentions something else.
    let is_limit = matches!(class, Class::QuotaExhausted | Class::RateLimited);
    (is_limit || fields.status != Some(429)).then_some(class)
}

/// Whether the message says that the model is missing ("the model `x` does not exist"), or a 403 is about the
/// model or region instead of the API key.
fn is_missing_model_message(message: &str, status: Option<u16>) -> bool {
    let mentions = |word: &str| message.contains(word);
    if status == Some(403) && (mentions("model") || mentions("region") || mentions("country")) {
        return true;
    }
    let after_model = message.find("model").map(|at| &message[at..]).unwrap_or_default();
    let near: String = after_model.chars().take(90).collect();
    ["not found", "does not exist", "no longer available"].iter().any(|phrase| near.contains(phrase))
}

fn class_by_status(status: u16) -> Option<Class> {
    Some(match status {
        401 | 403 => Class::Auth,
        402 => Class::QuotaExhausted,
        404 | 410 => Class::ModelUnavailable,
        408 => Class::Timeout,
        413 => Class::ContextOverflow,
        400 | 409 | 415 | 422 => Class::BadRequest,
        429 => Class::RateLimited,
        425 | 498 | 500..=599 => Class::ServerError,
        _ => return None,
    })
}

fn class_by_type(fields: ErrorFields<'_>) -> Option<Class> {
    let code_and_type = format!("{} {}", fields.code, fields.error_type).to_ascii_lowercase();
    let found = TYPE_TABLE
        .iter()
        .find(|(_, types)| types.iter().any(|t| code_and_type.contains(t)))
        .map(|(class, _)| *class);
    // An error within a stream without any details is the server's fault.
    found.or_else(|| code_and_type.trim().is_empty().then_some(Class::ServerError))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify_parts(status: u16, code: &str, kind: &str, message: &str) -> FailureClass {
        classify_error(ErrorFields {
            status: (status != 0).then_some(status),
            code,
            error_type: kind,
            message,
        })
    }

    #[test]
    fn precedence_cases() {
        assert_eq!(
            classify_parts(429, "concurrency_limit_exceeded", "", "insufficient quota"),
            Class::RateLimited
        );
        assert_eq!(
            classify_parts(
                429,
                "insufficient_quota",
                "insufficient_quota",
                "You exceeded your current quota"
            ),
            Class::QuotaExhausted
        );
        assert_eq!(
            classify_parts(429, "", "RESOURCE_EXHAUSTED", "You exceeded your current quota"),
            Class::RateLimited
        );
        assert_eq!(
            classify_parts(400, "", "invalid_request_error", "Your credit balance is too low"),
            Class::QuotaExhausted
        );
        assert_eq!(
            classify_parts(400, "", "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
            Class::ContextOverflow
        );
        assert_eq!(
            classify_parts(400, "", "invalid_request_error", "messages: at least one"),
            Class::BadRequest
        );
        assert_eq!(classify_parts(403, "", "", "no"), Class::Auth);
        assert_eq!(
            classify_parts(403, "", "", "You don't have access to the model with the specified model ID."),
            Class::ModelUnavailable
        );
        assert_eq!(
            classify_parts(403, "", "", "Your organization must be verified to use the model gpt-9"),
            Class::ModelUnavailable
        );
        assert_eq!(
            classify_parts(400, "", "", "The parameter `functions` is no longer available for this model."),
            Class::BadRequest
        );
        assert_eq!(
            classify_parts(400, "", "", "The model `gpt-9.1` does not exist"),
            Class::ModelUnavailable
        );
        assert_eq!(
            classify_parts(400, "invalid_prompt", "", "flagged as violating our usage policy"),
            Class::ContentPolicy
        );
        assert_eq!(
            classify_parts(500, "", "invalid_request_error", "prompt is too long"),
            Class::ServerError
        );
        assert_eq!(classify_parts(424, "", "", ""), Class::Unknown);
        assert_eq!(classify_parts(418, "", "server_error", ""), Class::Unknown);
    }

    #[test]
    fn in_band_error_cases() {
        assert_eq!(classify_parts(0, "", "overloaded_error", "Overloaded"), Class::ServerError);
        assert_eq!(classify_parts(0, "", "", ""), Class::ServerError);
        assert_eq!(classify_parts(0, "", "invalid_request_error", ""), Class::BadRequest);
        assert_eq!(classify_parts(0, "odd", "", "odd"), Class::Unknown);
    }

    #[test]
    fn status_cases() {
        let table = [
            (&[500, 502, 503, 504, 520, 524, 529, 425, 498][..], Class::ServerError),
            (&[400, 409, 415, 422], Class::BadRequest),
            (&[401, 403], Class::Auth),
            (&[404, 410], Class::ModelUnavailable),
            (&[402], Class::QuotaExhausted),
            (&[408], Class::Timeout),
            (&[413], Class::ContextOverflow),
            (&[429], Class::RateLimited),
            (&[424, 418, 302], Class::Unknown),
        ];
        for (statuses, expected) in table {
            for status in statuses {
                assert_eq!(classify_parts(*status, "", "", ""), expected, "{status}");
            }
        }
    }
}
