//! Signals during a call, and unusable or locked ledgers.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

const ASK_ARGS: &[&str] = &["--ledger", "ledger.db", "ask", "-m", "sim-openai/good", "hello"];

fn harness_with_budget(simulator: &CountingSimulator) -> CliHarness {
    let routes = simulator.routes_yaml() + "budget: {daily_usd: 1, on_exceeded: stop}\n";
    CliHarness::new().with_file("routes.yaml", &routes)
}

fn query_ledger(cli: &CliHarness, sql: &str) -> i64 {
    let ledger = rusqlite::Connection::open(cli.path("ledger.db")).unwrap();
    ledger.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Starts a call and waits until the simulator has received its request.
fn start_and_wait_for_request(simulator: &CountingSimulator, mut command: Command) -> Child {
    let before = simulator.request_count();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    simulator.wait_for_requests(before + 1);
    child
}

fn send_signal(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn terminated_call_settles_budget_reservation() {
    let simulator = CountingSimulator::with_latency(Duration::from_secs(60));
    let cli = harness_with_budget(&simulator);
    let mut spent_before = 0;
    for (signal, code, reason) in [("-TERM", 143, "terminated"), ("-INT", 130, "interrupted")] {
        let child = start_and_wait_for_request(&simulator, cli.command(ASK_ARGS));
        assert_eq!(query_ledger(&cli, "SELECT count(*) FROM lease"), 1);
        send_signal(signal, &child);
        let output: CliOutput = child.wait_with_output().unwrap().into();
        output.assert_exit_code(code).assert_stderr_contains(&[&format!("error: {reason}\n")]);
        assert_eq!(query_ledger(&cli, "SELECT count(*) FROM lease"), 0);
        let spent = query_ledger(&cli, "SELECT sum(nano_dollars) FROM spend");
        assert!(spent > spent_before, "{spent} after {spent_before}");
        spent_before = spent;
    }
    // A killed process cannot settle: its reservation counts as spent when its lease expires.
    let mut child = start_and_wait_for_request(&simulator, cli.command(ASK_ARGS));
    child.kill().unwrap();
    child.wait().unwrap();
    let ledger = rusqlite::Connection::open(cli.path("ledger.db")).unwrap();
    assert_eq!(ledger.execute("UPDATE lease SET until = since + 1", []).unwrap(), 1);
    let next = start_and_wait_for_request(&simulator, cli.command(ASK_ARGS));
    assert_eq!(query_ledger(&cli, "SELECT sum(nano_dollars) FROM spend") - spent_before, spent_before / 2);
    send_signal("-TERM", &next);
    next.wait_with_output().unwrap();
}

/// Whether this process ignores SIGHUP; child processes inherit that.
#[cfg(target_os = "linux")]
fn is_sighup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1
}

#[cfg(target_os = "linux")]
#[test]
fn sighup_exits_129_unless_ignored() {
    let simulator = CountingSimulator::with_latency(Duration::from_secs(60));
    let cli = harness_with_budget(&simulator);
    if !is_sighup_ignored() {
        let child = start_and_wait_for_request(&simulator, cli.command(ASK_ARGS));
        send_signal("-HUP", &child);
        let output: CliOutput = child.wait_with_output().unwrap().into();
        output.assert_exit_code(129).assert_stderr_contains(&["error: hung up\n"]);
        assert_eq!(query_ledger(&cli, "SELECT count(*) FROM lease"), 0);
    }
    // Ignore SIGHUP as `nohup` does.
    let plain = cli.command(ASK_ARGS);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(cli.path("")).env_clear().stdin(Stdio::null());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let child = start_and_wait_for_request(&simulator, command);
    send_signal("-HUP", &child);
    send_signal("-TERM", &child);
    let output: CliOutput = child.wait_with_output().unwrap().into();
    output.assert_exit_code(143);
}

#[test]
fn unusable_ledger_warns_despite_quiet_under_budget() {
    let simulator = CountingSimulator::start();
    let arguments = ["-q", "--ledger", "no-folder/ledger.db", "ask", "-m", "sim-openai/good", "hello"];
    let cli = harness_with_budget(&simulator).with_file("no-folder", "");
    let consequence =
        "health and results of this run will not be saved, and the budget now applies to this process only";
    let output = cli
        .run(&arguments)
        .assert_exit_code(0)
        .assert_stderr_contains(&["warning: cannot use the ledger no-folder/ledger.db", consequence]);
    assert_eq!(output.stderr.matches("ledger.db").count(), 1, "{}", output.stderr);
    let limits = simulator.routes_yaml().replace("/v1}\n  sim-a", "/v1, limits: {concurrency: 9}}\n  sim-a");
    let cli = cli.with_file("routes.yaml", &limits);
    assert_eq!(cli.run(&arguments).assert_exit_code(0).stderr, "", "unexpected warning without a budget");
    let output = cli.run(&arguments[1..]).assert_exit_code(0);
    output.assert_stderr_contains(&["will not be saved, and the limits now apply to this process only\n"]);
}

#[test]
fn locked_ledger_drops_records_with_warning() {
    let simulator = CountingSimulator::start();
    let cli = harness_with_budget(&simulator).with_file(
        "routes.yaml",
        &format!("{}routes: {{one: {{candidates: [sim-openai/good]}}}}\n", simulator.routes_yaml()),
    );
    cli.run(ASK_ARGS).assert_exit_code(0);
    let before = query_ledger(&cli, "SELECT sum(nano_dollars) FROM spend");
    let lock = rusqlite::Connection::open(cli.path("ledger.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let output = cli.run(ASK_ARGS).assert_exit_code(0);
    let warning = "locked by another process; health and results of this run will not be saved";
    assert_eq!(output.stderr.matches(warning).count(), 1);
    let reset = ["--ledger", "ledger.db", "route", "--reset"];
    cli.run(&reset)
        .assert_exit_code(2)
        .assert_stderr_contains(&["error: cannot reset health", "locked by another process"]);
    drop(lock);
    assert_eq!(query_ledger(&cli, "SELECT sum(nano_dollars) FROM spend"), before);
    cli.run(ASK_ARGS).assert_exit_code(0);
    assert!(query_ledger(&cli, "SELECT sum(nano_dollars) FROM spend") > before);
}
