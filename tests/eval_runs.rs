//! Eval runs: interruption, resume, concurrency limits, caching, repeats, and sampling.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use slalom::sim::{RequestLogEntry, Simulator, SimulatorConfig};

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

/// An in-process simulator that counts answers and can wait for them.
struct CountingServer {
    simulator: Simulator,
    count: Arc<(Mutex<usize>, Condvar)>,
    _runtime: tokio::runtime::Runtime,
}

impl CountingServer {
    fn with_latency(latency: Duration) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let count = Arc::new((Mutex::new(0), Condvar::new()));
        let counted = Arc::clone(&count);
        let log = move |_: &RequestLogEntry| {
            *counted.0.lock().unwrap() += 1;
            counted.1.notify_all();
        };
        let config = SimulatorConfig {
            latency: Some(latency),
            log: Some(Arc::new(log)),
            ..SimulatorConfig::default()
        };
        let simulator = runtime.block_on(Simulator::start(config)).unwrap();
        Self { simulator, count, _runtime: runtime }
    }

    fn answer_count(&self) -> usize {
        *self.count.0.lock().unwrap()
    }

    fn wait_for_answers(&self, answers: usize) {
        let count = self.count.0.lock().unwrap();
        let limit = Duration::from_secs(60);
        let (count, waited) =
            self.count.1.wait_timeout_while(count, limit, |count| *count < answers).unwrap();
        assert!(!waited.timed_out(), "{count} of {answers} answers arrived");
    }

    fn harness(&self, cases: usize, models: &str) -> CliHarness {
        let url = self.simulator.base_url();
        let routes = format!(
            "version: 1\nproviders:\n  sim-openai: {{base_url: '{url}/v1'}}\n  sim-anthropic: {{base_url: '{url}'}}\n  sim-gemini: {{base_url: '{url}/v1beta'}}\n"
        );
        set_with_cases(cases, models).with_file("routes.yaml", &routes)
    }
}

/// A set with this many cases; every answer from `good` passes.
fn set_with_cases(cases: usize, models: &str) -> CliHarness {
    let set = format!(
        "version: 1\nname: many\nmodels: [{models}]\nprompt: Capital of {{{{ country }}}}?\nrequest: {{max_tokens: 100}}\nassert: [contains]\ncases_from: [cases.csv]\n"
    );
    let rows: String = (0..cases).map(|n| format!("c{n},country {n},no model was called\n")).collect();
    CliHarness::new()
        .with_file("set.yaml", &set)
        .with_file("cases.csv", &format!("id,country,reference\n{rows}"))
}

fn spawn_cli(cli: &CliHarness, arguments: &[&str]) -> Child {
    let mut command = cli.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The ID of a set's newest unfinished run in the ledger, and its number of scored results.
fn unfinished_run(ledger: &Path, set: &Path) -> Option<(String, u64)> {
    let set = set.canonicalize().unwrap().to_string_lossy().into_owned();
    let ledger = Connection::open(ledger).unwrap();
    let newest =
        "SELECT id FROM run WHERE set_path = ?1 AND finished = 0 ORDER BY begun DESC, id DESC LIMIT 1";
    let run: String = ledger.query_row(newest, [set], |row| row.get(0)).ok()?;
    let scored = scored_results(&ledger, &run);
    Some((run, scored))
}

fn scored_results(ledger: &Connection, run: &str) -> u64 {
    let count = "SELECT count(*) FROM result WHERE run = ?1 AND verdict <> 'unscored'";
    ledger.query_row(count, [run], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
}

fn read_report(cli: &CliHarness) -> Value {
    serde_json::from_str(&std::fs::read_to_string(cli.path("out.json")).unwrap()).unwrap()
}

fn results(report: &Value) -> &Vec<Value> {
    report["runs"][0]["results"].as_array().unwrap()
}

/// Runs a large set, kills the run after each given number of further answers, and then completes it.
fn run_and_kill_after(answer_counts: &[usize]) {
    const CASES: usize = 1_500;
    const TOTAL_RESULTS: u64 = 3 * CASES as u64;
    let simulator = CountingServer::with_latency(Duration::from_millis(2));
    let cli = simulator.harness(CASES, "sim-openai/good, sim-anthropic/good, sim-gemini/good");
    let (ledger, set) = (cli.path("ledger.db"), cli.path("set.yaml"));
    let fresh = ["--ledger", "ledger.db", "eval", "set.yaml"];
    let resume = [&fresh[..], &["--resume"]].concat();
    let (mut run, mut kept, mut worst) = (None, 0, 0);
    for (n, answers) in answer_counts.iter().enumerate() {
        let before = simulator.answer_count();
        let mut child = spawn_cli(&cli, if n == 0 { &fresh } else { &resume });
        simulator.wait_for_answers(before + answers);
        child.kill().unwrap();
        child.wait().unwrap();
        let answered = (simulator.answer_count() - before) as u64;
        let (id, scored) = unfinished_run(&ledger, &set).unwrap();
        assert_eq!(*run.get_or_insert(id.clone()), id, "the same run is resumed");
        // Answers that were not saved were in flight or waiting for the ledger's writer.
        let lost = (kept + answered).saturating_sub(scored);
        assert!(scored >= kept, "no saved result is lost");
        (kept, worst) = (scored, worst.max(lost));
    }
    let last = cli.run(&[&resume[..], &["-o", "out.json", "--json"]].concat()).assert_exit_code(0);
    assert_eq!(last.json()["runs"][0]["run"], Value::from(run.unwrap()));
    let report = read_report(&cli);
    let keys: HashSet<String> = results(&report)
        .iter()
        .map(|result| format!("{}|{}|{}", result["subject"], result["case"], result["repeat"]))
        .collect();
    assert_eq!((results(&report).len() as u64, keys.len() as u64), (TOTAL_RESULTS, TOTAL_RESULTS));
    assert!(results(&report).iter().all(|result| result["verdict"] == "pass"));
    assert_eq!(unfinished_run(&ledger, &set), None, "the run is finished");
    let repeated = simulator.answer_count() as u64 - TOTAL_RESULTS;
    println!(
        "killed {} times: {repeated} of {TOTAL_RESULTS} answers requested again, at most {worst} per kill",
        answer_counts.len()
    );
    // At most 16 calls in flight for each of three providers, and 64 results that wait for the ledger's writer:
    // every 64th result of a subject is acknowledged. Each kill comes after far more answers than that.
    let max_lost = 3 * (16 + 64);
    assert!(answer_counts.iter().all(|answers| *answers as u64 > max_lost));
    assert!(worst <= max_lost, "one kill lost {worst} answers");
    assert!(repeated <= max_lost * answer_counts.len() as u64, "{repeated} answers were requested again");
}

#[test]
fn resume_after_kills_keeps_results() {
    let mut rng = fastrand::Rng::with_seed(20);
    let answer_counts: Vec<usize> = (0..5).map(|_| rng.usize(400..700)).collect();
    run_and_kill_after(&answer_counts);
}

#[test]
#[ignore = "takes a minute: kills the run twenty times instead of five"]
fn resume_after_twenty_kills_keeps_results() {
    for seed in 0..4 {
        let mut rng = fastrand::Rng::with_seed(seed);
        run_and_kill_after(&(0..5).map(|_| rng.usize(400..700)).collect::<Vec<_>>());
    }
}

#[test]
fn resume_of_active_run_exits_2() {
    let simulator = CountingServer::with_latency(Duration::from_millis(200));
    let cli = simulator.harness(60, "sim-openai/good");
    let eval = ["--ledger", "ledger.db", "eval", "set.yaml", "-j", "1"];
    let mut child = spawn_cli(&cli, &eval);
    simulator.wait_for_answers(2);
    let (run, _) = unfinished_run(&cli.path("ledger.db"), &cli.path("set.yaml")).unwrap();
    let resume = [&eval[..], &["--resume"]].concat();
    cli.run(&resume)
        .assert_exit_code(2)
        .assert_stderr_contains(&[&format!("run {run} is in progress in another process"), "hint: wait"]);
    child.kill().unwrap();
    child.wait().unwrap();
    cli.run(&[&eval[..4], &["-j", "16", "--resume"]].concat()).assert_exit_code(0);
}

fn send_signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn wait_for_exit(child: Child) -> CliOutput {
    child.wait_with_output().unwrap().into()
}

#[cfg(unix)]
#[test]
fn interrupt_keeps_finished_results() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let simulator = CountingServer::with_latency(Duration::from_millis(150));
        let cli = simulator.harness(60, "sim-openai/good");
        let child = spawn_cli(&cli, &["--ledger", "ledger.db", "eval", "set.yaml", "-j", "4"]);
        simulator.wait_for_answers(5);
        send_signal(&child, name);
        let output = wait_for_exit(child).assert_exit_code(code).assert_stderr_contains(&[
            "s for calls in flight (press Ctrl-C again to abort them)",
            "interrupted; completed results are saved",
        ]);
        assert!(output.stdout.contains("many · 60 cases · incomplete"), "{}", output.stdout);
        let (run, scored) = unfinished_run(&cli.path("ledger.db"), &cli.path("set.yaml")).unwrap();
        assert_eq!(scored as usize, simulator.answer_count(), "calls in flight were completed");
        assert!(scored < 60);
        let missing = 60 - scored;
        let output = output.assert_stderr_contains(&[&format!(
            "{missing} results missing; to complete the run: slalom --ledger ledger.db eval set.yaml --resume {run}"
        )]);
        assert!(output.stdout.contains(&format!("{scored} of 60 cases were run")), "{}", output.stdout);
        let again = ["--ledger", "ledger.db", "eval", "set.yaml", "--resume", &run, "--json"];
        let json = cli.run(&again).assert_exit_code(0).json();
        assert_eq!(json["runs"][0]["subjects"][0]["passed"], 60);
        assert_eq!(simulator.answer_count(), 60, "no case ran twice");
    }
}

#[cfg(unix)]
#[test]
fn second_interrupt_exits_130_immediately() {
    let simulator = CountingSimulator::with_latency(Duration::from_secs(60));
    let cli = set_with_cases(4, "sim-openai/good").with_file("routes.yaml", &simulator.routes_yaml());
    let started = Instant::now();
    let mut child = spawn_cli(&cli, &["--ledger", "ledger.db", "eval", "set.yaml"]);
    simulator.wait_for_requests(4);
    send_signal(&child, "-INT");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("stopping: waiting up to "), "{line}");
    send_signal(&child, "-INT");
    let output = wait_for_exit(child).assert_exit_code(130);
    assert!(output.stdout.contains("0 of 4 cases were run"), "{}", output.stdout);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn resume_of_mismatched_run_exits_2() {
    let simulator = CountingSimulator::start();
    let cli = set_with_cases(6, "sim-openai/good").with_file("routes.yaml", &simulator.routes_yaml());
    let eval = |more: &[&str]| cli.run(&[&["--ledger", "ledger.db", "eval", "set.yaml"][..], more].concat());
    eval(&["--resume"]).assert_exit_code(2).assert_stderr_contains(&[
        "cannot resume: set.yaml has no unfinished run of sim-openai/good",
        "hint: drop --resume to start a new run\n",
    ]);
    eval(&["--resume", "01NONE"]).assert_exit_code(2).assert_stderr_contains(&["unknown run `01NONE`"]);
    eval(&["-m", "sim-openai/overloaded", "--max-errors", "2", "-j", "1"]).assert_exit_code(4);
    let hits = simulator.request_count();
    let (run, scored) = unfinished_run(&cli.path("ledger.db"), &cli.path("set.yaml")).unwrap();
    assert_eq!(scored, 0);
    eval(&["--resume"]).assert_exit_code(2).assert_stderr_contains(&[
        "has no unfinished run of sim-openai/good",
        &format!("{run} started "),
        "0 results, subjects: sim-openai/overloaded",
    ]);
    eval(&["--resume", &run, "-m", "sim-openai/good"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["has other subjects: sim-openai/overloaded"]);
    eval(&["--resume", &run, "--repeat", "2"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["was started with a different --repeat"]);
    cli.run(&["--ledger", "ledger.db", "eval", "set.yaml", "set.yaml", "--resume"]).assert_exit_code(2);
    assert_eq!(simulator.request_count(), hits, "nothing was sent");
    let other =
        cli.with_file("other.yaml", "version: 1\nname: o\nprompt: x\ncases: [{id: a, assert: [is-json]}]\n");
    let arguments = ["--ledger", "ledger.db", "eval", "other.yaml", "--resume", &run];
    other
        .run(&arguments)
        .assert_exit_code(2)
        .assert_stderr_contains(&["belongs to ", "set.yaml, not to other.yaml"]);
}

/// Cases are matched by content, not by ID.
#[test]
fn resume_reruns_only_changed_cases() {
    let simulator = CountingSimulator::start();
    // The simulator refuses case `c`, so the run stays unfinished.
    let cases = |rows: &str| format!("id,country,reference\n{rows}");
    let first = "a,A,no model was called\nb,B,no model was called\nd,D,no model was called\n";
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{{ country }}'\nassert: [contains]\ncases_from: [cases.csv]\n";
    let cli = CliHarness::new()
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_file("set.yaml", set)
        .with_file("cases.csv", &cases(&format!("{first}c,refuse this,no model was called\n")));
    let eval = ["--ledger", "ledger.db", "eval", "set.yaml", "-o", "out.json"];
    let output = cli.run(&eval).assert_exit_code(3);
    let output = output.assert_stderr_contains(&[
        "1 result missing; to complete the run: slalom --ledger ledger.db eval set.yaml --resume ",
    ]);
    assert_eq!(simulator.request_count(), 4, "{}", output.stderr);
    // `a` and `b` swap IDs, `d` changes, and `c` now gets an answer.
    let second = "b,A,no model was called\na,B,no model was called\nd,E,no model was called\n";
    let cli = cli.with_file("cases.csv", &cases(&format!("{second}c,C,no model was called\n")));
    let output = cli.run(&[&eval[..], &["--resume"]].concat()).assert_exit_code(0);
    output.assert_stderr_contains(&["set.yaml changed since the run started; rerunning these cases: d\n"]);
    assert_eq!(simulator.request_count(), 6);
    let report = read_report(&cli);
    assert_eq!(results(&report).len(), 4);
    assert!(results(&report)[0]["text"].as_str().unwrap().contains("“A”"), "{report:#}");
    assert_eq!(unfinished_run(&cli.path("ledger.db"), &cli.path("set.yaml")), None);
}

/// A provider that accepts four concurrent requests and answers the others with 429.
struct OverloadedProvider {
    url: String,
    refused: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl OverloadedProvider {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let [in_flight, refused, answered] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let (refusals, answers) = (Arc::clone(&refused), Arc::clone(&answered));
        let serve = move || {
            let [in_flight, refused, answered] = [&in_flight, &refusals, &answers].map(Arc::clone);
            async move {
                let reply = |status: u16, body: &'static str| {
                    let json = [("content-type", "application/json")];
                    (axum::http::StatusCode::from_u16(status).unwrap(), json, body)
                };
                if in_flight.fetch_add(1, Ordering::SeqCst) >= 4 {
                    refused.fetch_add(1, Ordering::SeqCst);
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                    return reply(429, r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
                in_flight.fetch_sub(1, Ordering::SeqCst);
                answered.fetch_add(1, Ordering::SeqCst);
                reply(
                    200,
                    r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2}}"#,
                )
            }
        };
        let app = axum::Router::new().fallback(serve);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { url, refused, answered, _runtime: runtime }
    }

    /// Configured as a real provider with a price, so results are cached and cost is not simulated.
    fn harness(&self, cases: usize) -> CliHarness {
        let routes = format!(
            "version: 1\nproviders:\n  mine: {{dialect: openai-chat, base_url: '{}', api_key: {{env: MINE_KEY}}}}\nmodels:\n  mine/m: {{price: {{input: 1, output: 2}}}}\n",
            self.url
        );
        let rows: String = (0..cases).map(|n| format!("c{n},country {n},ok\n")).collect();
        set_with_cases(0, "mine/m")
            .with_file("routes.yaml", &routes)
            .with_file("cases.csv", &format!("id,country,reference\n{rows}"))
            .with_env("MINE_KEY", PROVIDER_KEY)
    }

    fn refusal_count(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    fn answer_count(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

const PROVIDER_KEY: &str = "kq9-not-for-anybody-else-4711";

const EVAL_ARGS: [&str; 7] =
    ["--config", "routes.yaml", "--ledger", "ledger.db", "eval", "set.yaml", "--no-stream"];

#[test]
fn rate_limited_provider_scores_all_cases() {
    let provider = OverloadedProvider::start();
    let cli = provider.harness(300);
    let output = cli.run(&[&EVAL_ARGS[..], &["--json"]].concat()).assert_exit_code(0);
    let warnings = output.stderr.matches("mine/m is rate limited (rate_limited (429): slow down)").count();
    assert_eq!(warnings, 1, "{}", output.stderr);
    let json = output.json();
    let subject = &json["runs"][0]["subjects"][0];
    assert_eq!((&subject["passed"], &subject["unscored"]), (&300.into(), &0.into()));
    let refused = provider.refusal_count();
    println!("300 answers, {refused} refusals");
    assert_eq!(provider.answer_count(), 300);
    assert!((1..300).contains(&refused), "concurrency is lowered: {refused} refusals");
}

#[test]
fn concurrency_limit_is_shared_by_subjects() {
    let provider = OverloadedProvider::start();
    let cli = provider.harness(60);
    let eval = |more: &[&str]| cli.run(&[&EVAL_ARGS[..], &["-m", "mine/m,mine/n,mine/o"], more].concat());
    eval(&["-j", "4"]).assert_exit_code(0);
    assert_eq!((provider.answer_count(), provider.refusal_count()), (180, 0));
    // Without -j, the provider's own limit applies.
    let routes = std::fs::read_to_string(cli.path("routes.yaml")).unwrap();
    let limited = routes.replace("api_key:", "limits: {concurrency: 4}, api_key:");
    std::fs::write(cli.path("routes.yaml"), limited).unwrap();
    eval(&["--refresh"]).assert_exit_code(0);
    assert_eq!((provider.answer_count(), provider.refusal_count()), (360, 0));
}

#[test]
fn cached_answers_send_no_request() {
    let provider = OverloadedProvider::start();
    let cli = provider.harness(20);
    fn eval_args<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&EVAL_ARGS[..], &["-j", "4"], more].concat()
    }
    let eval = |more: &[&str]| {
        let before = provider.answer_count();
        let output = cli.run(&eval_args(more)).assert_exit_code(0);
        (provider.answer_count() - before, output)
    };
    assert_eq!(eval(&[]).0, 20);
    let (requests, output) = eval(&[]);
    assert_eq!(requests, 0);
    let expected = "mine/m: 20 answers from the cache (would cost $0.000280); --refresh reruns them";
    assert!(output.stdout.contains(expected), "{}", output.stdout);
    let (_, output) = eval(&["--json", "-o", "out.json"]);
    let subject = &output.json()["runs"][0]["subjects"][0];
    assert_eq!((&subject["cached"], &subject["cost_usd"]), (&20.into(), &0.0.into()));
    assert_eq!((&subject["cached_cost_usd"], &subject["latency_ms"]), (&0.00028.into(), &Value::Null));
    assert!(results(&read_report(&cli)).iter().all(|r| r["cached"] == true && r["verdict"] == "pass"));
    // Each repeat has its own cache entry, and a changed request misses the cache.
    assert_eq!(eval(&["--repeat", "2", "--min-pass", "2"]).0, 20);
    assert_eq!((eval(&["--refresh"]).0, eval(&["--no-cache"]).0, eval(&[]).0), (20, 20, 0));
    let set = std::fs::read_to_string(cli.path("set.yaml")).unwrap();
    std::fs::write(cli.path("set.yaml"), set.replace("max_tokens: 100", "max_tokens: 99")).unwrap();
    assert_eq!(eval(&[]).0, 20);
    // Sets with latency assertions do not use the cache.
    let timed = set.replace("assert: [contains]", "assert: [contains, latency: {max_ms: 60000}]");
    std::fs::write(cli.path("set.yaml"), timed).unwrap();
    assert_eq!((eval(&[]).0, eval(&[]).0), (20, 20));
    // The cache is off in CI unless --cache is passed.
    std::fs::write(cli.path("set.yaml"), &set).unwrap();
    let cli = cli.with_env("CI", "true");
    let in_ci = |more: &[&str]| {
        let before = provider.answer_count();
        cli.run(&eval_args(more)).assert_exit_code(0);
        provider.answer_count() - before
    };
    assert_eq!((in_ci(&[]), in_ci(&["--cache"])), (20, 0));
    let ledger_bytes =
        ["ledger.db", "ledger.db-wal"].map(|name| std::fs::read(cli.path(name)).unwrap_or_default()).concat();
    let contains = |text: &str| ledger_bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(contains("mine/m") && !contains(PROVIDER_KEY), "the ledger keeps answers but not keys");
    cli.run(&eval_args(&["--cache", "--refresh"])).assert_exit_code(2);
}

/// A cached answer from another candidate must not hide a failure of the first one.
#[test]
fn route_cache_uses_only_first_candidate() {
    let provider = OverloadedProvider::start();
    let cli = provider.harness(8);
    let routes = std::fs::read_to_string(cli.path("routes.yaml")).unwrap();
    std::fs::write(cli.path("routes.yaml"), routes + "routes:\n  two: {candidates: [mine/m, mine/n]}\n")
        .unwrap();
    let requests = |model: &str| {
        let before = provider.answer_count();
        cli.run(&[&EVAL_ARGS[..], &["-j", "4", "-m", model]].concat()).assert_exit_code(0);
        provider.answer_count() - before
    };
    assert_eq!(["mine/n", "route:two", "route:two", "mine/m"].map(requests), [8, 8, 0, 0]);
}

#[test]
fn simulated_answers_are_not_cached() {
    let simulator = CountingSimulator::start();
    let cli = set_with_cases(5, "sim-openai/good").with_file("routes.yaml", &simulator.routes_yaml());
    for hits in [5, 10] {
        cli.run(&["--ledger", "ledger.db", "eval", "set.yaml"]).assert_exit_code(0);
        assert_eq!(simulator.request_count(), hits);
    }
}

#[test]
fn repeat_sets_requests_per_case() {
    let simulator = CountingSimulator::start();
    let cli = set_with_cases(5, "sim-openai/good").with_file("routes.yaml", &simulator.routes_yaml());
    let set = std::fs::read_to_string(cli.path("set.yaml")).unwrap();
    let cli = cli.with_file("set.yaml", &(set.clone() + "repeat: 3\nmin_pass: 2\n"));
    let output = cli.run(&["eval", "set.yaml", "--json", "-o", "out.json"]).assert_exit_code(0);
    let subject = &output.json()["runs"][0]["subjects"][0];
    assert_eq!((&subject["passed"], simulator.request_count()), (&5.into(), 15));
    assert!(subject["interval"].is_array());
    let repeats: Vec<u64> =
        results(&read_report(&cli)).iter().map(|result| result["repeat"].as_u64().unwrap()).collect();
    assert_eq!(repeats[..6], [0, 1, 2, 0, 1, 2]);
    // Repeats of a case are not independent: five cases run twice give a wider interval than ten cases.
    let cli = cli.with_file("set.yaml", &set);
    let ten =
        set_with_cases(10, "sim-openai/good").run(&["eval", "set.yaml", "--json"]).assert_exit_code(0).json();
    let ten = &ten["runs"][0]["subjects"][0];
    let json = cli.run(&["eval", "set.yaml", "--json", "--repeat", "2"]).assert_exit_code(0).json();
    let subject = &json["runs"][0]["subjects"][0];
    assert_eq!(subject["passed"], 10);
    let [low, wilson] = [&subject["interval"][0], &ten["interval"][0]].map(|low| low.as_f64().unwrap());
    assert!(low < wilson, "{subject}");
    let wrong = cli.run(&["eval", "set.yaml", "--repeat", "2", "--min-pass", "3"]).assert_exit_code(2);
    wrong.assert_stderr_contains(&["invalid --min-pass `3`: each case runs 2 times", "hint: raise --repeat"]);
    let cli = cli.with_file("set.yaml", &(set + "repeat: 0\n"));
    cli.run(&["eval", "set.yaml"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["`repeat` must be at least 1", "set.yaml:8:9"]);
}

#[test]
fn sample_is_deterministic_per_seed() {
    let cli = set_with_cases(50, "sim-openai/good");
    let chosen = |more: &[&str]| -> Vec<String> {
        cli.run(&[&["eval", "set.yaml", "-o", "out.json"][..], more].concat()).assert_exit_code(0);
        results(&read_report(&cli)).iter().map(|result| result["case"].to_string()).collect()
    };
    let ten = chosen(&["--sample", "10"]);
    assert_eq!((ten.len(), &ten), (10, &chosen(&["--sample", "10", "--sample-seed", "1"])));
    assert_ne!(ten, chosen(&["--sample", "10", "--sample-seed", "2"]));
    assert_eq!(chosen(&["--sample", "99"]).len(), 50);
}

#[test]
fn max_errors_exits_4() {
    let simulator = CountingSimulator::start();
    let cli = set_with_cases(40, "sim-openai/good").with_file("routes.yaml", &simulator.routes_yaml());
    let arguments = ["--ledger", "ledger.db", "eval", "set.yaml", "-m", "sim-openai/overloaded"];
    let output = cli.run(&[&arguments[..], &["-j", "2", "--max-errors", "3"]].concat()).assert_exit_code(4);
    output.assert_stderr_contains(&[
        "stopped by --max-errors after ",
        "results missing; to complete the run, raise --max-errors 3, then run: slalom --ledger ledger.db eval set.yaml --resume ",
    ]);
}

#[test]
fn each_candidate_adds_candidates_as_subjects() {
    let routes = "version: 1\nroutes:\n  demo: {candidates: [sim-anthropic/overloaded, sim-openai/good]}\n  keyless: {candidates: [openai/gpt-6-luna, sim-openai/good]}\n";
    let cli = set_with_cases(4, "route:demo").with_file("routes.yaml", routes);
    let output =
        cli.run(&["eval", "set.yaml", "--each-candidate", "--max-unscored", "100%", "--min-score", "0.5"]);
    assert!(output.stdout.contains("route:demo: 4 from sim-openai/good\n"), "{}", output.stdout);
    let output = output.assert_exit_code(3);
    for expected in ["sim-anthropic/overloaded", "sim-openai/good", "none of the 4 cases could be scored"] {
        assert!(output.stdout.contains(expected), "no {expected} in {}", output.stdout);
    }
    let keyless = ["eval", "set.yaml", "-m", "route:keyless", "--each-candidate", "--json"];
    let output = cli
        .run(&keyless)
        .assert_exit_code(0)
        .assert_stderr_contains(&["skipping openai/gpt-6-luna as a separate subject: "]);
    let json = output.json();
    let subjects = json["runs"][0]["subjects"].as_array().unwrap();
    assert_eq!(subjects.len(), 2, "{json:#}");
}

#[test]
fn dry_run_estimates_cost() {
    let cli = set_with_cases(10, "sim-openai/good").with_file(
        "routes.yaml",
        "version: 1\nproviders:\n  mine: {dialect: openai-chat, base_url: 'http://127.0.0.1:9/v1'}\n",
    );
    let dry = ["--config", "routes.yaml", "eval", "set.yaml", "-m", "sim-openai/good,mine/m", "--dry-run"];
    let output = cli.run(&[&dry[..], &["--repeat", "3"]].concat()).assert_exit_code(0);
    for expected in [
        "10 cases × 3 repeats × sim-openai/good, mine/m = 60 calls",
        "  sim-openai/good: ~$",
        "  mine/m: cost unknown",
    ] {
        assert!(output.stdout.contains(expected), "no {expected} in {}", output.stdout);
    }
    let json = cli.run(&[&dry[..], &["--json"]].concat()).assert_exit_code(0).json();
    assert_eq!(json["runs"][0]["estimates"][1], serde_json::json!({"subject": "mine/m", "cost_usd": null}));
}

#[test]
fn parallel_evals_share_ledger() {
    let simulator = CountingSimulator::start();
    let cli = set_with_cases(100, "sim-openai/good, sim-gemini/good")
        .with_file("routes.yaml", &simulator.routes_yaml());
    let eval = ["--ledger", "ledger.db", "eval", "set.yaml", "--json"];
    let children: Vec<Child> = (0..4).map(|_| spawn_cli(&cli, &eval)).collect();
    let mut runs = HashSet::new();
    for child in children {
        let output = wait_for_exit(child).assert_exit_code(0);
        assert!(!output.stderr.contains("ledger"), "{}", output.stderr);
        let json = output.json();
        assert_eq!(json["runs"][0]["subjects"][1]["passed"], 100);
        runs.insert(json["runs"][0]["run"].as_str().unwrap().to_owned());
    }
    let ledger = Connection::open(cli.path("ledger.db")).unwrap();
    for run in &runs {
        assert_eq!(scored_results(&ledger, run), 200);
        let finished: i64 =
            ledger.query_row("SELECT finished FROM run WHERE id = ?1", [run], |row| row.get(0)).unwrap();
        assert!(finished > 0);
    }
    assert_eq!((runs.len(), simulator.request_count()), (4, 800));
}

#[test]
fn unusable_ledger_exits_0() {
    let broken = "not a database, but the user's own notes\n".repeat(100);
    let cli = set_with_cases(5, "sim-openai/good").with_file("broken.db", &broken).with_file("file", "");
    for ledger in ["broken.db", "file/ledger.db"] {
        let output = cli.run(&["--ledger", ledger, "eval", "set.yaml", "--json"]).assert_exit_code(0);
        assert_eq!(output.json()["runs"][0]["subjects"][0]["passed"], 5);
        output.assert_stderr_contains(&[&format!("cannot use the ledger {ledger}: "), "will not be saved"]);
        let output = cli.run(&["--ledger", ledger, "eval", "set.yaml", "--resume"]).assert_exit_code(2);
        output.assert_stderr_contains(&["cannot resume: cannot use the ledger", "hint: "]);
        // The error does not suggest --resume, because no results are saved.
        let overloaded =
            ["--ledger", ledger, "eval", "set.yaml", "-m", "sim-openai/overloaded", "--max-errors", "1"];
        assert!(!cli.run(&overloaded).assert_exit_code(4).stderr.contains("--resume"));
    }
    assert_eq!(std::fs::read_to_string(cli.path("broken.db")).unwrap(), broken);
}
