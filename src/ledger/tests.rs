//! The ledger under bad circumstances: nothing is lost that was there, and nobody is kept from an answer.

use rusqlite::Connection;

use super::*;

fn key() -> HealthKey {
    HealthKey { provider: "p".into(), base_url: "https://p/v1".into(), model: "m".into() }
}

fn trip(rows: &Rows<'_>) -> RowResult<u32> {
    rows.update_health(&key(), |row| {
        row.trips += 1;
        row.trips
    })
}

fn trips(ledger: &Ledger) -> u32 {
    ledger.read(|rows| Ok(rows.health(&key())?.trips))
}

#[tokio::test]
async fn rows_outlive_a_process_and_updates_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/ledger.db");
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.write(trip).await, 1);
    let whole = HealthRow {
        sick: 0.5,
        throttled: 1.5,
        events: 2.5,
        consecutive: 3.5,
        at: 1,
        demoted: true,
        open_until: 2,
        trips: 3,
        tripped: 4,
        recovered: 5,
        probe_until: 6,
        probe_by: "someone".into(),
        not_before: 7,
        ramp: 8,
        first_token: Trend { mean: 4.5, weight: 5.5 },
        token: Trend { mean: 6.5, weight: 7.5 },
        measured: 9,
        failed: 10,
        failed_as: "timeout".into(),
    };
    let written = whole.clone();
    ledger.post(move |rows| rows.update_health(&key(), |row| *row = written.clone()));
    drop(ledger);
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.read(|rows| rows.health(&key())), whole);
    assert_eq!(ledger.trouble(), None);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn many_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let ledger = Ledger::open(&path);
                (0..25).for_each(|_| ledger.post(|rows| trip(rows).map(drop)));
                drop(ledger);
            });
        }
    });
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.trouble(), None);
    assert_eq!(trips(&ledger), 200);
}

#[tokio::test]
async fn a_file_that_is_no_ledger_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let text = "not a database, but somebody's own words\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let ledger = Ledger::open(&path);
    assert_eq!((ledger.write(trip).await, ledger.write(trip).await), (1, 2), "in memory");
    assert!(ledger.trouble().unwrap().contains("move it away"), "{:?}", ledger.trouble());
    drop(ledger);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// A ledger of the first version, with a result in it.
fn first_version(path: &Path) {
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
fn an_older_ledger_becomes_a_new_one_with_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    first_version(&path);
    for _ in 0..2 {
        let ledger = Ledger::open(&path);
        assert_eq!(ledger.trouble(), None);
        let rows = ledger.read(|rows| rows.results("r", "s", ("", None), 9));
        assert_eq!((rows.len(), rows[0].nano_dollars, &*rows[0].judging), (1, Some(5), ""));
    }
}

/// Where it cannot be changed, what it holds counts all the same.
#[test]
fn an_older_ledger_that_may_not_be_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    first_version(&path);
    let memory = super::file::in_memory().unwrap_or_else(|_| panic!("no memory"));
    super::file::copy_into(&memory, &path);
    let judging: String = memory.query_row("SELECT judging FROM result", [], |row| row.get(0)).unwrap();
    assert_eq!(judging, "");
}

#[tokio::test]
async fn a_newer_ledger_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(Ledger::open(&path));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.write(trip).await, 1);
    assert!(ledger.trouble().unwrap().contains("newer slalom"), "{:?}", ledger.trouble());
    let file = Connection::open(&path).unwrap();
    assert_eq!(file.query_row("SELECT count(*) FROM health", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// What an older slalom kept is still there, and says nothing of what it did not know.
#[tokio::test]
async fn an_older_ledger_is_brought_up_to_date() {
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
    let rows = ledger.read(|rows| rows.results("r", "s", ("", None), 9));
    assert_eq!((rows.len(), rows[0].text.as_str(), rows[0].repaired_by.as_str()), (1, "t", ""));
    let row = ResultRow { repaired_by: "fold".into(), ..rows[0].clone() };
    ledger.write(move |rows| rows.put_result("r", &row)).await;
    assert_eq!(ledger.read(|rows| rows.results("r", "s", ("", None), 9))[0].repaired_by, "fold");
    assert_eq!(ledger.trouble(), None);
}

#[tokio::test]
async fn a_file_that_fails_later_goes_on_in_memory_with_what_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.write(trip).await, 1);
    let fails = "CREATE TRIGGER full BEFORE INSERT ON health BEGIN SELECT RAISE(FAIL, 'no room'); END";
    Connection::open(&path).unwrap().execute_batch(fails).unwrap();
    assert_eq!(ledger.write(trip).await, 2);
    assert!(ledger.trouble().unwrap().contains("no room"), "{:?}", ledger.trouble());
    assert_eq!((ledger.write(trip).await, trips(&ledger)), (3, 3));
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let ledger = Ledger::open(&folder.path().join("file/ledger.db"));
    assert!(ledger.trouble().is_some());
    assert_eq!(trips(&ledger), 0);
}

#[tokio::test]
async fn blocks_are_extended_and_never_shortened() {
    let ledger = Ledger::in_memory();
    ledger.post(|rows| rows.extend_block("k", "", 100, "auth", 200));
    ledger.post(|rows| rows.extend_block("k", "", 50, "quota", 200));
    ledger.post(|rows| rows.extend_block("k", "m", 70, "gone", 200));
    let block = |model: &'static str| ledger.read(|rows| rows.block("k", model, 200));
    assert_eq!(block("m"), Some((100, "auth".into())));
    ledger.post(|rows| rows.extend_block("k", "m", 170, "gone", 200));
    assert_eq!((block("m").unwrap().0, block("n").unwrap().0), (170, 100));
    ledger.post(|rows| rows.extend_block("k", "n", 60, "gone", 200));
    ledger.post(|rows| rows.remove_blocks("k", "m"));
    assert_eq!(
        (block("m"), block("n")),
        (None, Some((60, "gone".into()))),
        "another model's own block stays"
    );
}
