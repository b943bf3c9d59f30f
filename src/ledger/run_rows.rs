//! Eval runs, their results, and cached answers.

use std::sync::LazyLock;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::{LedgerTables, SqlResult, replace_statement};
use crate::chat::NanoDollars;
use crate::eval::store::{CachedAnswerRow, ResultRow, RunRow};

pub(super) const RUN_COLUMNS: &str = "id, set_name, set_path, set_digest, subjects, options, begun, finished";

const RESULT_COLUMNS: &str = "subject, case_id, repeat, case_digest, at, verdict, score, text, assertions, failure_class, \
    failure, finish_reason, served_by, failovers, nano_dollars, cost_source, usage, latency_ms, queued_ms, cached, repaired_by, judging";

const ANSWER_COLUMNS: &str = "at, served_model, parts, finish_reason, usage, nano_dollars, cost_source, asker, \
    latency_ms, first_token_ms";

pub(super) fn run_from_row(row: &Row<'_>) -> SqlResult<RunRow> {
    Ok(RunRow {
        id: row.get(0)?,
        set_name: row.get(1)?,
        set_path: row.get(2)?,
        set_digest: row.get(3)?,
        subjects: row.get(4)?,
        options: row.get(5)?,
        started_at: row.get(6)?,
        finished_at: row.get(7)?,
    })
}

fn result_from_row(row: &Row<'_>) -> SqlResult<ResultRow> {
    Ok(ResultRow {
        subject: row.get(0)?,
        case_id: row.get(1)?,
        repeat: row.get(2)?,
        case_digest: row.get(3)?,
        at: row.get(4)?,
        verdict: row.get(5)?,
        score: row.get(6)?,
        text: row.get(7)?,
        assertions: row.get(8)?,
        failure_class: row.get(9)?,
        failure: row.get(10)?,
        finish_reason: row.get(11)?,
        served_by: row.get(12)?,
        failovers: row.get(13)?,
        nano_dollars: row.get::<_, Option<i64>>(14)?.map(read_nano_dollars),
        cost_source: row.get(15)?,
        usage: row.get(16)?,
        latency_ms: row.get(17)?,
        queued_ms: row.get(18)?,
        cached: row.get(19)?,
        repaired_by: row.get(20)?,
        judging: row.get(21)?,
    })
}

/// Converts a cost for SQLite, whose integers are signed; no real cost reaches the maximum.
fn read_nano_dollars(column: i64) -> NanoDollars {
    NanoDollars::new(column.unsigned_abs())
}

fn signed(amount: Option<NanoDollars>) -> Option<i64> {
    amount.map(|amount| i64::try_from(amount.get()).unwrap_or(i64::MAX))
}

impl LedgerTables<'_> {
    /// Inserts or replaces a run.
    pub(crate) fn put_run(&self, row: &RunRow) -> SqlResult<()> {
        self.connection.prepare_cached(&replace_statement("run", RUN_COLUMNS))?.execute(named_params! {
            ":id": row.id,
            ":set_name": row.set_name,
            ":set_path": row.set_path,
            ":set_digest": row.set_digest,
            ":subjects": row.subjects,
            ":options": row.options,
            ":begun": row.started_at,
            ":finished": row.finished_at,
        })?;
        Ok(())
    }

    /// Marks a run as complete.
    pub(crate) fn finish_run(&self, id: &str, at: i64) -> SqlResult<()> {
        self.connection.execute("UPDATE run SET finished = ?2 WHERE id = ?1", params![id, at])?;
        Ok(())
    }

    pub(crate) fn run(&self, id: &str) -> SqlResult<Option<RunRow>> {
        self.connection
            .query_row(&format!("SELECT {RUN_COLUMNS} FROM run WHERE id = ?1"), [id], run_from_row)
            .optional()
    }

    /// The unfinished runs of a set, newest first.
    pub(crate) fn unfinished_runs(&self, set_path: &str) -> SqlResult<Vec<RunRow>> {
        let query = format!(
            "SELECT {RUN_COLUMNS} FROM run WHERE set_path = ?1 AND finished = 0 ORDER BY begun DESC, id DESC"
        );
        self.connection.prepare(&query)?.query_map([set_path], run_from_row)?.collect()
    }

    /// Inserts or replaces a result.
    pub(crate) fn put_result(&self, run: &str, row: &ResultRow) -> SqlResult<()> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| replace_statement("result", &format!("run, {RESULT_COLUMNS}")));
        self.connection.prepare_cached(&SQL)?.execute(named_params! {
            ":run": run,
            ":subject": row.subject,
            ":case_id": row.case_id,
            ":repeat": row.repeat,
            ":case_digest": row.case_digest,
            ":at": row.at,
            ":verdict": row.verdict,
            ":score": row.score,
            ":text": row.text,
            ":assertions": row.assertions,
            ":failure_class": row.failure_class,
            ":failure": row.failure,
            ":finish_reason": row.finish_reason,
            ":served_by": row.served_by,
            ":failovers": row.failovers,
            ":nano_dollars": signed(row.nano_dollars),
            ":cost_source": row.cost_source,
            ":usage": row.usage,
            ":latency_ms": row.latency_ms,
            ":queued_ms": row.queued_ms,
            ":cached": row.cached,
            ":repaired_by": row.repaired_by,
            ":judging": row.judging,
        })?;
        Ok(())
    }

    /// At most `limit` results of a subject in a run, ordered by case id and repeat. Starts after the given
    /// case and repeat, or at the case's first repeat if the repeat is `None`.
    pub(crate) fn results_page(
        &self,
        run: &str,
        subject: &str,
        after: (&str, Option<u32>),
        limit: u32,
    ) -> SqlResult<Vec<ResultRow>> {
        let (case, repeat) = (after.0, after.1.map_or(-1, i64::from));
        self.connection
            .prepare_cached(&format!(
                "SELECT {RESULT_COLUMNS} FROM result WHERE run = ?1 AND subject = ?2 AND (case_id, repeat) > (?3, ?4) \
                 ORDER BY case_id, repeat LIMIT ?5"
            ))?
            .query_map(params![run, subject, case, repeat, limit], result_from_row)?
            .collect()
    }

    pub(crate) fn count_scored_results(&self, run: &str) -> SqlResult<u64> {
        let query = "SELECT count(*) FROM result WHERE run = ?1 AND verdict <> 'unscored'";
        self.connection.query_row(query, [run], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))
    }

    pub(crate) fn remove_result(&self, run: &str, row: &ResultRow) -> SqlResult<()> {
        self.connection
            .prepare_cached(
                "DELETE FROM result WHERE run = ?1 AND subject = ?2 AND case_id = ?3 AND repeat = ?4",
            )?
            .execute(params![run, row.subject, row.case_id, row.repeat])?;
        Ok(())
    }

    /// The answer stored for this digest of a request and this repeat.
    pub(crate) fn cached_answer(&self, request: &str, repeat: u32) -> SqlResult<Option<CachedAnswerRow>> {
        self.connection
            .prepare_cached(&format!(
                "SELECT {ANSWER_COLUMNS} FROM answer WHERE request = ?1 AND repeat = ?2"
            ))?
            .query_row(params![request, repeat], |row| {
                Ok(CachedAnswerRow {
                    at: row.get(0)?,
                    served_model: row.get(1)?,
                    parts: row.get(2)?,
                    finish_reason: row.get(3)?,
                    usage: row.get(4)?,
                    nano_dollars: row.get::<_, Option<i64>>(5)?.map(read_nano_dollars),
                    cost_source: row.get(6)?,
                    requested_by: row.get(7)?,
                    latency_ms: row.get(8)?,
                    first_token_ms: row.get(9)?,
                })
            })
            .optional()
    }

    /// Inserts or replaces an answer.
    pub(crate) fn put_answer(&self, request: &str, repeat: u32, row: &CachedAnswerRow) -> SqlResult<()> {
        self.connection
            .prepare_cached(&replace_statement("answer", &format!("request, repeat, {ANSWER_COLUMNS}")))?
            .execute(named_params! {
                ":request": request,
                ":repeat": repeat,
                ":at": row.at,
                ":served_model": row.served_model,
                ":parts": row.parts,
                ":finish_reason": row.finish_reason,
                ":usage": row.usage,
                ":nano_dollars": signed(row.nano_dollars),
                ":cost_source": row.cost_source,
                ":asker": row.requested_by,
                ":latency_ms": row.latency_ms,
                ":first_token_ms": row.first_token_ms,
            })?;
        Ok(())
    }

    pub(crate) fn remove_answers_before(&self, before: i64) -> SqlResult<()> {
        self.connection.execute("DELETE FROM answer WHERE at < ?1", [before])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    fn run(id: &str, started_at: i64) -> RunRow {
        RunRow { id: id.into(), set_path: "/s".into(), started_at, ..RunRow::default() }
    }

    #[tokio::test]
    async fn finished_run_is_no_longer_listed() {
        let ledger = Ledger::in_memory();
        for (id, started_at) in [("a", 1), ("c", 3), ("b", 2)] {
            ledger.write(move |rows| rows.put_run(&run(id, started_at))).await;
        }
        let unfinished = || -> Vec<String> {
            ledger.read(|rows| rows.unfinished_runs("/s")).into_iter().map(|run| run.id).collect()
        };
        assert_eq!(unfinished(), ["c", "b", "a"]);
        ledger.write(|rows| rows.finish_run("c", 9)).await;
        assert_eq!(unfinished(), ["b", "a"]);
        assert_eq!(ledger.read(|rows| rows.run("c")), Some(RunRow { finished_at: 9, ..run("c", 3) }));
        assert_eq!(ledger.read(|rows| rows.run("d")), None);
    }

    #[tokio::test]
    async fn result_is_unique_per_repeat() {
        let ledger = Ledger::in_memory();
        let full = ResultRow {
            subject: "s".into(),
            case_id: "c".into(),
            repeat: 1,
            case_digest: "d".into(),
            at: 2,
            verdict: "fail".into(),
            score: Some(0.5),
            text: "t".into(),
            assertions: "[]".into(),
            repaired_by: "fold".into(),
            failure_class: "timeout".into(),
            failure: "f".into(),
            finish_reason: "stop".into(),
            served_by: "p/m".into(),
            failovers: 3,
            nano_dollars: Some(NanoDollars::new(4)),
            cost_source: "catalogue".into(),
            usage: "{}".into(),
            latency_ms: Some(5.5),
            queued_ms: 6.5,
            cached: true,
            judging: "{}".into(),
        };
        let other = ResultRow { repeat: 0, verdict: "unscored".into(), nano_dollars: None, ..full.clone() };
        for row in [other.clone(), other.clone(), ResultRow { score: None, ..full.clone() }, full.clone()] {
            ledger.write(move |rows| rows.put_result("r", &row)).await;
        }
        let results = |run: &str, after, limit| ledger.read(|rows| rows.results_page(run, "s", after, limit));
        let all = [other.clone(), full];
        assert_eq!(results("r", ("", None), 9), all);
        assert_eq!(
            (results("r", ("", None), 1), results("r", ("c", Some(0)), 9)),
            (vec![all[0].clone()], vec![all[1].clone()])
        );
        assert!(results("r", ("c", Some(1)), 9).is_empty());
        assert_eq!(ledger.read(|rows| rows.count_scored_results("r")), 1);
        ledger.write(move |rows| rows.remove_result("r", &other)).await;
        assert_eq!(results("r", ("", None), 9).len(), 1);
        assert!(results("q", ("", None), 9).is_empty());
    }

    #[tokio::test]
    async fn cached_response_is_keyed_by_repeat() {
        let ledger = Ledger::in_memory();
        let row = CachedAnswerRow {
            at: 5,
            parts: "[]".into(),
            nano_dollars: Some(NanoDollars::new(7)),
            requested_by: "a".into(),
            latency_ms: Some(1.5),
            ..CachedAnswerRow::default()
        };
        let stored = row.clone();
        ledger.write(move |rows| rows.put_answer("q", 1, &stored)).await;
        let found = |request: &str, repeat| ledger.read(|rows| rows.cached_answer(request, repeat));
        assert_eq!((found("q", 1), found("q", 0), found("p", 1)), (Some(row), None, None));
        ledger.write(|rows| rows.remove_answers_before(6)).await;
        assert_eq!(found("q", 1), None);
    }
}
