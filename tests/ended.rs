//! Processes that are ended from outside, and ledgers that fail them, through the real binary.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::tool::{CountingSimulator, Ran, Tool};

const ASK: &[&str] = &["--ledger", "ledger.db", "ask", "-m", "sim-openai/good", "hello"];

fn tool(simulator: &CountingSimulator) -> Tool {
    let routes = simulator.routes() + "budget: {daily_usd: 1, on_exceeded: stop}\n";
    Tool::new().file("routes.yaml", &routes)
}

fn number(tool: &Tool, sql: &str) -> i64 {
    let file = rusqlite::Connection::open(tool.path("ledger.db")).unwrap();
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Starts a call, and waits until it is under way.
fn under_way(simulator: &CountingSimulator, mut command: Command) -> Child {
    let before = simulator.hits();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while simulator.hits() == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_call_that_is_ended_from_outside_is_paid_and_gives_its_place_back() {
    let simulator = CountingSimulator::taking(Duration::from_secs(60));
    let tool = tool(&simulator);
    let mut paid = 0;
    for (signal, code, word) in [("-TERM", 143, "terminated"), ("-INT", 130, "interrupted")] {
        let child = under_way(&simulator, tool.command(ASK));
        assert_eq!(number(&tool, "SELECT count(*) FROM lease"), 1);
        send(signal, &child);
        let ran: Ran = child.wait_with_output().unwrap().into();
        ran.exits(code).says(&[&format!("error: {word}\n")]);
        assert_eq!(number(&tool, "SELECT count(*) FROM lease"), 0);
        let spent = number(&tool, "SELECT sum(nano_dollars) FROM spend");
        assert!(spent > paid, "{spent} after {paid}");
        paid = spent;
    }
    // One that was killed could say nothing: what it had set aside is spent once its lease has ended.
    let mut child = under_way(&simulator, tool.command(ASK));
    child.kill().unwrap();
    child.wait().unwrap();
    let file = rusqlite::Connection::open(tool.path("ledger.db")).unwrap();
    assert_eq!(file.execute("UPDATE lease SET until = since + 1", []).unwrap(), 1);
    let next = under_way(&simulator, tool.command(ASK));
    assert_eq!(number(&tool, "SELECT sum(nano_dollars) FROM spend") - paid, paid / 2);
    send("-TERM", &next);
    next.wait_with_output().unwrap();
}

/// Whether this process ignores the hangup: then those that it starts do too.
#[cfg(target_os = "linux")]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1
}

#[cfg(target_os = "linux")]
#[test]
fn a_hangup_ends_it_unless_it_is_to_be_ignored() {
    let simulator = CountingSimulator::taking(Duration::from_secs(60));
    let tool = tool(&simulator);
    if !ignores_hangup() {
        let child = under_way(&simulator, tool.command(ASK));
        send("-HUP", &child);
        let ran: Ran = child.wait_with_output().unwrap().into();
        ran.exits(129).says(&["error: hung up\n"]);
        assert_eq!(number(&tool, "SELECT count(*) FROM lease"), 0);
    }
    // As `nohup` starts it.
    let plain = tool.command(ASK);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(tool.path("")).env_clear().stdin(Stdio::null());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let child = under_way(&simulator, command);
    send("-HUP", &child);
    send("-TERM", &child);
    let ran: Ran = child.wait_with_output().unwrap().into();
    ran.exits(143);
}

#[test]
fn a_ledger_that_cannot_be_used_is_said_at_once_and_never_hushed_under_a_budget() {
    let simulator = CountingSimulator::start();
    let dead = ["-q", "--ledger", "no-folder/ledger.db", "ask", "-m", "sim-openai/good", "hello"];
    let tool = tool(&simulator).file("no-folder", "");
    let alone = "what this run learns is not kept; the budget holds for this process alone from now on";
    let ran = tool.run(&dead).exits(0).says(&["warning: the ledger no-folder/ledger.db", alone]);
    assert_eq!(ran.stderr.matches("ledger.db").count(), 1, "{}", ran.stderr);
    let limits = simulator.routes().replace("/v1}\n  sim-a", "/v1, limits: {concurrency: 9}}\n  sim-a");
    let tool = tool.file("routes.yaml", &limits);
    assert_eq!(tool.run(&dead).exits(0).stderr, "", "no money depends on it");
    let ran = tool.run(&dead[1..]).exits(0);
    ran.says(&["is not kept; the limits hold for this process alone from now on\n"]);
}

#[test]
fn what_is_not_free_at_the_end_is_lost_and_said() {
    let simulator = CountingSimulator::start();
    let tool = tool(&simulator).file(
        "routes.yaml",
        &format!("{}routes: {{one: {{candidates: [sim-openai/good]}}}}\n", simulator.routes()),
    );
    tool.run(ASK).exits(0);
    let before = number(&tool, "SELECT sum(nano_dollars) FROM spend");
    let other = rusqlite::Connection::open(tool.path("ledger.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = tool.run(ASK).exits(0);
    assert_eq!(ran.stderr.matches("another process holds it; what this run learns is not kept").count(), 1);
    let reset = ["--ledger", "ledger.db", "route", "--reset"];
    tool.run(&reset).exits(2).says(&["error: nothing was cleared", "another process holds it"]);
    drop(other);
    assert_eq!(number(&tool, "SELECT sum(nano_dollars) FROM spend"), before);
    tool.run(ASK).exits(0);
    assert!(number(&tool, "SELECT sum(nano_dollars) FROM spend") > before);
}
