//! Runs, results, and answers as a store keeps them.

use crate::chat::NanoDollars;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunRow {
    pub id: String,
    pub set_name: String,
    /// Absolute path of the set's file.
    pub set_path: String,
    /// Digest of the set when the run started or was last resumed.
    pub set_digest: String,
    /// Names of the subjects, as JSON.
    pub subjects: String,
    /// Selected cases and number of repeats, as JSON.
    pub options: String,
    /// Milliseconds since 1970.
    pub started_at: i64,
    /// When every case had a result, in milliseconds since 1970; 0 until then.
    pub finished_at: i64,
}

/// Result of one repeat of a case with one subject. Strings hold the values of the JSON reports; an empty
/// string means none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ResultRow {
    pub subject: String,
    pub case_id: String,
    /// Counts from 0.
    pub repeat: u32,
    pub case_digest: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// `pass`, `fail`, or `unscored`.
    pub verdict: String,
    pub score: Option<f64>,
    pub text: String,
    /// Result of each assertion, as JSON.
    pub assertions: String,
    /// The format repair that would make a failed answer pass.
    pub repaired_by: String,
    /// Class of the failure that left the case unscored.
    pub failure_class: String,
    /// Message of that failure.
    pub failure: String,
    pub finish_reason: String,
    /// The model that answered, as `provider/model`.
    pub served_by: String,
    pub failovers: u32,
    /// Cost, or, for a cached answer, its original cost; `None` if unknown.
    pub nano_dollars: Option<NanoDollars>,
    pub cost_source: String,
    /// As JSON.
    pub usage: String,
    /// Latency of the provider.
    pub latency_ms: Option<f64>,
    /// Time spent in this process's queues.
    pub queued_ms: f64,
    /// Whether the answer came from the cache.
    pub cached: bool,
    /// Usage of judges, as JSON; empty without judges.
    pub judging: String,
}

/// A complete answer that can be reused.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CachedAnswerRow {
    /// Milliseconds since 1970.
    pub at: i64,
    /// The model that the provider reported.
    pub served_model: String,
    /// Parts of the answer, as JSON.
    pub parts: String,
    pub finish_reason: String,
    /// As JSON.
    pub usage: String,
    /// `None` if unknown.
    pub nano_dollars: Option<NanoDollars>,
    pub cost_source: String,
    /// Unique key of the run, subject, and case that requested the answer; empty for older answers.
    pub requested_by: String,
    /// From sending the request to the last byte; `None` for older answers.
    pub latency_ms: Option<f64>,
    /// From sending the request to the first content; `None` if unknown.
    pub first_token_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ResultSummaryRow {
    pub case_id: String,
    pub case_digest: String,
    /// `pass`, `fail`, or `unscored`.
    pub verdict: String,
    pub score: Option<f64>,
}
