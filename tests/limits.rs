//! Rate limits, concurrency limits, and budgets, also across concurrent processes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

const SET: &str = "version: 1
name: many
models: [sim-openai/good]
prompt: Capital of {{ country }}?
request: {max_tokens: 100}
assert: [contains]
cases_from: [cases.csv]
";

fn harness(simulator: &CountingSimulator, more: &str) -> CliHarness {
    let rows: String = (0..40).map(|n| format!("c{n},country {n},no model was called\n")).collect();
    let routes = simulator.routes_yaml() + more;
    CliHarness::new()
        .with_file("routes.yaml", &routes)
        .with_file("set.yaml", SET)
        .with_file("cases.csv", &format!("id,country,reference\n{rows}"))
}

fn harness_with_limits(simulator: &CountingSimulator, limits: &str) -> CliHarness {
    let routes = simulator.routes_yaml();
    let at = format!("sim-openai: {{base_url: {}/v1", simulator.url());
    harness(simulator, "").with_file("routes.yaml", &routes.replace(&at, &format!("{at}, limits: {limits}")))
}

fn run_in_parallel(cli: &CliHarness, n: usize, arguments: &[&str]) -> Vec<CliOutput> {
    let run = |_| cli.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children: Vec<_> = (0..n).map(run).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect()
}

const ASK_ARGS: &[&str] = &["ask", "-m", "sim-openai/good", "--json", "hello"];

#[test]
fn concurrency_1_serializes_processes() {
    let latency = Duration::from_millis(250);
    let simulator = CountingSimulator::with_latency(latency);
    let cli = harness_with_limits(&simulator, "{concurrency: 1}");
    let start = Instant::now();
    let outputs = run_in_parallel(&cli, 4, ASK_ARGS);
    assert!(start.elapsed() >= 4 * latency, "{:?}", start.elapsed());
    assert_eq!(simulator.request_count(), 4);
    for output in outputs {
        let envelope = output.assert_exit_code(0).json();
        let [total, queued] = ["latency_ms", "queued_ms"].map(|name| envelope[name].as_u64().unwrap());
        let attempt = envelope["attempts"][0]["duration_ms"].as_u64().unwrap();
        assert!(queued + attempt <= total + 2, "queue time is counted as provider time: {envelope}");
    }
}

#[test]
fn queue_time_does_not_count_toward_timeout() {
    let simulator = CountingSimulator::with_latency(Duration::from_millis(40));
    let cli = harness_with_limits(&simulator, "{concurrency: 1}");
    // 40 cases in sequence take at least 1.6 s; the timeout of each is 0.8 s.
    let output =
        cli.run(&["eval", "set.yaml", "--timeout", "800ms", "-j", "40", "--json"]).assert_exit_code(0);
    let json = output.json();
    assert_eq!(json["runs"][0]["subjects"][0]["passed"], 40, "{json}");
    assert_eq!(simulator.request_count(), 40);
}

#[test]
fn candidate_at_request_limit_is_skipped() {
    let simulator = CountingSimulator::start();
    let routes = "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let cli = harness_with_limits(&simulator, "{requests_per_minute: 1}");
    let written = std::fs::read_to_string(cli.path("routes.yaml")).unwrap();
    let cli = cli.with_file("routes.yaml", &(written + routes));
    let route = ["route", "two", "--json", "hello"];
    assert_eq!(cli.run(&route).assert_exit_code(0).json()["provider"], "sim-openai");
    let output = cli
        .run(&route)
        .assert_exit_code(0)
        .assert_stderr_contains(&["skipping sim-openai/good: at its limit of 1 request per minute"]);
    let envelope = output.json();
    assert_eq!((&envelope["provider"], &envelope["failovers"]), (&"sim-gemini".into(), &0.into()));
    assert_eq!(envelope["skipped"][0]["reason"], "limited");
}

#[test]
fn daily_budget_shared_by_processes_exits_4() {
    let simulator = CountingSimulator::start();
    // Each call is estimated at up to $0.00021 and costs $0.000059.
    let cli = harness(&simulator, "budget: {daily_usd: 0.0005, on_exceeded: stop}\n");
    let ask = ["ask", "-m", "sim-openai/good", "--max-tokens", "104", "--json", "hello"];
    let outputs = run_in_parallel(&cli, 8, &ask);
    let exited_with = |code: i32| outputs.iter().filter(|output| output.code == code).count();
    assert_eq!((exited_with(0), exited_with(4)), (5, 3));
    assert_eq!(simulator.request_count(), 5, "a call over budget was sent");
    let output = cli.run(&ask).assert_exit_code(4).assert_stderr_contains(&[
        "no answer from sim-openai/good: the estimated cost exceeds what is left of today's budget",
        "daily budget: $0.000295 of $0.0005 spent, and this call may cost $0.000209 (simulated)",
        "hint: raise `budget: daily_usd`",
    ]);
    let error = &output.json()["error"];
    assert!(
        error["message"].as_str().unwrap().starts_with("daily budget: $0.000295 of $0.0005 spent"),
        "{error}"
    );
    assert!(error["reason"] == "over_budget" && error["class"].is_null(), "{error}");
    assert_eq!(output.json()["skipped"][0]["reason"], "over_budget");
    // A drill does not count toward the budget and is not limited by it.
    let routes = std::fs::read_to_string(cli.path("routes.yaml")).unwrap();
    let two = "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let cli = cli.with_file("routes.yaml", &(routes.clone() + two));
    cli.run(&["route", "two", "--drill", "sim-openai=down", "hello"]).assert_exit_code(0);
    // `on_exceeded: warn` warns once per run.
    let cli = cli.with_file("routes.yaml", &routes.replace("on_exceeded: stop", "on_exceeded: warn"));
    let output = cli.run(&["eval", "set.yaml"]).assert_exit_code(0);
    assert_eq!(
        output.stderr.matches("; calling anyway (`on_exceeded: warn`)").count(),
        1,
        "{}",
        output.stderr
    );
}

#[test]
fn embed_over_daily_budget_exits_4() {
    let simulator = CountingSimulator::start();
    let models = "models:\n  sim-openai/good: {price: {input: 1000}}\nbudget: {daily_usd: 0.012}\n";
    let cli = harness(&simulator, models);
    let embed = ["embed", "-m", "sim-openai/good", &"word ".repeat(8)];
    cli.run(&embed).assert_exit_code(0);
    cli.run(&embed).assert_exit_code(4).assert_stderr_contains(&[
        "sim-openai/good was not called: daily budget: $0.0",
        "hint: raise `budget",
    ]);
    assert_eq!(simulator.request_count(), 1);
}

#[test]
fn call_over_max_cost_exits_4() {
    let simulator = CountingSimulator::start();
    let routes = "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let cli = harness(&simulator, routes);
    for arguments in [
        &["ask", "-m", "sim-openai/good"][..],
        &["route", "two"],
        &["route", "two", "--drill", "sim-gemini=down"],
        &["compare", "-m", "sim-openai/good,sim-gemini/good"],
        &["eval", "set.yaml"],
    ] {
        let mut command_line = [arguments, &["--max-cost", "0.0001"]].concat();
        command_line.extend((arguments[0] != "eval").then_some("hello"));
        let output = cli.run(&command_line).assert_exit_code(4);
        let expected = "cost limit: $0 of $0.0001 spent, and this call may cost $0.000";
        // Tables may wrap the message.
        let text = format!("{}{}", output.stdout, output.stderr);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "").replace("┆ ", "");
        assert!(text.contains(expected) || arguments[0] == "compare", "{text}");
    }
    assert_eq!(simulator.request_count(), 0);
    let output = cli
        .run(&["ask", "-m", "sim-openai/good", "--max-cost", "0.0001", "--json", "hello"])
        .assert_exit_code(4);
    assert_eq!(output.json()["skipped"][0]["reason"], "over_max_cost");
    output.assert_stderr_contains(&[
        "the estimated cost exceeds --max-cost",
        "hint: raise --max-cost, lower --max-tokens",
    ]);
    // A lower --max-tokens brings the estimate below the limit.
    cli.run(&["ask", "-m", "sim-openai/good", "--max-cost", "0.0001", "--max-tokens", "40", "hello"])
        .assert_exit_code(0);
}

#[test]
fn eval_reaching_max_cost_exits_4() {
    let simulator = CountingSimulator::start();
    let output = harness(&simulator, "")
        .run(&["eval", "set.yaml", "--max-cost", "0.0005", "--json"])
        .assert_exit_code(4);
    let json = output.json();
    let subject = &json["runs"][0]["subjects"][0];
    let (passed, cost) = (subject["passed"].as_u64().unwrap(), subject["cost_usd"].as_f64().unwrap());
    assert!(
        (2..40).contains(&passed) && simulator.request_count() == passed,
        "{passed} of {}",
        simulator.request_count()
    );
    assert!(cost <= 0.0005 && cost > 0.0002, "{cost}");
    let stopped = format!("{} of 40 cases were not completed: cost limit: $", 40 - passed);
    output.assert_stderr_contains(&[
        &stopped,
        "results missing; to complete the run, raise --max-cost 0.0005, then run: slalom eval set.yaml --resume ",
    ]);
    // A lenient --max-unscored does not change the exit code.
    let lenient = ["eval", "set.yaml", "--max-cost", "0.0005", "--max-unscored", "100%"];
    let output = harness(&simulator, "").run(&lenient).assert_exit_code(4);
    assert!(output.stdout.contains(": cost limit: $0.000"), "{}", output.stdout);
}

#[test]
fn max_cost_with_unknown_price_exits_2() {
    let simulator = CountingSimulator::start();
    let url = simulator.url();
    let own = format!("  mine: {{dialect: openai-chat, base_url: {url}/v1, auth: none}}\n");
    let routes = "routes:\n  mixed: {candidates: [mine/good, sim-openai/good]}\n";
    let cli = harness(&simulator, &format!("{own}{routes}"));
    let unknown = "cannot enforce --max-cost: the price of mine/good is unknown";
    for arguments in
        [&["ask", "-m", "mine/good", "hi"][..], &["compare", "-m", "mine/good,sim-openai/good", "hi"]]
    {
        let command_line = [arguments, &["--max-cost", "1"]].concat();
        cli.run(&command_line)
            .assert_exit_code(2)
            .assert_stderr_contains(&[unknown, "`models: {mine/good: {price:"]);
    }
    cli.run(&["eval", "set.yaml", "-m", "mine/good", "--max-cost", "1"])
        .assert_exit_code(2)
        .assert_stderr_contains(&[unknown]);
    assert_eq!(simulator.request_count(), 0);
    // A route falls back to a candidate with a known price.
    let output = cli.run(&["route", "mixed", "--max-cost", "1", "--json", "hi"]).assert_exit_code(0);
    assert_eq!(output.json()["skipped"][0]["reason"], "price_unknown");
    output.assert_stderr_contains(&["skipping mine/good: unknown price, but a cost limit is set"]);
    for wrong in ["-1", "NaN", "0", "abc", "", "1e3"] {
        for command in [
            &["ask", "-m", "sim-openai/good", "hi"][..],
            &["route", "mixed", "--dry-run", "hi"],
            &["eval", "set.yaml"],
        ] {
            let command_line = [command, &["--max-cost", wrong]].concat();
            cli.run(&command_line)
                .assert_exit_code(2)
                .assert_stderr_contains(&["--max-cost", "hint: use an amount in USD above 0"]);
        }
    }
}

#[test]
fn overloaded_provider_bounds_eval_retries() {
    let simulator = CountingSimulator::start();
    harness(&simulator, "").run(&["eval", "set.yaml", "-m", "sim-openai/overloaded"]).assert_exit_code(3);
    assert!((40..=50).contains(&simulator.request_count()), "{}", simulator.request_count());
}

/// A command must not call anyone if it cannot read whether its budget is spent.
#[test]
fn spent_stop_budget_holds_while_another_process_has_the_ledger() {
    let simulator = CountingSimulator::start();
    let routes = "budget: {daily_usd: 0.01, on_exceeded: stop}\n";
    for lock in ["BEGIN IMMEDIATE", "PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE"] {
        for arguments in [
            ASK_ARGS,
            &["eval", "set.yaml", "--json"],
            &["compare", "-m", "sim-openai/good", "-m", "sim-gemini/good", "hi"],
        ] {
            let cli = harness(&simulator, routes);
            let arguments = [&["--ledger", "ledger.db"], arguments].concat();
            cli.run(&["--ledger", "ledger.db", "ask", "-m", "sim-openai/good", "hi"]).assert_exit_code(0);
            let ledger = rusqlite::Connection::open(cli.path("ledger.db")).unwrap();
            // Tomorrow too, in case that the day changes during the test.
            let spend = "INSERT OR REPLACE INTO spend (day, simulated, nano_dollars, unknown) \
                VALUES (date('now'), 1, 1000000000, 0), (date('now', '+1 day'), 1, 1000000000, 0)";
            ledger.execute_batch(spend).unwrap();
            ledger.execute_batch(lock).unwrap();
            let before = simulator.request_count();
            let output = cli.run(&arguments);
            assert_eq!(simulator.request_count(), before, "{lock}: {arguments:?}");
            output.assert_exit_code(4);
            let status = cli.run(&["--ledger", "ledger.db", "route", "--json"]).assert_exit_code(0).json();
            let is_readable = lock == "BEGIN IMMEDIATE";
            let shown = &status["budget"]["spent_simulated_usd"];
            assert_eq!(shown.as_f64(), is_readable.then_some(1.0), "{lock}: unknown is not zero: {shown}");
        }
    }
}

/// The leases of a killed process must not make the next one wait until they expire.
#[cfg(target_os = "linux")]
#[test]
fn leases_of_killed_process_are_released_at_once() {
    let simulator = CountingSimulator::with_latency(Duration::from_secs(30));
    let cli = harness_with_limits(&simulator, "{concurrency: 20}");
    let arguments = ["--ledger", "ledger.db", "eval", "set.yaml"];
    let mut child = cli.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let count = |sql: &str| -> i64 {
        let ledger = rusqlite::Connection::open(cli.path("ledger.db")).unwrap();
        ledger.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    simulator.wait_for_requests(20);
    child.kill().unwrap();
    child.wait().unwrap();
    let leases = "SELECT count(*) FROM lease WHERE scope LIKE 'sim-openai at %'";
    assert_eq!(count(leases), 20);
    let before = simulator.request_count();
    let resume = [&arguments[..], &["--resume"]].concat();
    let mut child = cli.command(&resume).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    simulator.wait_for_requests(before + 20);
    println!("20 calls of the resumed run were sent {:?} after it was started", start.elapsed());
    // The old leases would not expire for another 30 seconds.
    assert!(start.elapsed() < Duration::from_secs(15));
    child.kill().unwrap();
    child.wait().unwrap();
}
