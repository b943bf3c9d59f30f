//! Files that are held, removed, broken, or somebody else's.

use std::sync::mpsc;
use std::time::Instant;

use rusqlite::Connection;

use super::*;

const DAY: &str = "2026-01-01";

/// A process that waits for nobody, and looks at every write whether the file is still there.
const HASTY: Patience = Patience { busy: Duration::from_millis(20), look: Duration::ZERO };

fn spend(rows: &Rows<'_>) -> RowResult<u64> {
    rows.add_spend(DAY, false, Spend { nano_dollars: 1, unknown: 0 })?;
    Ok(rows.spend(DAY, false)?.nano_dollars)
}

fn spent(ledger: &Ledger) -> u64 {
    ledger.read(|rows| rows.spend(DAY, false)).nano_dollars
}

/// What the file itself has, as another process sees it.
fn in_file(path: &Path) -> u64 {
    spent(&Ledger::open(path))
}

/// Somebody who holds the file.
fn holding(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

fn place() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    (folder, path)
}

fn told(ledger: &Ledger) -> mpsc::Receiver<String> {
    let (sender, told) = mpsc::channel();
    ledger.on_trouble(move |words| sender.send(words.to_owned()).unwrap());
    told
}

#[tokio::test]
async fn a_file_that_is_held_for_long_is_written_once_it_is_free() {
    let (_folder, path) = place();
    let ledger = Ledger::open_with(&path, HASTY);
    assert_eq!(ledger.write(spend).await, 1);
    let told = told(&ledger);
    let other = holding(&path);
    assert_eq!(
        (ledger.write(spend).await, ledger.write(spend).await),
        (2, 3),
        "on top of what could be read"
    );
    assert_eq!((spent(&ledger), in_file(&path)), (3, 1));
    // Whoever held it wrote something too.
    spend(&Rows::new(&other)).unwrap();
    other.execute_batch("COMMIT").unwrap();
    ledger.settle().await;
    assert_eq!((spent(&ledger), in_file(&path)), (4, 4));
    assert_eq!(ledger.write(spend).await, 5, "back in the file");
    assert_eq!((in_file(&path), ledger.trouble(), told.try_recv().ok()), (5, None, None));
}

#[tokio::test]
async fn what_was_not_free_at_the_end_is_lost_and_said() {
    let (_folder, path) = place();
    let ledger = Ledger::open_with(&path, HASTY);
    assert_eq!(ledger.write(spend).await, 1);
    let told = told(&ledger);
    let other = holding(&path);
    ledger.post(|rows| spend(rows).map(drop));
    let begun = Instant::now();
    ledger.settle().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let words = told.try_recv().unwrap();
    assert!(words.ends_with("another process holds it") && Some(&*words) == ledger.trouble(), "{words}");
    assert_eq!((ledger.write(spend).await, spent(&ledger)), (3, 3), "from then on in memory");
    drop(other);
    drop(ledger);
    assert_eq!(in_file(&path), 1);
}

#[tokio::test]
async fn a_file_that_is_held_at_the_beginning_is_used_once_it_is_free() {
    let (_folder, path) = place();
    drop(Ledger::open(&path));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE").unwrap();
    let reader = Ledger::open_with(&path, HASTY);
    reader.settle().await;
    assert!(reader.trouble().unwrap().ends_with("another process holds it"), "it knew nothing");
    let ledger = Ledger::open_with(&path, HASTY);
    assert_eq!((ledger.write(spend).await, ledger.trouble()), (1, None));
    drop(other);
    ledger.settle().await;
    assert_eq!((in_file(&path), spent(&ledger), ledger.trouble()), (1, 1, None));
}

#[tokio::test]
async fn a_file_that_was_removed_is_made_anew() {
    let (_folder, path) = place();
    let [ledger, other] = [(); 2].map(|()| Ledger::open_with(&path, HASTY));
    assert_eq!((ledger.write(spend).await, other.write(spend).await), (1, 2));
    std::fs::remove_file(&path).unwrap();
    assert_eq!((ledger.write(spend).await, other.write(spend).await), (1, 2), "the new one is shared again");
    assert_eq!((spent(&ledger), in_file(&path), ledger.trouble()), (2, 2, None));
}

#[test]
fn what_can_be_read_of_a_file_that_cannot_be_opened_is_kept() {
    let (_folder, path) = place();
    let ledger = Ledger::open(&path);
    ledger.post(|rows| {
        spend(rows)?;
        let score = ScoreRow { at: 1, passed: 1, scored: 2, ..ScoreRow::default() };
        rows.put_score("s", "a/b", &score, 1)?;
        rows.update_route("r", |row| row.leader = "a/b".into())?;
        rows.put_allowed("p", Some((2.0, 1)))?;
        rows.extend_block("k", "", 7, "auth", 9)
    });
    drop(ledger);
    Connection::open(&path).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    for end in ["-wal", "-shm"] {
        let place = format!("{}{end}", path.display());
        let _ = std::fs::remove_file(&place);
        // As in a folder that cannot be written: what a writer needs beside the file cannot be made.
        std::fs::create_dir(place).unwrap();
    }
    let ledger = Ledger::open_with(&path, HASTY);
    assert!(ledger.trouble().unwrap().contains("name a file that you may write"), "{:?}", ledger.trouble());
    assert_eq!(spent(&ledger), 1);
    assert!(ledger.read(|rows| rows.score("s", "a/b")).is_some());
    assert_eq!(ledger.read(|rows| rows.route("r")).leader, "a/b");
    assert!(ledger.read(|rows| rows.allowed("p")).is_some());
    assert!(ledger.read(|rows| rows.block("k", "m", 9)).is_some());
    assert_eq!(
        told(&ledger).try_recv().ok().as_deref(),
        ledger.trouble(),
        "told even to those who come later"
    );
}

#[tokio::test]
async fn another_programs_database_is_left_as_it_is() {
    let (_folder, path) = place();
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE block (x); INSERT INTO block VALUES (1)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let ledger = Ledger::open(&path);
    assert_eq!(ledger.write(spend).await, 1);
    let trouble = ledger.trouble().unwrap();
    assert!(
        trouble.ends_with("it is another program's database; name another file with --ledger"),
        "{trouble}"
    );
    drop(ledger);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    theirs.execute_batch("DROP TABLE block; PRAGMA application_id = 7").unwrap();
    assert!(Ledger::open(&path).trouble().unwrap().contains("another program's"));
}

#[test]
fn what_is_no_ledger_is_said_in_words() {
    let (folder, path) = place();
    drop(Ledger::open(&path));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", -1).unwrap();
    let trouble = |path: &Path| Ledger::open(path).trouble().unwrap_or_default().to_owned();
    assert!(
        trouble(&path).contains("version -1, which no slalom writes; move it away"),
        "{}",
        trouble(&path)
    );
    assert!(trouble(folder.path()).ends_with("it is a folder; name a file with --ledger"));
    #[cfg(unix)]
    assert!(trouble(Path::new("/dev/null")).ends_with("it is a device or a pipe; name a file with --ledger"));
}

#[test]
fn a_ledger_from_before_they_said_whose_they_are_is_one() {
    let (_folder, path) = place();
    let ledger = Ledger::open(&path);
    ledger.post(|rows| spend(rows).map(drop));
    drop(ledger);
    Connection::open(&path).unwrap().pragma_update(None, "application_id", 0).unwrap();
    assert_eq!(in_file(&path), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_written_anew() {
    let (_folder, path) = place();
    let key = HealthKey { provider: "p".into(), base_url: "u".into(), model: "m".into() };
    let ledger = Ledger::open(&path);
    let put = key.clone();
    ledger
        .write(move |rows| {
            spend(rows)?;
            rows.update_health(&put, |row| (row.trips, row.events) = (3, 5.0))?;
            rows.update_route("r", |row| row.take(10, 0.5))?;
            rows.extend_block("k", "", 7, "auth", 9)?;
            rows.add_pace("p", Pace { second: 1, requests: 1, tokens: 1 })?;
            rows.put_allowed("p", Some((2.0, 1)))?;
            rows.put_lease(&Lease { scope: "p".into(), holder: "h".into(), until: 5, ..Lease::default() })
        })
        .await;
    let health = || ledger.read(|rows| rows.health(&key));
    let file = Connection::open(&path).unwrap();
    let broken = |sql: &str| file.execute_batch(sql).unwrap();
    broken("UPDATE health SET events = 9e999, first_token_log = 800, first_token_weight = 3, at = -5");
    assert_eq!(health(), HealthRow { trips: 3, ..HealthRow::default() });
    broken(
        "UPDATE health SET events = 'abc'; UPDATE block SET until = x'00'; UPDATE route SET calls = 'many';
         UPDATE pace SET tokens = 'abc'; UPDATE concurrency SET allowed = 'abc'; UPDATE spend SET nano_dollars = 'abc';
         UPDATE lease SET nano_dollars = 'abc', tokens = 9e300",
    );
    assert_eq!(health(), HealthRow::default());
    assert_eq!(ledger.read(|rows| rows.block("k", "m", 9)), None);
    assert_eq!(ledger.read(|rows| rows.route("r")), RouteRow::default());
    assert_eq!(ledger.read(|rows| rows.pace("p", 0..9)), []);
    assert_eq!(ledger.read(|rows| rows.allowed("p")), None);
    let leases = ledger.read(|rows| rows.leases("p", 0..9));
    assert_eq!((leases.count, leases.nano_dollars, leases.tokens), (1, 0, i64::MAX as u64));
    assert_eq!((spent(&ledger), ledger.write(spend).await), (0, 1));
    let put = key.clone();
    assert_eq!(ledger.write(move |rows| rows.update_health(&put, |row| row.trips)).await, 0);
    assert_eq!((health(), ledger.trouble()), (HealthRow::default(), None));
    broken("UPDATE route SET output_tokens = 1e300, calls = 3, leader = 'a/b'");
    assert_eq!(ledger.read(|rows| rows.route("r")), RouteRow { leader: "a/b".into(), ..RouteRow::default() });
}

#[tokio::test]
async fn what_is_old_is_forgotten() {
    let ledger = Ledger::in_memory();
    let key = |model: &str| HealthKey { provider: "p".into(), base_url: "u".into(), model: model.into() };
    for (model, at) in [("old", 10), ("new", 20)] {
        let key = key(model);
        ledger
            .write(move |rows| {
                rows.update_health(&key, |row| (row.at, row.trips) = (at, 1))?;
                rows.put_allowed(&key.model, Some((1.0, at)))?;
                rows.extend_block(&key.model, "", at, "auth", 99)
            })
            .await;
    }
    ledger.write(|rows| rows.remove_old(15, 10)).await;
    let known = |model: &str| {
        ledger.read(|rows| {
            let trips = rows.health(&key(model))?.trips;
            Ok((trips, rows.allowed(model)?.is_some(), rows.block(model, "", 99)?.is_some()))
        })
    };
    assert_eq!((known("old"), known("new")), ((0, false, false), (1, true, true)));
}

/// Each short-lived process adds a little to the log, and none of them lives to see it grow.
#[tokio::test]
async fn the_log_of_many_short_lives_stays_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let log = || std::fs::metadata(folder.path().join("ledger.db-wal")).map_or(0, |log| log.len());
    let mut longest = 0;
    for n in 0..120 {
        let ledger = Ledger::open(&path);
        let name = format!("route {n}");
        ledger.write(move |rows| rows.update_route(&name, |row| row.take(1, 0.0))).await;
        drop(ledger);
        longest = longest.max(log());
    }
    assert!(longest > 300_000 && longest < 500_000, "{longest} bytes");
    assert_eq!(Ledger::open(&path).read(|rows| rows.route("route 0")).calls, 1.0, "nothing is lost by it");
}
