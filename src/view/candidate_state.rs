//! Descriptions of a candidate's state and the reasons for it.

use std::time::Duration;

use super::format::{format_duration, format_elapsed, format_remaining};
use super::reasons::describe_limit;
use crate::chat::pluralize;
use crate::provider::{Target, TargetError};
use crate::route::{Availability, Candidate, CandidateConditions, HealthReport, SkipReason, Unavailable};

/// Older failures say nothing about the current state.
const RECENT_FAILURE_MS: i64 = 86_400_000;

pub(crate) fn describe_state(candidate: &Candidate, report: Option<&HealthReport>, now: i64) -> String {
    let availability = match (&candidate.target, report) {
        (Err(error), _) => return describe_target_error(error).to_owned(),
        (Ok(_), None) => return "ready".to_owned(),
        (Ok(_), Some(report)) => &report.availability,
    };
    match availability {
        Availability::Ready => "ready".to_owned(),
        Availability::Demoted => "demoted".to_owned(),
        Availability::HalfOpen => "half-open: one call may probe it".to_owned(),
        Availability::Unavailable { until, why } => {
            let wait = format_remaining(until - now);
            match why {
                Unavailable::BreakerOpen => format!("circuit breaker open for another {wait}"),
                Unavailable::BreakerProbing => "half-open: another call is probing it".to_owned(),
                Unavailable::RetryAfter => {
                    format!("in cooldown for another {wait} (requested by the provider)")
                }
                Unavailable::AtLimit(full) => describe_limit(full),
                Unavailable::Cooldown(class) => {
                    format!("{} in cooldown for another {wait} ({class})", blocked_scope(candidate, class))
                }
            }
        }
    }
}

/// What is in cooldown: the model, the key, or the provider if it needs no key.
fn blocked_scope(candidate: &Candidate, class: &str) -> &'static str {
    let has_key = candidate.target.as_ref().is_ok_and(|target| target.authorization_origin().is_some());
    match class {
        "model_unavailable" => "model",
        _ if has_key => "key",
        _ => "provider",
    }
}

fn describe_target_error(error: &TargetError) -> &'static str {
    match error {
        TargetError::NoKey { .. } | TargetError::BadKeyFile { .. } => "no API key",
        TargetError::NoCredentials { .. } => "no credentials",
        TargetError::NoSetting { .. } => "not set up",
        TargetError::Untrusted { .. } => "not trusted",
        TargetError::BadSetting { .. }
        | TargetError::PlainHttp { .. }
        | TargetError::BadUrl { .. }
        | TargetError::UserInfoInUrl { .. }
        | TargetError::BadKey { .. } => "not usable",
    }
}

/// The state in `--json` output.
pub(super) fn state_code(candidate: &Candidate, report: Option<&HealthReport>) -> &'static str {
    match &candidate.target {
        Err(error) => SkipReason::TargetError(error.clone()).code(),
        Ok(_) => report.map_or("ready", |report| report.availability.code()),
    }
}

/// The reason for the state; may be empty.
pub(super) fn describe_state_reason(
    candidate: &Candidate,
    report: Option<&HealthReport>,
    now: i64,
) -> String {
    let report = match (&candidate.target, report) {
        (Err(error), _) => {
            let message = error.to_string();
            // Drop the part before the colon: the state already says it.
            return message.split_once(": ").map_or(message.clone(), |(_, rest)| rest.to_owned());
        }
        (Ok(_), None) => return String::new(),
        (Ok(_), Some(report)) => report,
    };
    let mut reasons = Vec::new();
    if let Some((at, class)) = &report.last_failure
        && now - at <= RECENT_FAILURE_MS
    {
        reasons.push(format!("{class} {}", format_elapsed(now - at)));
    }
    reasons.extend(describe_error_rate(report));
    match report.trips {
        0 => {}
        1 => reasons.push("1 trip".to_owned()),
        trips => reasons.push(format!("{trips} trips")),
    }
    reasons.join("; ")
}

/// The share of recent calls that failed. Both counts decay over time, so they are rounded.
fn describe_error_rate(report: &HealthReport) -> Option<String> {
    let calls = report.recent_calls.round();
    if calls < 1.0 {
        return None;
    }
    let calls_text = if calls == 1.0 { "1 recent call".to_owned() } else { format!("{calls} recent calls") };
    let share = 100.0 * report.recent_errors / report.recent_calls;
    Some(match share.round() {
        0.0 => format!("about {calls_text}, no failures"),
        share => format!("failures in {share}% of about {calls_text}"),
    })
}

/// Time to first token and time per token; `None` if unmeasured.
pub(super) fn format_token_times(report: Option<&HealthReport>) -> [Option<String>; 2] {
    let first = report.and_then(|report| report.first_token_ms);
    let token = report.and_then(|report| report.token_ms);
    let first = first.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()).map(format_duration);
    let token = token.map(|ms| if ms < 9.95 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") });
    [first, token]
}

/// The conditions under which a candidate is used, one per line; empty if there are none.
pub(super) fn describe_conditions(when: &CandidateConditions) -> Vec<String> {
    let mut conditions = Vec::new();
    conditions
        .extend(when.min_input_tokens.map(|min| format!("input of at least {}", pluralize(min, "token"))));
    conditions
        .extend(when.max_input_tokens.map(|max| format!("input of at most {}", pluralize(max, "token"))));
    conditions.extend(when.label.as_ref().map(|label| format!("label {label}")));
    let contents = [(when.tools, "tools"), (when.attachments, "attachments"), (when.schema, "schema")];
    for (wanted, what) in contents {
        conditions.extend(wanted.map(|wanted| if wanted { what.to_owned() } else { format!("no {what}") }));
    }
    let line =
        |(n, condition): (usize, String)| format!("{} {condition}", if n == 0 { "when" } else { "and" });
    conditions.into_iter().enumerate().map(line).collect()
}

pub(super) fn is_simulated(candidate: &Candidate) -> bool {
    candidate.target.as_ref().is_ok_and(|target: &Target| target.provider.simulated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_token_times_count_as_unmeasured() {
        for ms in [f64::INFINITY, f64::NAN, 1e300, -5.0] {
            let report = HealthReport {
                availability: Availability::Ready,
                error_rate: 0.0,
                recent_calls: 0.0,
                recent_errors: 0.0,
                trips: 0,
                first_token_ms: Some(ms),
                token_ms: None,
                last_failure: None,
            };
            assert_eq!(format_token_times(Some(&report)), [None, None]);
        }
    }
}
