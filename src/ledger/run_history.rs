//! Results of earlier runs, for comparisons.

use rusqlite::params;

use super::run_rows::{RUN_COLUMNS, run_from_row};
use super::{LedgerTables, SqlResult};
use crate::eval::store::{ResultSummaryRow, RunRow};

impl LedgerTables<'_> {
    /// The latest runs of a set, newest first, excluding the run `except`.
    pub(crate) fn recent_runs(&self, set_path: &str, except: &str, limit: u32) -> SqlResult<Vec<RunRow>> {
        self.connection
            .prepare_cached(&format!(
                "SELECT {RUN_COLUMNS} FROM run WHERE set_path = ?1 AND id <> ?2 ORDER BY begun DESC, id DESC LIMIT ?3"
            ))?
            .query_map(params![set_path, except, limit], run_from_row)?
            .collect()
    }

    /// A subject's results in a run, by case and repeat. If `cached` is false, answers from the cache are
    /// excluded, because they say nothing about the model at the time of the run.
    pub(crate) fn result_summaries(
        &self,
        run: &str,
        subject: &str,
        cached: bool,
    ) -> SqlResult<Vec<ResultSummaryRow>> {
        self.connection
            .prepare_cached(
                "SELECT case_id, case_digest, verdict, score FROM result \
                 WHERE run = ?1 AND subject = ?2 AND cached <= ?3 ORDER BY case_id, repeat",
            )?
            .query_map(params![run, subject, cached], |row| {
                Ok(ResultSummaryRow {
                    case_id: row.get(0)?,
                    case_digest: row.get(1)?,
                    verdict: row.get(2)?,
                    score: row.get(3)?,
                })
            })?
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::store::ResultRow;
    use crate::ledger::Ledger;

    #[tokio::test]
    async fn query_cases() {
        let ledger = Ledger::in_memory();
        for (id, set_path, started_at) in [("a", "/s", 1), ("b", "/s", 2), ("c", "/other", 3), ("d", "/s", 4)]
        {
            let row = RunRow { id: id.into(), set_path: set_path.into(), started_at, ..RunRow::default() };
            ledger.write(move |rows| rows.put_run(&row)).await;
        }
        let ids = |limit| -> Vec<String> {
            ledger.read(|rows| rows.recent_runs("/s", "d", limit)).into_iter().map(|run| run.id).collect()
        };
        assert_eq!((ids(5), ids(1)), (vec!["b".to_owned(), "a".into()], vec!["b".to_owned()]));
        for (case_id, cached) in [("y", true), ("x", false)] {
            let row =
                ResultRow { subject: "m".into(), case_id: case_id.into(), cached, ..ResultRow::default() };
            ledger.write(move |rows| rows.put_result("a", &row)).await;
        }
        let cases = |cached| -> Vec<String> {
            ledger
                .read(|rows| rows.result_summaries("a", "m", cached))
                .into_iter()
                .map(|row| row.case_id)
                .collect()
        };
        assert_eq!((cases(true), cases(false)), (vec!["x".to_owned(), "y".into()], vec!["x".to_owned()]));
    }
}
