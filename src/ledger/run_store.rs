//! What evals read and write.

use super::{Ledger, LedgerTables, SqlResult};
use crate::chat::{NanoDollars, TokenCount};
use crate::eval::store::{CachedAnswerRow, ResultRow, ResultSummaryRow, RunClaim, RunRow, RunStore};
use crate::route::store::{Lease, StoreError, StoreFuture};

impl RunStore for Ledger {
    fn is_durable(&self) -> bool {
        self.disabled_reason().is_none()
    }

    fn put_run(&self, row: RunRow) {
        self.enqueue_change(move |rows| rows.put_run(&row));
    }

    fn finish_run(&self, id: &str, at: i64) {
        let id = id.to_owned();
        self.enqueue_change(move |rows| rows.finish_run(&id, at));
    }

    fn run(&self, id: &str) -> Result<Option<RunRow>, StoreError> {
        self.read_tables(|rows| rows.run(id))
    }

    fn unfinished_runs(&self, set_path: &str) -> Result<Vec<RunRow>, StoreError> {
        self.read_tables(|rows| rows.unfinished_runs(set_path))
    }

    fn recent_runs(&self, set_path: &str, except: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        self.read_tables(|rows| rows.recent_runs(set_path, except, limit))
    }

    fn claim_run(&self, claim: RunClaim) -> StoreFuture<bool> {
        self.write_tables(move |rows| rows.claim_run(&claim))
    }

    fn renew_claim(&self, claim: RunClaim) {
        self.enqueue_change(move |rows| rows.acquire_lease(&claim_lease(&claim)));
    }

    fn release_claim(&self, run_id: &str, holder: &str) {
        let (scope, holder) = (claim_scope(run_id), holder.to_owned());
        self.enqueue_change(move |rows| rows.release_lease(&scope, &holder).map(drop));
    }

    fn put_result(&self, run: &str, row: ResultRow, acknowledge: bool) -> Option<StoreFuture<()>> {
        let run = run.to_owned();
        let put = move |rows: &LedgerTables<'_>| rows.put_result(&run, &row);
        if acknowledge {
            return Some(self.write_tables(put));
        }
        self.enqueue_change(put);
        None
    }

    fn replace_results(&self, run: &str, replaced: Vec<(ResultRow, ResultRow)>) {
        let run = run.to_owned();
        self.enqueue_change(move |rows| {
            replaced.iter().try_for_each(|(old, _)| rows.remove_result(&run, old))?;
            replaced.iter().try_for_each(|(_, new)| rows.put_result(&run, new))
        });
    }

    fn results_page(
        &self,
        run: &str,
        subject: &str,
        after: (&str, Option<u32>),
        limit: u32,
    ) -> Result<Vec<ResultRow>, StoreError> {
        self.read_tables(|rows| rows.results_page(run, subject, after, limit))
    }

    fn count_scored_results(&self, run: &str) -> Result<u64, StoreError> {
        self.read_tables(|rows| rows.count_scored_results(run))
    }

    fn result_summaries(
        &self,
        run: &str,
        subject: &str,
        cached: bool,
    ) -> Result<Vec<ResultSummaryRow>, StoreError> {
        self.read_tables(|rows| rows.result_summaries(run, subject, cached))
    }

    fn cached_answer(&self, request: &str, repeat: u32) -> Result<Option<CachedAnswerRow>, StoreError> {
        self.read_tables(|rows| rows.cached_answer(request, repeat))
    }

    fn put_answer(&self, request: &str, repeat: u32, row: CachedAnswerRow) {
        let request = request.to_owned();
        self.enqueue_change(move |rows| rows.put_answer(&request, repeat, &row));
    }

    fn remove_answers_before(&self, before: i64) {
        self.enqueue_change(move |rows| rows.remove_answers_before(before));
    }
}

fn claim_scope(run_id: &str) -> String {
    format!("run {run_id}")
}

fn claim_lease(claim: &RunClaim) -> Lease {
    Lease {
        scope: claim_scope(&claim.run_id),
        holder: claim.holder.clone(),
        since: claim.now,
        until: claim.now + claim.lease_ms,
        nano_dollars: NanoDollars::ZERO,
        tokens: TokenCount::ZERO,
    }
}

impl LedgerTables<'_> {
    fn claim_run(&self, claim: &RunClaim) -> SqlResult<bool> {
        self.release_dead_leases()?;
        let lease = claim_lease(claim);
        // A lease that ends later than any possible one was written before the clock was set back; ignore it.
        let live = claim.now + 1..claim.now + 2 * claim.lease_ms;
        let is_free = self.lease_totals(&lease.scope, live)?.count == 0;
        if is_free {
            self.acquire_lease(&lease)?;
        }
        Ok(is_free)
    }
}
