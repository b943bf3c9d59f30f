//! Evals over a ledger that is full, locked, old, new or broken, through the real binary: table, reports and exit code are what
//! they are without one, and nothing that was in it is lost.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::tool::{CountingSimulator, Ran, Tool};

const CASES: usize = 300;

/// A set whose every answer passes, over a server that counts.
fn tool(simulator: &CountingSimulator) -> Tool {
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: Capital of {{ country }}?\nassert: [contains]\ncases_from: [cases.csv]\n";
    let rows: String = (0..CASES).map(|n| format!("c{n},country {n},no model was called\n")).collect();
    Tool::new()
        .file("set.yaml", set)
        .file("cases.csv", &format!("id,country,reference\n{rows}"))
        .file("routes.yaml", &simulator.routes())
}

const EVAL: [&str; 4] = ["--ledger", "ledger.db", "eval", "set.yaml"];

fn eval(more: &[&'static str]) -> Vec<&'static str> {
    [&EVAL[..], more].concat()
}

/// Demands that every case was run and passed, on stdout and in the report.
#[track_caller]
fn all_passed(tool: &Tool, ran: Ran, report: Option<&str>) -> Ran {
    let ran = ran.exits(0);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(ran.json()["runs"][0]["subjects"][0]["passed"], CASES, "{}", ran.stdout);
    assert_eq!(ran.json()["runs"][0]["complete"], true);
    if let Some(name) = report {
        let report: Value = serde_json::from_slice(&fs::read(tool.path(name)).unwrap()).unwrap();
        let results = report["runs"][0]["results"].as_array().unwrap();
        let cases: HashSet<&str> = results.iter().map(|result| result["case"].as_str().unwrap()).collect();
        assert_eq!((results.len(), cases.len()), (CASES, CASES));
        assert!(results.iter().all(|result| result["verdict"] == "pass"));
    }
    ran
}

fn count(ledger: &Path, sql: &str) -> i64 {
    Connection::open(ledger).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn is_sound(ledger: &Path) -> bool {
    let words = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    Connection::open(ledger).unwrap().query_row("PRAGMA integrity_check", [], words).unwrap() == "ok"
}

#[test]
fn four_at_once_lose_nothing() {
    let simulator = CountingSimulator::start();
    let tool = tool(&simulator);
    let names = ["1.json", "2.json", "3.json", "4.json"];
    let children: Vec<Child> = names
        .iter()
        .map(|name| {
            let mut command = tool.command(&eval(&["--json", "-o", name]));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for (child, name) in children.into_iter().zip(names) {
        let ran = all_passed(&tool, child.wait_with_output().unwrap().into(), Some(name));
        assert_eq!(ran.stderr, format!("written: {name}\n"));
    }
    let ledger = tool.path("ledger.db");
    assert_eq!(count(&ledger, "SELECT count(*) FROM result WHERE verdict = 'pass'"), 4 * CASES as i64);
    assert_eq!(count(&ledger, "SELECT count(*) FROM run WHERE finished > 0"), 4);
    assert!(is_sound(&ledger));
}

/// A file that may not grow any more is what a full disk looks like, but for the signal that comes with it.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_costs_what_is_kept_and_nothing_else() {
    // In blocks of half a kilobyte: the ledger cannot be made; it can, and fills up while results come in.
    for blocks in [8, 300] {
        let simulator = CountingSimulator::start();
        let tool = tool(&simulator);
        let limited = |arguments: &[&str]| -> Ran {
            let line = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
            tool.shell(&line, arguments).output().unwrap().into()
        };
        let ran = all_passed(&tool, limited(&eval(&["--json"])), None);
        let ran = ran.says(&["the ledger ledger.db cannot be used: ", "is not kept"]);
        assert!(!ran.stderr.contains("--resume"), "{}", ran.stderr);
        let ledger = tool.path("ledger.db");
        assert!(is_sound(&ledger));
        if blocks == 300 {
            // There is room again: what was kept is not asked again.
            let kept = count(&ledger, "SELECT count(*) FROM result") as u64;
            assert!((1..CASES as u64).contains(&kept), "{kept}");
            let before = simulator.hits();
            let ran = tool.run(&eval(&["--json", "-o", "out.json", "--resume"]));
            all_passed(&tool, ran, Some("out.json"));
            assert_eq!(simulator.hits() - before, CASES as u64 - kept);
        }
        // A report that does not fit is said, after the figures.
        let ran = limited(&eval(&["--json", "-o", "out.csv", "-o", "out.json"])).exits(3);
        assert_eq!(ran.json()["runs"][0]["subjects"][0]["passed"], CASES);
        ran.says(&["out.json cannot be written: File too large", "the figures above stand"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_on_a_full_disk_is_said_after_the_figures() {
    let simulator = CountingSimulator::start();
    let tool = tool(&simulator);
    std::os::unix::fs::symlink("/dev/full", tool.path("out.json")).unwrap();
    let ran = tool.run(&eval(&["--json", "-o", "out.json", "-o", "out.csv"])).exits(3);
    assert_eq!(ran.json()["runs"][0]["subjects"][0]["passed"], CASES);
    let ran = ran.says(&[
        "out.json cannot be written: No space left",
        "the figures above stand",
        "written: out.csv",
    ]);
    assert!(!ran.stderr.contains("panicked"));
    assert_eq!(count(&tool.path("ledger.db"), "SELECT count(*) FROM run WHERE finished > 0"), 1);
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_costs_what_is_kept_and_nothing_else() {
    use std::os::unix::fs::PermissionsExt;
    let simulator = CountingSimulator::start();
    let tool = tool(&simulator);
    let folder = tool.path("state");
    fs::create_dir(&folder).unwrap();
    let may = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    may(0o555);
    if fs::write(folder.join("probe"), "").is_ok() {
        println!("skipped: whoever runs this may write anywhere");
        return;
    }
    let state = |more: &[&'static str]| [&["--ledger", "state/ledger.db"][..], &EVAL[2..], more].concat();
    let ran = all_passed(&tool, tool.run(&state(&["--json", "-o", "out.json"])), Some("out.json"));
    ran.says(&["the ledger state/ledger.db cannot be used: ", "is not kept"]);
    tool.run(&state(&["--resume"])).exits(2).says(&["no run can be gone on with"]);
    may(0o755);
    // A ledger that is there, and may only be read.
    all_passed(&tool, tool.run(&state(&["--json"])), None);
    fs::set_permissions(folder.join("ledger.db"), fs::Permissions::from_mode(0o444)).unwrap();
    may(0o555);
    let before = fs::read(folder.join("ledger.db")).unwrap();
    let ran = all_passed(&tool, tool.run(&state(&["--json", "-o", "out.json"])), Some("out.json"));
    ran.says(&["the ledger state/ledger.db cannot be used: "]);
    assert!(fs::read(folder.join("ledger.db")).unwrap() == before);
    may(0o755);
}

/// The first version's tables, as they were before a ledger said whose it is.
#[test]
fn an_older_ledger_is_used_and_keeps_what_is_in_it() {
    let simulator = CountingSimulator::start();
    let tool = tool(&simulator);
    let ledger = tool.path("ledger.db");
    let old = Connection::open(&ledger).unwrap();
    old.execute_batch(include_str!("../src/ledger/schema_1.sql")).unwrap();
    old.execute_batch("PRAGMA user_version = 1; INSERT INTO spend VALUES ('2026-01-02', 0, 4711, 0)")
        .unwrap();
    drop(old);
    all_passed(&tool, tool.run(&eval(&["--json", "-o", "out.json"])), Some("out.json"));
    assert_eq!(count(&ledger, "SELECT nano_dollars FROM spend WHERE day = '2026-01-02'"), 4711);
    assert_eq!(count(&ledger, "SELECT count(*) FROM result"), CASES as i64);
    assert!(is_sound(&ledger));
}

#[test]
fn a_newer_ledger_is_left_as_it_is() {
    let simulator = CountingSimulator::start();
    let tool = tool(&simulator);
    let ledger = tool.path("ledger.db");
    all_passed(&tool, tool.run(&eval(&["--json"])), None);
    let new = Connection::open(&ledger).unwrap();
    new.execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(new);
    let before = fs::read(&ledger).unwrap();
    let ran = all_passed(&tool, tool.run(&eval(&["--json", "-o", "out.json"])), Some("out.json"));
    ran.says(&["it is of version 99, which a newer slalom writes", "name another file with --ledger"]);
    tool.run(&eval(&["--resume"])).exits(2).says(&["no run can be gone on with", "version 99"]);
    assert!(fs::read(&ledger).unwrap() == before, "nothing of it was changed");
}

/// Pages in the middle are overwritten, the first ones, which say what is where, are not: it opens, and breaks later.
#[test]
fn a_ledger_that_is_broken_inside_costs_what_is_kept_and_nothing_else() {
    let simulator = CountingSimulator::start();
    let tool = tool(&simulator);
    let ledger = tool.path("ledger.db");
    all_passed(&tool, tool.run(&eval(&["--json"])), None);
    let sound = Connection::open(&ledger).unwrap();
    sound.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let root = |table: &str| -> usize {
        let sql = format!("SELECT rootpage FROM sqlite_master WHERE name = '{table}'");
        sound.query_row(&sql, [], |row| row.get::<_, u32>(0)).unwrap() as usize
    };
    let broken = ["result", "run", "health"].map(root);
    drop(sound);
    for page in broken {
        let mut bytes = fs::read(&ledger).unwrap();
        bytes[(page - 1) * 4096..page * 4096].fill(0xff);
        fs::write(&ledger, &bytes).unwrap();
        for log in ["ledger.db-wal", "ledger.db-shm"] {
            let _ = fs::remove_file(tool.path(log));
        }
        let ran = all_passed(&tool, tool.run(&eval(&["--json", "-o", "out.json"])), Some("out.json"));
        ran.says(&["the ledger ledger.db cannot be used: ", "malformed", "move it away"]);
        // Whether the run was written down before the file broke is a matter of moments: it is gone on with, or there is none.
        let ran = tool.run(&eval(&["--resume"]));
        assert!(
            matches!(ran.code, 0 | 2) && !ran.stderr.contains("panicked"),
            "{}: {}",
            ran.code,
            ran.stderr
        );
    }
}
