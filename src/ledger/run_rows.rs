//! Eval runs, their results, and cached answers.

use rusqlite::{OptionalExtension, Row, params};

use super::{LedgerTables, SqlResult};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunRow {
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
pub struct ResultRow {
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
    pub nano_dollars: Option<u64>,
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
pub struct CachedAnswerRow {
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
    pub nano_dollars: Option<u64>,
    pub cost_source: String,
    /// Unique key of the run, subject, and case that requested the answer; empty for older answers.
    pub requested_by: String,
    /// From sending the request to the last byte; `None` for older answers.
    pub latency_ms: Option<f64>,
    /// From sending the request to the first content; `None` if unknown.
    pub first_token_ms: Option<f64>,
}

pub(super) const RUN_COLUMNS: &str = "id, set_name, set_path, set_digest, subjects, options, begun, finished";

const RESULT_COLUMNS: &str = "subject, case_id, repeat, case_digest, at, verdict, score, text, assertions, failure_class, \
    failure, finish_reason, served_by, failovers, nano_dollars, cost_source, usage, latency_ms, queued_ms, cached, repaired_by, judging";

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
        nano_dollars: row.get::<_, Option<i64>>(14)?.map(i64::unsigned_abs),
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
fn signed(nano_dollars: Option<u64>) -> Option<i64> {
    nano_dollars.map(|nano| i64::try_from(nano).unwrap_or(i64::MAX))
}

impl LedgerTables<'_> {
    /// Inserts or replaces a run.
    pub fn put_run(&self, row: &RunRow) -> SqlResult<()> {
        self.0
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO run ({RUN_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ))?
            .execute(params![
                row.id,
                row.set_name,
                row.set_path,
                row.set_digest,
                row.subjects,
                row.options,
                row.started_at,
                row.finished_at,
            ])?;
        Ok(())
    }

    /// Marks a run as complete.
    pub fn finish_run(&self, id: &str, at: i64) -> SqlResult<()> {
        self.0.execute("UPDATE run SET finished = ?2 WHERE id = ?1", params![id, at])?;
        Ok(())
    }

    pub fn run(&self, id: &str) -> SqlResult<Option<RunRow>> {
        self.0
            .query_row(&format!("SELECT {RUN_COLUMNS} FROM run WHERE id = ?1"), [id], run_from_row)
            .optional()
    }

    /// The unfinished runs of a set, newest first.
    pub fn unfinished_runs(&self, set_path: &str) -> SqlResult<Vec<RunRow>> {
        let query = format!(
            "SELECT {RUN_COLUMNS} FROM run WHERE set_path = ?1 AND finished = 0 ORDER BY begun DESC, id DESC"
        );
        self.0.prepare(&query)?.query_map([set_path], run_from_row)?.collect()
    }

    /// Inserts or replaces a result.
    pub fn put_result(&self, run: &str, row: &ResultRow) -> SqlResult<()> {
        self.0
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO result (run, {RESULT_COLUMNS}) VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)"
            ))?
            .execute(params![
                run,
                row.subject,
                row.case_id,
                row.repeat,
                row.case_digest,
                row.at,
                row.verdict,
                row.score,
                row.text,
                row.assertions,
                row.failure_class,
                row.failure,
                row.finish_reason,
                row.served_by,
                row.failovers,
                signed(row.nano_dollars),
                row.cost_source,
                row.usage,
                row.latency_ms,
                row.queued_ms,
                row.cached,
                row.repaired_by,
                row.judging,
            ])?;
        Ok(())
    }

    /// At most `limit` results of a subject in a run, ordered by case id and repeat. Starts after the given
    /// case and repeat, or at the case's first repeat if the repeat is `None`.
    pub fn results_page(
        &self,
        run: &str,
        subject: &str,
        after: (&str, Option<u32>),
        limit: u32,
    ) -> SqlResult<Vec<ResultRow>> {
        let (case, repeat) = (after.0, after.1.map_or(-1, i64::from));
        self.0
            .prepare_cached(&format!(
                "SELECT {RESULT_COLUMNS} FROM result WHERE run = ?1 AND subject = ?2 AND (case_id, repeat) > (?3, ?4) \
                 ORDER BY case_id, repeat LIMIT ?5"
            ))?
            .query_map(params![run, subject, case, repeat, limit], result_from_row)?
            .collect()
    }

    pub fn count_scored_results(&self, run: &str) -> SqlResult<u64> {
        let query = "SELECT count(*) FROM result WHERE run = ?1 AND verdict <> 'unscored'";
        self.0.query_row(query, [run], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))
    }

    pub fn remove_result(&self, run: &str, row: &ResultRow) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "DELETE FROM result WHERE run = ?1 AND subject = ?2 AND case_id = ?3 AND repeat = ?4",
            )?
            .execute(params![run, row.subject, row.case_id, row.repeat])?;
        Ok(())
    }

    /// The answer stored for this digest of a request and this repeat.
    pub fn cached_answer(&self, request: &str, repeat: u32) -> SqlResult<Option<CachedAnswerRow>> {
        self.0
            .prepare_cached(
                "SELECT at, served_model, parts, finish_reason, usage, nano_dollars, cost_source, asker, latency_ms, \
                 first_token_ms FROM answer WHERE request = ?1 AND repeat = ?2",
            )?
            .query_row(params![request, repeat], |row| {
                Ok(CachedAnswerRow {
                    at: row.get(0)?,
                    served_model: row.get(1)?,
                    parts: row.get(2)?,
                    finish_reason: row.get(3)?,
                    usage: row.get(4)?,
                    nano_dollars: row.get::<_, Option<i64>>(5)?.map(i64::unsigned_abs),
                    cost_source: row.get(6)?,
                    requested_by: row.get(7)?,
                    latency_ms: row.get(8)?,
                    first_token_ms: row.get(9)?,
                })
            })
            .optional()
    }

    /// Inserts or replaces an answer.
    pub fn put_answer(&self, request: &str, repeat: u32, row: &CachedAnswerRow) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO answer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                request,
                repeat,
                row.at,
                row.served_model,
                row.parts,
                row.finish_reason,
                row.usage,
                signed(row.nano_dollars),
                row.cost_source,
                row.requested_by,
                row.latency_ms,
                row.first_token_ms,
            ])?;
        Ok(())
    }

    pub fn remove_answers_before(&self, before: i64) -> SqlResult<()> {
        self.0.execute("DELETE FROM answer WHERE at < ?1", [before])?;
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
            nano_dollars: Some(4),
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
            nano_dollars: Some(7),
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
