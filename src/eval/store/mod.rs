//! The interface to stored runs, results, and answers. The ledger implements it.

mod rows;

use crate::route::store::{StoreError, StoreFuture};
pub(crate) use rows::{CachedAnswerRow, ResultRow, ResultSummaryRow, RunRow};

/// A claim on a run, so that no other process resumes it at the same time.
#[derive(Clone, Debug)]
pub(crate) struct RunClaim {
    pub run_id: String,
    /// Unique name of the process's claim.
    pub holder: String,
    /// In milliseconds since 1970.
    pub now: i64,
    pub lease_ms: i64,
}

/// Stored runs, results, and answers. Changes are applied in order; all reads see the changes that were
/// written before. Every read fails if the store cannot be read.
pub(crate) trait RunStore: Send + Sync {
    /// Whether results outlive the process, so that a run can be resumed.
    fn is_durable(&self) -> bool;

    /// Inserts or replaces a run.
    fn put_run(&self, row: RunRow);

    /// Marks a run as complete.
    fn finish_run(&self, id: &str, at: i64);

    fn run(&self, id: &str) -> Result<Option<RunRow>, StoreError>;

    /// The unfinished runs of a set, newest first.
    fn unfinished_runs(&self, set_path: &str) -> Result<Vec<RunRow>, StoreError>;

    /// The latest runs of a set, newest first, excluding the run `except`.
    fn recent_runs(&self, set_path: &str, except: &str, limit: u32) -> Result<Vec<RunRow>, StoreError>;

    /// Claims a run; resolves to whether no other living process has it.
    fn claim_run(&self, claim: RunClaim) -> StoreFuture<bool>;

    /// Extends a claim.
    fn renew_claim(&self, claim: RunClaim);

    fn release_claim(&self, run_id: &str, holder: &str);

    /// Inserts or replaces a result. With `acknowledge`, the future resolves once it is written.
    fn put_result(&self, run: &str, row: ResultRow, acknowledge: bool) -> Option<StoreFuture<()>>;

    /// Replaces results, for example of renamed cases. All old ones are removed before new ones are added,
    /// because two cases may have swapped IDs.
    fn replace_results(&self, run: &str, replaced: Vec<(ResultRow, ResultRow)>);

    /// At most `limit` results of a subject in a run, ordered by case id and repeat. Starts after the given
    /// case and repeat, or at the case's first repeat if the repeat is `None`.
    fn results_page(
        &self,
        run: &str,
        subject: &str,
        after: (&str, Option<u32>),
        limit: u32,
    ) -> Result<Vec<ResultRow>, StoreError>;

    fn count_scored_results(&self, run: &str) -> Result<u64, StoreError>;

    /// A subject's results in a run, by case and repeat. If `cached` is false, answers from the cache are
    /// excluded, because they say nothing about the model at the time of the run.
    fn result_summaries(
        &self,
        run: &str,
        subject: &str,
        cached: bool,
    ) -> Result<Vec<ResultSummaryRow>, StoreError>;

    /// The answer stored for this digest of a request and this repeat.
    fn cached_answer(&self, request: &str, repeat: u32) -> Result<Option<CachedAnswerRow>, StoreError>;

    /// Inserts or replaces an answer.
    fn put_answer(&self, request: &str, repeat: u32, row: CachedAnswerRow);

    fn remove_answers_before(&self, before: i64);
}
