//! Converts results to and from ledger rows.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::store::ResultRow;
use super::{CaseFailure, CaseMetadata, CaseResult, GraderUsage, RepairSet, Verdict};
use crate::catalog::{Cost, CostSource};
use crate::chat::FailureClass;

/// The serialized name of an enum value.
pub(super) fn to_keyword(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The inverse of [`to_keyword`].
pub(super) fn from_keyword<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}

fn to_json(value: &impl Serialize) -> String {
    // Plain data always serializes.
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn to_milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// `None` for a negative, non-finite, or too large value.
pub(super) fn from_milliseconds(milliseconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(milliseconds / 1000.0).ok()
}

/// `failure` is the text of the result's failure; empty if it has none.
pub(super) fn encode_result(subject: &str, result: &CaseResult, failure: String, at: i64) -> ResultRow {
    let cost = result.cached_cost.unwrap_or(result.cost);
    ResultRow {
        subject: subject.to_owned(),
        case_id: result.case_id.clone(),
        repeat: result.repeat,
        case_digest: result.digest.to_string(),
        at,
        verdict: to_keyword(&result.verdict),
        score: result.score,
        text: result.text.clone(),
        assertions: to_json(&result.assertions),
        repaired_by: result.repaired_by.map(|repairs| repairs.to_string()).unwrap_or_default(),
        failure_class: result.failure.as_ref().map_or("", |failure| failure.class().as_str()).to_owned(),
        failure,
        finish_reason: result.finish_reason.map(|reason| to_keyword(&reason)).unwrap_or_default(),
        served_by: result.served_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        failovers: u32::try_from(result.failovers).unwrap_or(u32::MAX),
        nano_dollars: cost.nano_dollars,
        cost_source: to_keyword(&cost.source),
        usage: to_json(&result.usage),
        latency_ms: result.latency.map(to_milliseconds),
        queued_ms: to_milliseconds(result.queued),
        cached: result.cached_cost.is_some(),
        // Most results have no grader usage; an empty string takes less space.
        judging: if result.grader_usage == GraderUsage::default() {
            String::new()
        } else {
            to_json(&result.grader_usage)
        },
    }
}

/// `None` when the row cannot be parsed.
pub(super) fn decode_result(case: &CaseMetadata, row: &ResultRow) -> Option<CaseResult> {
    let cost = Cost { nano_dollars: row.nano_dollars, source: from_keyword::<CostSource>(&row.cost_source)? };
    let class = FailureClass::ALL.into_iter().find(|class| class.as_str() == row.failure_class);
    Some(CaseResult {
        repeat: row.repeat,
        verdict: Verdict::from_name(&row.verdict)?,
        score: row.score,
        text: row.text.clone(),
        assertions: serde_json::from_str(&row.assertions).ok()?,
        repaired_by: RepairSet::parse(&row.repaired_by),
        failure: class.map(|class| CaseFailure::Stored { class, message: row.failure.clone() }),
        finish_reason: from_keyword(&row.finish_reason),
        served_by: row.served_by.parse().ok(),
        failovers: usize::try_from(row.failovers).ok()?,
        cost: if row.cached { Cost::ZERO } else { cost },
        cached_cost: row.cached.then_some(cost),
        grader_usage: match row.judging.as_str() {
            "" => GraderUsage::default(),
            judging => serde_json::from_str(judging).ok()?,
        },
        latency: row.latency_ms.and_then(from_milliseconds),
        usage: serde_json::from_str(&row.usage).ok()?,
        ..CaseResult::unscored(case, from_milliseconds(row.queued_ms)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FinishReason, NanoDollars, TokenCount, Usage};
    use crate::eval::case::case;
    use crate::eval::{AssertionKind, AssertionResult, Repair};

    #[test]
    fn case_result_round_trips() {
        let cost = Cost { nano_dollars: Some(NanoDollars::new(12_345)), source: CostSource::Estimated };
        let full = CaseResult {
            repeat: 2,
            verdict: Verdict::Fail,
            score: Some(0.1 + 0.2),
            text: "line\n\"two\"".into(),
            assertions: vec![AssertionResult {
                name: "not-contains".into(),
                verdict: Verdict::Fail,
                score: 0.0,
                reason: "it does".into(),
                kind: AssertionKind::Content,
                weight: 3.0,
            }],
            repaired_by: Some(RepairSet::from(Repair::CutPreamble).union(Repair::StripFences.into())),
            finish_reason: Some(FinishReason::ToolCalls),
            served_by: "together/meta/llama".parse().ok(),
            failovers: 1,
            cost,
            grader_usage: GraderUsage { calls: 3, cost: Cost::UNKNOWN, votes: 3, agreed: 2 },
            latency: Some(Duration::from_micros(1_234_500)),
            usage: Usage {
                input_tokens: Some(TokenCount::new(3)),
                output_tokens: Some(TokenCount::ZERO),
                ..Usage::default()
            },
            ..CaseResult::unscored(&case("c").metadata, Duration::from_millis(3))
        };
        let cached = CaseResult { cost: Cost::ZERO, cached_cost: Some(cost), latency: None, ..full.clone() };
        let failed = CaseResult {
            failure: Some(CaseFailure::Stored {
                class: FailureClass::RateLimited,
                message: "slow down".into(),
            }),
            cost: Cost::UNKNOWN,
            ..CaseResult::unscored(&case("c").metadata, Duration::ZERO)
        };
        for result in [full, cached, failed] {
            let failure = if result.failure.is_some() { "slow down".to_owned() } else { String::new() };
            let row = encode_result("s", &result, failure, 1);
            let back = decode_result(&case("c").metadata, &row).unwrap();
            assert_eq!(format!("{back:?}"), format!("{result:?}"));
        }
        assert!(decode_result(&case("c").metadata, &ResultRow::default()).is_none());
    }
}
