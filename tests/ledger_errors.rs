//! Evals with a full, read-only, outdated, newer, or corrupt ledger keep their results and exit codes.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

const CASES: usize = 300;

/// A set in which every answer passes.
fn harness(simulator: &CountingSimulator) -> CliHarness {
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: Capital of {{ country }}?\nassert: [contains]\ncases_from: [cases.csv]\n";
    let rows: String = (0..CASES).map(|n| format!("c{n},country {n},no model was called\n")).collect();
    CliHarness::new()
        .with_file("set.yaml", set)
        .with_file("cases.csv", &format!("id,country,reference\n{rows}"))
        .with_file("routes.yaml", &simulator.routes_yaml())
}

const EVAL_ARGS: [&str; 4] = ["--ledger", "ledger.db", "eval", "set.yaml"];

fn eval_args(more: &[&'static str]) -> Vec<&'static str> {
    [&EVAL_ARGS[..], more].concat()
}

/// Asserts that every case was run and passed, on stdout and in the report.
#[track_caller]
fn assert_all_passed(cli: &CliHarness, output: CliOutput, report: Option<&str>) -> CliOutput {
    let output = output.assert_exit_code(0);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    assert_eq!(output.json()["runs"][0]["subjects"][0]["passed"], CASES, "{}", output.stdout);
    assert_eq!(output.json()["runs"][0]["complete"], true);
    if let Some(name) = report {
        let report: Value = serde_json::from_slice(&fs::read(cli.path(name)).unwrap()).unwrap();
        let results = report["runs"][0]["results"].as_array().unwrap();
        let cases: HashSet<&str> = results.iter().map(|result| result["case"].as_str().unwrap()).collect();
        assert_eq!((results.len(), cases.len()), (CASES, CASES));
        assert!(results.iter().all(|result| result["verdict"] == "pass"));
    }
    output
}

fn query_count(ledger: &Path, sql: &str) -> i64 {
    Connection::open(ledger).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn passes_integrity_check(ledger: &Path) -> bool {
    let first_column = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    Connection::open(ledger).unwrap().query_row("PRAGMA integrity_check", [], first_column).unwrap() == "ok"
}

#[test]
fn four_parallel_evals_keep_all_results() {
    let simulator = CountingSimulator::start();
    let cli = harness(&simulator);
    let names = ["1.json", "2.json", "3.json", "4.json"];
    let children: Vec<Child> = names
        .iter()
        .map(|name| {
            let mut command = cli.command(&eval_args(&["--json", "-o", name]));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for (child, name) in children.into_iter().zip(names) {
        let output = assert_all_passed(&cli, child.wait_with_output().unwrap().into(), Some(name));
        assert_eq!(output.stderr, format!("wrote {name}\n"));
    }
    let ledger = cli.path("ledger.db");
    assert_eq!(query_count(&ledger, "SELECT count(*) FROM result WHERE verdict = 'pass'"), 4 * CASES as i64);
    assert_eq!(query_count(&ledger, "SELECT count(*) FROM run WHERE finished > 0"), 4);
    assert!(passes_integrity_check(&ledger));
}

/// A file size limit acts like a full disk, except that the kernel also sends SIGXFSZ.
#[cfg(unix)]
#[test]
fn eval_on_full_disk_exits_0() {
    // In 512-byte blocks: with 8 the ledger cannot be created; with 300 it fills up during the run.
    for blocks in [8, 300] {
        let simulator = CountingSimulator::start();
        let cli = harness(&simulator);
        let limited = |arguments: &[&str]| -> CliOutput {
            let line = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
            cli.shell(&line, arguments).output().unwrap().into()
        };
        let output = assert_all_passed(&cli, limited(&eval_args(&["--json"])), None);
        let output =
            output.assert_stderr_contains(&["cannot use the ledger ledger.db: ", "will not be saved"]);
        assert!(!output.stderr.contains("--resume"), "{}", output.stderr);
        let ledger = cli.path("ledger.db");
        assert!(passes_integrity_check(&ledger));
        if blocks == 300 {
            // Without the limit, --resume runs only the cases that were not stored.
            let stored = query_count(&ledger, "SELECT count(*) FROM result") as u64;
            assert!((1..CASES as u64).contains(&stored), "{stored}");
            let before = simulator.request_count();
            let output = cli.run(&eval_args(&["--json", "-o", "out.json", "--resume"]));
            assert_all_passed(&cli, output, Some("out.json"));
            assert_eq!(simulator.request_count() - before, CASES as u64 - stored);
        }
        // A report that does not fit is an error, reported after the results.
        let output = limited(&eval_args(&["--json", "-o", "out.csv", "-o", "out.json"])).assert_exit_code(3);
        assert_eq!(output.json()["runs"][0]["subjects"][0]["passed"], CASES);
        output.assert_stderr_contains(&[
            "cannot write out.json: File too large",
            "run again with another -o file (the results above are valid)",
        ]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn report_on_full_disk_exits_3() {
    let simulator = CountingSimulator::start();
    let cli = harness(&simulator);
    std::os::unix::fs::symlink("/dev/full", cli.path("out.json")).unwrap();
    let output = cli.run(&eval_args(&["--json", "-o", "out.json", "-o", "out.csv"])).assert_exit_code(3);
    assert_eq!(output.json()["runs"][0]["subjects"][0]["passed"], CASES);
    let output = output.assert_stderr_contains(&[
        "cannot write out.json: No space left",
        "run again with another -o file (the results above are valid)",
        "wrote out.csv",
    ]);
    assert!(!output.stderr.contains("panicked"));
    assert_eq!(query_count(&cli.path("ledger.db"), "SELECT count(*) FROM run WHERE finished > 0"), 1);
}

#[cfg(unix)]
#[test]
fn eval_with_read_only_ledger_exits_0() {
    use std::os::unix::fs::PermissionsExt;
    let simulator = CountingSimulator::start();
    let cli = harness(&simulator);
    let folder = cli.path("state");
    fs::create_dir(&folder).unwrap();
    let set_mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o555);
    if fs::write(folder.join("probe"), "").is_ok() {
        println!("skipped: this user can write to read-only directories");
        return;
    }
    let state_args =
        |more: &[&'static str]| [&["--ledger", "state/ledger.db"][..], &EVAL_ARGS[2..], more].concat();
    let output =
        assert_all_passed(&cli, cli.run(&state_args(&["--json", "-o", "out.json"])), Some("out.json"));
    output.assert_stderr_contains(&["cannot use the ledger state/ledger.db: ", "will not be saved"]);
    cli.run(&state_args(&["--resume"])).assert_exit_code(2).assert_stderr_contains(&["cannot resume:"]);
    set_mode(0o755);
    // An existing ledger that is read-only.
    assert_all_passed(&cli, cli.run(&state_args(&["--json"])), None);
    fs::set_permissions(folder.join("ledger.db"), fs::Permissions::from_mode(0o444)).unwrap();
    set_mode(0o555);
    let before = fs::read(folder.join("ledger.db")).unwrap();
    let output =
        assert_all_passed(&cli, cli.run(&state_args(&["--json", "-o", "out.json"])), Some("out.json"));
    output.assert_stderr_contains(&["cannot use the ledger state/ledger.db: "]);
    assert!(fs::read(folder.join("ledger.db")).unwrap() == before);
    set_mode(0o755);
}

/// Starts from the tables of schema version 1, which had no application ID.
#[test]
fn older_schema_keeps_existing_rows() {
    let simulator = CountingSimulator::start();
    let cli = harness(&simulator);
    let ledger = cli.path("ledger.db");
    let old = Connection::open(&ledger).unwrap();
    old.execute_batch(include_str!("../src/ledger/schema_1.sql")).unwrap();
    old.execute_batch("PRAGMA user_version = 1; INSERT INTO spend VALUES ('2026-01-02', 0, 4711, 0)")
        .unwrap();
    drop(old);
    assert_all_passed(&cli, cli.run(&eval_args(&["--json", "-o", "out.json"])), Some("out.json"));
    assert_eq!(query_count(&ledger, "SELECT nano_dollars FROM spend WHERE day = '2026-01-02'"), 4711);
    assert_eq!(query_count(&ledger, "SELECT count(*) FROM result"), CASES as i64);
    assert!(passes_integrity_check(&ledger));
}

#[test]
fn newer_schema_is_not_modified() {
    let simulator = CountingSimulator::start();
    let cli = harness(&simulator);
    let ledger = cli.path("ledger.db");
    assert_all_passed(&cli, cli.run(&eval_args(&["--json"])), None);
    let new = Connection::open(&ledger).unwrap();
    new.execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(new);
    let before = fs::read(&ledger).unwrap();
    let output =
        assert_all_passed(&cli, cli.run(&eval_args(&["--json", "-o", "out.json"])), Some("out.json"));
    output.assert_stderr_contains(&[
        "version 99 was written by a newer slalom",
        "choose another file with --ledger",
    ]);
    cli.run(&eval_args(&["--resume"]))
        .assert_exit_code(2)
        .assert_stderr_contains(&["cannot resume:", "version 99"]);
    assert!(fs::read(&ledger).unwrap() == before, "the newer ledger was modified");
}

/// The schema pages stay intact, so the ledger opens and fails only when a damaged table is read.
#[test]
fn eval_with_corrupt_ledger_exits_0() {
    let simulator = CountingSimulator::start();
    let cli = harness(&simulator);
    let ledger = cli.path("ledger.db");
    assert_all_passed(&cli, cli.run(&eval_args(&["--json"])), None);
    let connection = Connection::open(&ledger).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let root_page = |table: &str| -> usize {
        let sql = format!("SELECT rootpage FROM sqlite_master WHERE name = '{table}'");
        connection.query_row(&sql, [], |row| row.get::<_, u32>(0)).unwrap() as usize
    };
    let broken = ["result", "run", "health"].map(root_page);
    drop(connection);
    for page in broken {
        let mut bytes = fs::read(&ledger).unwrap();
        bytes[(page - 1) * 4096..page * 4096].fill(0xff);
        fs::write(&ledger, &bytes).unwrap();
        for log in ["ledger.db-wal", "ledger.db-shm"] {
            let _ = fs::remove_file(cli.path(log));
        }
        let output =
            assert_all_passed(&cli, cli.run(&eval_args(&["--json", "-o", "out.json"])), Some("out.json"));
        output.assert_stderr_contains(&[
            "cannot use the ledger ledger.db: ",
            "malformed",
            "move the file away",
        ]);
        // Depending on timing, the run was recorded before the error or not, so --resume may succeed or fail.
        let output = cli.run(&eval_args(&["--resume"]));
        assert!(
            matches!(output.code, 0 | 2) && !output.stderr.contains("panicked"),
            "{}: {}",
            output.code,
            output.stderr
        );
    }
}
