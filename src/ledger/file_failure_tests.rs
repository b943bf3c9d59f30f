//! Files that are locked, removed, damaged, or not a ledger.

use std::sync::mpsc;
use std::time::Instant;

use rusqlite::Connection;

use super::tables::{LedgerTables, TableSource};
use super::*;
use crate::chat::{NanoDollars, TokenCount};
use crate::route::store::{HealthKey, HealthRow, Lease, PassRateRow, RateBucket, RouteStatsRow, Spend};

const DAY: &str = "2026-01-01";

/// Barely waits for locks, and checks the file's identity at every write.
const SHORT_TIMEOUTS: LedgerTimeouts =
    LedgerTimeouts { lock_wait: Duration::from_millis(20), file_check: Duration::ZERO };

fn add_spend(rows: &LedgerTables<'_>) -> SqlResult<u64> {
    rows.add_spend(DAY, false, Spend { nano_dollars: NanoDollars::new(1), unpriced_calls: 0 })?;
    Ok(rows.spend(DAY, false)?.unwrap().nano_dollars.get())
}

fn total_spend(ledger: &Ledger) -> u64 {
    ledger.read(|rows| rows.spend(DAY, false)).unwrap().nano_dollars.get()
}

/// Spending in the file, as another process sees it.
fn spend_in_file(path: &Path) -> u64 {
    total_spend(&Ledger::open(path))
}

/// Locks the file, as another process would.
fn lock_file(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

fn temp_ledger_path() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    (folder, path)
}

fn disabled_reasons(ledger: &Ledger) -> mpsc::Receiver<String> {
    let (sender, reasons) = mpsc::channel();
    ledger.on_disabled(move |reason, _| sender.send(reason.to_owned()).unwrap());
    reasons
}

#[tokio::test]
async fn locked_file_receives_writes_after_unlock() {
    let (_folder, path) = temp_ledger_path();
    let ledger = Ledger::open_with(&path, SHORT_TIMEOUTS);
    assert_eq!(ledger.write(add_spend).await, 1);
    let reasons = disabled_reasons(&ledger);
    let other = lock_file(&path);
    assert_eq!(
        (ledger.write(add_spend).await, ledger.write(add_spend).await),
        (2, 3),
        "continues from the rows in the file"
    );
    assert_eq!((total_spend(&ledger), spend_in_file(&path)), (3, 1));
    // The other process writes too.
    add_spend(&LedgerTables::new(&other, TableSource::File(0))).unwrap();
    other.execute_batch("COMMIT").unwrap();
    ledger.flush().await;
    assert_eq!((total_spend(&ledger), spend_in_file(&path)), (4, 4));
    assert_eq!(ledger.write(add_spend).await, 5, "writes go to the file again");
    assert_eq!((spend_in_file(&path), ledger.disabled_reason(), reasons.try_recv().ok()), (5, None, None));
}

#[tokio::test]
async fn flush_on_locked_file_reports_lost_writes() {
    let (_folder, path) = temp_ledger_path();
    let ledger = Ledger::open_with(&path, SHORT_TIMEOUTS);
    assert_eq!(ledger.write(add_spend).await, 1);
    let reasons = disabled_reasons(&ledger);
    let other = lock_file(&path);
    ledger.enqueue(|rows| add_spend(rows).map(drop));
    let start = Instant::now();
    ledger.flush().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let reason = reasons.try_recv().unwrap();
    assert!(
        reason.ends_with("locked by another process") && Some(&*reason) == ledger.disabled_reason(),
        "{reason}"
    );
    assert_eq!((ledger.write(add_spend).await, total_spend(&ledger)), (3, 3), "in memory from then on");
    drop(other);
    drop(ledger);
    assert_eq!(spend_in_file(&path), 1);
}

#[tokio::test]
async fn file_locked_at_open_is_used_after_unlock() {
    let (_folder, path) = temp_ledger_path();
    drop(Ledger::open(&path));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE").unwrap();
    let reader = Ledger::open_with(&path, SHORT_TIMEOUTS);
    reader.flush().await;
    assert!(
        reader.disabled_reason().unwrap().ends_with("locked by another process"),
        "nothing was read from the file"
    );
    let ledger = Ledger::open_with(&path, SHORT_TIMEOUTS);
    assert_eq!((ledger.write(add_spend).await, ledger.disabled_reason()), (1, None));
    drop(other);
    ledger.flush().await;
    assert_eq!((spend_in_file(&path), total_spend(&ledger), ledger.disabled_reason()), (1, 1, None));
}

#[tokio::test]
async fn removed_file_is_recreated() {
    let (_folder, path) = temp_ledger_path();
    let [ledger, other] = [(); 2].map(|()| Ledger::open_with(&path, SHORT_TIMEOUTS));
    assert_eq!((ledger.write(add_spend).await, other.write(add_spend).await), (1, 2));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        (ledger.write(add_spend).await, other.write(add_spend).await),
        (1, 2),
        "both use the new file"
    );
    assert_eq!((total_spend(&ledger), spend_in_file(&path), ledger.disabled_reason()), (2, 2, None));
}

#[test]
fn read_only_file_keeps_rows_in_memory() {
    let (_folder, path) = temp_ledger_path();
    let ledger = Ledger::open(&path);
    ledger.enqueue(|rows| {
        add_spend(rows)?;
        let score = PassRateRow { measured_at: 1, passed: 1, scored: 2, ..PassRateRow::default() };
        rows.put_pass_rate("s", "a/b", &score, 1)?;
        rows.update_route_stats("r", |row| row.leader = "a/b".into())?;
        rows.put_adaptive_concurrency("p", Some((2.0, 1)))?;
        rows.extend_cooldown("k", "", 7, "auth", 9)
    });
    drop(ledger);
    Connection::open(&path).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    for suffix in ["-wal", "-shm"] {
        let blocked = format!("{}{suffix}", path.display());
        let _ = std::fs::remove_file(&blocked);
        // As in a read-only directory, the files that a writer needs cannot be created.
        std::fs::create_dir(blocked).unwrap();
    }
    let ledger = Ledger::open_with(&path, SHORT_TIMEOUTS);
    assert!(
        ledger.disabled_reason().unwrap().contains("choose a writable file with --ledger"),
        "{:?}",
        ledger.disabled_reason()
    );
    assert_eq!(total_spend(&ledger), 1);
    assert!(ledger.read(|rows| rows.pass_rate("s", "a/b")).is_some());
    assert_eq!(ledger.read(|rows| rows.route_stats("r")).leader, "a/b");
    assert!(ledger.read(|rows| rows.adaptive_concurrency("p")).is_some());
    assert_eq!(ledger.read(|rows| rows.cooldowns("k", "m")).len(), 1);
    assert_eq!(
        disabled_reasons(&ledger).try_recv().ok().as_deref(),
        ledger.disabled_reason(),
        "a later callback is called immediately"
    );
}

#[tokio::test]
async fn foreign_database_is_left_unchanged() {
    let (_folder, path) = temp_ledger_path();
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE block (x); INSERT INTO block VALUES (1)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.write(add_spend).await, 1);
    let reason = ledger.disabled_reason().unwrap();
    assert!(
        reason.ends_with("the file is another program's database; choose another file with --ledger"),
        "{reason}"
    );
    drop(ledger);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    theirs.execute_batch("DROP TABLE block; PRAGMA application_id = 7").unwrap();
    assert!(Ledger::open(&path).disabled_reason().unwrap().contains("another program's"));
}

#[test]
fn invalid_file_error_cases() {
    let (folder, path) = temp_ledger_path();
    drop(Ledger::open(&path));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", -1).unwrap();
    let reason = |path: &Path| Ledger::open(path).disabled_reason().unwrap_or_default().to_owned();
    assert!(reason(&path).contains("invalid version -1; move the file away"), "{}", reason(&path));
    assert!(
        reason(folder.path()).ends_with("expected a file, found a directory; choose a file with --ledger")
    );
    #[cfg(unix)]
    assert!(
        reason(Path::new("/dev/null"))
            .ends_with("expected a file, found a device or a pipe; choose a file with --ledger")
    );
}

#[test]
fn ledger_without_application_id_is_accepted() {
    let (_folder, path) = temp_ledger_path();
    let ledger = Ledger::open(&path);
    ledger.enqueue(|rows| add_spend(rows).map(drop));
    drop(ledger);
    Connection::open(&path).unwrap().pragma_update(None, "application_id", 0).unwrap();
    assert_eq!(spend_in_file(&path), 1);
}

#[tokio::test]
async fn unreadable_rows_are_reset() {
    let (_folder, path) = temp_ledger_path();
    let key = HealthKey { provider: "p".into(), base_url: "u".into(), model: "m".into() };
    let ledger = Ledger::open(&path);
    let owned_key = key.clone();
    ledger
        .write(move |rows| {
            add_spend(rows)?;
            rows.update_health(&owned_key, |row| (row.trips, row.events) = (3, 5.0))?;
            rows.update_route_stats("r", |row| row.record_call(TokenCount::new(10), 0.5))?;
            rows.extend_cooldown("k", "", 7, "auth", 9)?;
            rows.add_to_rate_bucket("p", RateBucket { second: 1, requests: 1, tokens: 1 })?;
            rows.put_adaptive_concurrency("p", Some((2.0, 1)))?;
            rows.acquire_lease(&Lease {
                scope: "p".into(),
                holder: "h".into(),
                until: 5,
                since: 0,
                nano_dollars: NanoDollars::ZERO,
                tokens: TokenCount::ZERO,
            })
        })
        .await;
    let health = || ledger.read(|rows| rows.health(&key));
    let file = Connection::open(&path).unwrap();
    let corrupt = |sql: &str| file.execute_batch(sql).unwrap();
    corrupt("UPDATE health SET events = 9e999, first_token_log = 800, first_token_weight = 3, at = -5");
    assert_eq!(health(), HealthRow { trips: 3, ..HealthRow::default() });
    corrupt(
        "UPDATE health SET events = 'abc'; UPDATE block SET until = x'00'; UPDATE route SET calls = 'many';
         UPDATE pace SET tokens = 'abc'; UPDATE concurrency SET allowed = 'abc'; UPDATE spend SET nano_dollars = 'abc';
         UPDATE lease SET nano_dollars = 'abc', tokens = 9e300",
    );
    assert_eq!(health(), HealthRow::default());
    assert_eq!(ledger.read(|rows| rows.cooldowns("k", "m")), []);
    assert_eq!(ledger.read(|rows| rows.route_stats("r")), RouteStatsRow::default());
    assert_eq!(ledger.read(|rows| rows.rate_buckets("p", 0..9)), []);
    assert_eq!(ledger.read(|rows| rows.adaptive_concurrency("p")), None);
    let leases = ledger.read(|rows| rows.lease_totals("p", 0..9));
    assert_eq!(
        (leases.count, leases.nano_dollars, leases.tokens),
        (1, NanoDollars::ZERO, TokenCount::new(i64::MAX as u64))
    );
    assert_eq!(ledger.read(|rows| rows.spend(DAY, false)), None, "unknown, not zero");
    assert_eq!(ledger.write(add_spend).await, 1);
    let owned_key = key.clone();
    assert_eq!(ledger.write(move |rows| rows.update_health(&owned_key, |row| row.trips)).await, 0);
    assert_eq!((health(), ledger.disabled_reason()), (HealthRow::default(), None));
    corrupt("UPDATE route SET output_tokens = 1e300, calls = 3, leader = 'a/b'");
    assert_eq!(
        ledger.read(|rows| rows.route_stats("r")),
        RouteStatsRow { leader: "a/b".into(), ..RouteStatsRow::default() }
    );
}

#[tokio::test]
async fn old_rows_are_removed() {
    let ledger = Ledger::in_memory();
    let key = |model: &str| HealthKey { provider: "p".into(), base_url: "u".into(), model: model.into() };
    for (model, at) in [("old", 10), ("new", 20)] {
        let key = key(model);
        ledger
            .write(move |rows| {
                rows.update_health(&key, |row| (row.updated_at, row.trips) = (at, 1))?;
                rows.put_adaptive_concurrency(&key.model, Some((1.0, at)))?;
                rows.extend_cooldown(&key.model, "", at, "auth", 99)
            })
            .await;
    }
    ledger.write(|rows| rows.remove_stale_rows(15, 10)).await;
    let known = |model: &str| {
        ledger.read(|rows| {
            let trips = rows.health(&key(model))?.trips;
            Ok((trips, rows.adaptive_concurrency(model)?.is_some(), !rows.cooldowns(model, "")?.is_empty()))
        })
    };
    assert_eq!((known("old"), known("new")), ((0, false, false), (1, true, true)));
}

/// Each short-lived process adds to the write-ahead log and ends before SQLite would truncate it.
#[tokio::test]
async fn write_ahead_log_size_stays_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let log = || std::fs::metadata(folder.path().join("ledger.db-wal")).map_or(0, |log| log.len());
    let mut longest = 0;
    for n in 0..120 {
        let ledger = Ledger::open(&path);
        let name = format!("route {n}");
        ledger
            .write(move |rows| rows.update_route_stats(&name, |row| row.record_call(TokenCount::new(1), 0.0)))
            .await;
        drop(ledger);
        longest = longest.max(log());
    }
    assert!(longest > 300_000 && longest < 500_000, "{longest} bytes");
    assert_eq!(
        Ledger::open(&path).read(|rows| rows.route_stats("route 0")).calls,
        1.0,
        "truncation loses nothing"
    );
}
