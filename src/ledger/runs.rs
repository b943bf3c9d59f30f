//! Runs of golden sets, the result of each case, and answers that may be used again.

use rusqlite::{OptionalExtension, Row, params};

use super::{LedgerTables, SqlResult};

/// A golden set that was run against subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// The set's name.
    pub set_name: String,
    /// The set's file, whole path.
    pub set_path: String,
    /// The set's digest when the run was begun, or taken up last.
    pub set_digest: String,
    /// The subjects' names, as JSON.
    pub subjects: String,
    /// Which cases were chosen and how often each is run, as JSON.
    pub options: String,
    /// When it was begun, in milliseconds since 1970.
    pub started_at: i64,
    /// When every case had its result; 0 until then.
    pub finished_at: i64,
}

/// What became of one case with one subject. Words are those of the JSON reports; an empty one is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultRow {
    /// The subject's name.
    pub subject: String,
    /// The case's id.
    pub case_id: String,
    /// Which of its repeats, from 0.
    pub repeat: u32,
    /// The case's digest.
    pub case_digest: String,
    /// When it arrived, in milliseconds since 1970.
    pub at: i64,
    /// `pass`, `fail` or `unscored`.
    pub verdict: String,
    /// The score, where there is one.
    pub score: Option<f64>,
    /// The answer.
    pub text: String,
    /// What each assertion found, as JSON.
    pub assertions: String,
    /// What had to be put right in a failed answer's form for it to pass.
    pub repaired_by: String,
    /// The class of the failure that left it unscored.
    pub failure_class: String,
    /// The words of that failure.
    pub failure: String,
    /// Why the answer ended.
    pub finish_reason: String,
    /// Who answered, as `provider/model`.
    pub served_by: String,
    /// How often the call moved on.
    pub failovers: u32,
    /// What it cost, or, where it was cached, would have; `None` where nobody knows.
    pub nano_dollars: Option<u64>,
    /// Where that figure comes from.
    pub cost_source: String,
    /// Token counts, as JSON.
    pub usage: String,
    /// The provider's latency, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Time in this process's queues, in milliseconds.
    pub queued_ms: f64,
    /// Whether the answer is one that was given before.
    pub cached: bool,
    /// What judging it took, as JSON; empty where nothing was judged.
    pub judging: String,
}

/// A whole answer that may be used again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CachedAnswerRow {
    /// When it was given, in milliseconds since 1970.
    pub at: i64,
    /// The model that the provider says gave it.
    pub served_model: String,
    /// Its parts, as JSON.
    pub parts: String,
    /// Why it ended.
    pub finish_reason: String,
    /// Token counts, as JSON.
    pub usage: String,
    /// What it cost; `None` where nobody knows.
    pub nano_dollars: Option<u64>,
    /// Where that figure comes from.
    pub cost_source: String,
    /// Who asked for it: the run, the subject and the case, in words that nobody else has.
    pub requested_by: String,
    /// From the request leaving to the last byte, in milliseconds.
    pub latency_ms: Option<f64>,
    /// From the request leaving to the first content, in milliseconds.
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

/// SQLite's integers are signed; no cost comes near their end.
fn signed(nano_dollars: Option<u64>) -> Option<i64> {
    nano_dollars.map(|nano| i64::try_from(nano).unwrap_or(i64::MAX))
}

impl LedgerTables<'_> {
    /// Keeps a run, in place of what was kept of it.
    ///
    /// # Errors
    /// What SQLite says.
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

    /// Says that every case of a run has its result.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn finish_run(&self, id: &str, at: i64) -> SqlResult<()> {
        self.0.execute("UPDATE run SET finished = ?2 WHERE id = ?1", params![id, at])?;
        Ok(())
    }

    /// A run by its id.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn run(&self, id: &str) -> SqlResult<Option<RunRow>> {
        self.0
            .query_row(&format!("SELECT {RUN_COLUMNS} FROM run WHERE id = ?1"), [id], run_from_row)
            .optional()
    }

    /// The runs of a set that are not finished, the newest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn unfinished_runs(&self, set_path: &str) -> SqlResult<Vec<RunRow>> {
        let newest = format!(
            "SELECT {RUN_COLUMNS} FROM run WHERE set_path = ?1 AND finished = 0 ORDER BY begun DESC, id DESC"
        );
        self.0.prepare(&newest)?.query_map([set_path], run_from_row)?.collect()
    }

    /// Keeps what became of a case, in place of what was kept of it.
    ///
    /// # Errors
    /// What SQLite says.
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

    /// What became of a run's cases with a subject so far: so many results, in the order of case ids and repeats, behind the
    /// one of this case and repeat; from the first one on where no repeat is said.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn results_page(
        &self,
        run: &str,
        subject: &str,
        after: (&str, Option<u32>),
        most: u32,
    ) -> SqlResult<Vec<ResultRow>> {
        let (case, repeat) = (after.0, after.1.map_or(-1, i64::from));
        self.0
            .prepare_cached(&format!(
                "SELECT {RESULT_COLUMNS} FROM result WHERE run = ?1 AND subject = ?2 AND (case_id, repeat) > (?3, ?4) \
                 ORDER BY case_id, repeat LIMIT ?5"
            ))?
            .query_map(params![run, subject, case, repeat, most], result_from_row)?
            .collect()
    }

    /// How many results a run has that could be scored.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn count_scored_results(&self, run: &str) -> SqlResult<u64> {
        let count = "SELECT count(*) FROM result WHERE run = ?1 AND verdict <> 'unscored'";
        self.0.query_row(count, [run], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))
    }

    /// Forgets one result.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_result(&self, run: &str, row: &ResultRow) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "DELETE FROM result WHERE run = ?1 AND subject = ?2 AND case_id = ?3 AND repeat = ?4",
            )?
            .execute(params![run, row.subject, row.case_id, row.repeat])?;
        Ok(())
    }

    /// An answer to the very same request, given to that repeat of it.
    ///
    /// # Errors
    /// What SQLite says.
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

    /// Keeps an answer to a request, in place of an older one.
    ///
    /// # Errors
    /// What SQLite says.
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

    /// Forgets answers that were given before a time.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_answers_before(&self, before: i64) -> SqlResult<()> {
        self.0.execute("DELETE FROM answer WHERE at < ?1", [before])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    fn run(id: &str, begun: i64) -> RunRow {
        RunRow { id: id.into(), set_path: "/s".into(), started_at: begun, ..RunRow::default() }
    }

    #[tokio::test]
    async fn finished_run_is_no_longer_listed() {
        let ledger = Ledger::in_memory();
        for (id, begun) in [("a", 1), ("c", 3), ("b", 2)] {
            ledger.write(move |rows| rows.put_run(&run(id, begun))).await;
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
        let whole = ResultRow {
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
        let other = ResultRow { repeat: 0, verdict: "unscored".into(), nano_dollars: None, ..whole.clone() };
        for row in [other.clone(), other.clone(), ResultRow { score: None, ..whole.clone() }, whole.clone()] {
            ledger.write(move |rows| rows.put_result("r", &row)).await;
        }
        let results = |run: &str, after, most| ledger.read(|rows| rows.results_page(run, "s", after, most));
        let all = [other.clone(), whole];
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
        let put = row.clone();
        ledger.write(move |rows| rows.put_answer("q", 1, &put)).await;
        let found = |request: &str, repeat| ledger.read(|rows| rows.cached_answer(request, repeat));
        assert_eq!((found("q", 1), found("q", 0), found("p", 1)), (Some(row), None, None));
        ledger.write(|rows| rows.remove_answers_before(6)).await;
        assert_eq!(found("q", 1), None);
    }
}
