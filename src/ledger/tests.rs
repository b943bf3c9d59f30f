//! Tests that the ledger keeps its rows under adverse conditions and never fails a call.

use rusqlite::Connection;

use super::*;
use crate::chat::NanoDollars;
use crate::eval::store::ResultRow;
use crate::route::store::{DecayedMean, HealthKey, HealthRow};

fn health_key() -> HealthKey {
    HealthKey { provider: "p".into(), base_url: "https://p/v1".into(), model: "m".into() }
}

fn increment_trips(rows: &LedgerTables<'_>) -> SqlResult<u32> {
    rows.update_health(&health_key(), |row| {
        row.trips += 1;
        row.trips
    })
}

fn read_trips(ledger: &Ledger) -> u32 {
    ledger.read(|rows| Ok(rows.health(&health_key())?.trips))
}

#[tokio::test]
async fn rows_survive_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/ledger.db");
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.write(increment_trips).await, 1);
    let full = HealthRow {
        failures: 0.5,
        throttled: 1.5,
        events: 2.5,
        consecutive_failures: 3.5,
        updated_at: 1,
        is_demoted: true,
        open_until: 2,
        trips: 3,
        last_trip_at: 4,
        successes_since_open: 5,
        probe_until: 6,
        probe_call_id: "someone".into(),
        not_before: 7,
        recovery_concurrency: 8,
        first_token: DecayedMean { mean: 4.5, weight: 5.5 },
        token: DecayedMean { mean: 6.5, weight: 7.5 },
        measured_at: 9,
        last_failed_at: 10,
        last_failure_class: "timeout".into(),
    };
    let written = full.clone();
    ledger.enqueue(move |rows| rows.update_health(&health_key(), |row| *row = written.clone()));
    drop(ledger);
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.read(|rows| rows.health(&health_key())), full);
    assert_eq!(ledger.disabled_reason(), None);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn concurrent_writes_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let ledger = Ledger::open(&path);
                (0..25).for_each(|_| ledger.enqueue(|rows| increment_trips(rows).map(drop)));
                drop(ledger);
            });
        }
    });
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.disabled_reason(), None);
    assert_eq!(read_trips(&ledger), 200);
}

#[tokio::test]
async fn invalid_file_is_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let text = "not a database but a text file\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let ledger = Ledger::open(&path);
    assert_eq!(
        (ledger.write(increment_trips).await, ledger.write(increment_trips).await),
        (1, 2),
        "in memory"
    );
    assert!(
        ledger.disabled_reason().unwrap().contains("move the file away"),
        "{:?}",
        ledger.disabled_reason()
    );
    drop(ledger);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// A ledger of schema version 1 with one result.
fn create_version_1_ledger(path: &Path) {
    let file = Connection::open(path).unwrap();
    file.execute_batch(include_str!("schema_1.sql")).unwrap();
    file.pragma_update(None, "application_id", 0x736c_616c).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    file.execute_batch(
        "INSERT INTO result VALUES ('r', 's', 'c', 0, 'd', 1, 'pass', 1.0, 't', '[]', '', '', 'stop', 'p/m', 0, 5, \
         'catalogue', '{}', 2.0, 3.0, 0)",
    )
    .unwrap();
}

#[test]
fn version_1_ledger_is_migrated_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    create_version_1_ledger(&path);
    for _ in 0..2 {
        let ledger = Ledger::open(&path);
        assert_eq!(ledger.disabled_reason(), None);
        let rows = ledger.read(|rows| rows.results_page("r", "s", ("", None), 9));
        assert_eq!((rows.len(), rows[0].nano_dollars, &*rows[0].judging), (1, Some(NanoDollars::new(5)), ""));
    }
}

/// A memory copy fills columns that the file lacks.
#[test]
fn version_1_rows_are_copied_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    create_version_1_ledger(&path);
    let memory =
        super::sqlite_file::open_in_memory().unwrap_or_else(|_| panic!("cannot open a database in memory"));
    super::sqlite_file::copy_file_to_memory(&memory, &path);
    let judging: String = memory.query_row("SELECT judging FROM result", [], |row| row.get(0)).unwrap();
    assert_eq!(judging, "");
}

#[tokio::test]
async fn newer_ledger_is_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(Ledger::open(&path));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.write(increment_trips).await, 1);
    assert!(ledger.disabled_reason().unwrap().contains("newer slalom"), "{:?}", ledger.disabled_reason());
    let file = Connection::open(&path).unwrap();
    assert_eq!(file.query_row("SELECT count(*) FROM health", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// Rows of an older version stay, with defaults in the new columns.
#[tokio::test]
async fn migrated_ledger_stores_new_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("schema_1.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO result VALUES ('r', 's', 'c', 0, 'd', 1, 'fail', 0.5, 't', '[]', '', '', 'stop', 'p/m', 0, 7, \
         'catalogue', '{}', 1.5, 2.5, 0);",
    )
    .unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let ledger = Ledger::open(&path);
    let rows = ledger.read(|rows| rows.results_page("r", "s", ("", None), 9));
    assert_eq!((rows.len(), rows[0].text.as_str(), rows[0].repaired_by.as_str()), (1, "t", ""));
    let row = ResultRow { repaired_by: "fold".into(), ..rows[0].clone() };
    ledger.write(move |rows| rows.put_result("r", &row)).await;
    assert_eq!(ledger.read(|rows| rows.results_page("r", "s", ("", None), 9))[0].repaired_by, "fold");
    assert_eq!(ledger.disabled_reason(), None);
}

#[tokio::test]
async fn write_failure_continues_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.write(increment_trips).await, 1);
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON health BEGIN SELECT RAISE(FAIL, 'no room'); END";
    Connection::open(&path).unwrap().execute_batch(trigger).unwrap();
    assert_eq!(ledger.write(increment_trips).await, 2);
    assert!(ledger.disabled_reason().unwrap().contains("no room"), "{:?}", ledger.disabled_reason());
    assert_eq!((ledger.write(increment_trips).await, read_trips(&ledger)), (3, 3));
}

#[test]
fn folder_creation_failure_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let ledger = Ledger::open(&folder.path().join("file/ledger.db"));
    assert!(ledger.disabled_reason().is_some());
    assert_eq!(read_trips(&ledger), 0);
}

#[tokio::test]
async fn cooldown_is_never_shortened() {
    let ledger = Ledger::in_memory();
    ledger.enqueue(|rows| rows.extend_cooldown("k", "", 100, "auth", 200));
    ledger.enqueue(|rows| rows.extend_cooldown("k", "", 50, "quota", 200));
    ledger.enqueue(|rows| rows.extend_cooldown("k", "m", 70, "gone", 200));
    let cooldown = |model: &'static str| {
        let cooldowns = ledger.read(|rows| rows.cooldowns("k", model));
        cooldowns.into_iter().max_by_key(|row| row.until).map(|row| (row.until, row.reason))
    };
    assert_eq!(cooldown("m"), Some((100, "auth".into())));
    ledger.enqueue(|rows| rows.extend_cooldown("k", "m", 170, "gone", 200));
    assert_eq!((cooldown("m").unwrap().0, cooldown("n").unwrap().0), (170, 100));
    ledger.enqueue(|rows| rows.extend_cooldown("k", "n", 60, "gone", 200));
    ledger.enqueue(|rows| rows.remove_cooldowns("k", "m"));
    assert_eq!(
        (cooldown("m"), cooldown("n")),
        (None, Some((60, "gone".into()))),
        "the cooldown of another model stays"
    );
}
