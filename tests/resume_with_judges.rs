//! Resumed runs with judges: no answer is paid for twice, and every cost is counted.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::Value;

use crate::harness::{CliHarness, wait_until};

#[derive(Default)]
struct JudgeBehavior {
    /// The judge never answers.
    hangs: AtomicBool,
    /// The judge fails on requests that contain this text.
    fails_on: Mutex<Option<&'static str>>,
}

/// A provider that slalom does not treat as simulated: `mine/m` answers, `mine/judge` judges.
struct JudgeProvider {
    url: String,
    judge: Arc<JudgeBehavior>,
    answered: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl JudgeProvider {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (judge, answered) = (Arc::new(JudgeBehavior::default()), Arc::new(AtomicUsize::new(0)));
        let (judging, counted) = (Arc::clone(&judge), Arc::clone(&answered));
        let serve = move |body: Bytes| {
            let (judge, answered) = (Arc::clone(&judging), Arc::clone(&counted));
            async move {
                let request: Value = serde_json::from_slice(&body).unwrap();
                let text = if request["model"] == "judge" {
                    if judge.hangs.load(Ordering::SeqCst) {
                        std::future::pending::<()>().await;
                    }
                    let bad = *judge.fails_on.lock().unwrap();
                    if bad.is_some_and(|bad| request.to_string().contains(bad)) {
                        return (StatusCode::BAD_GATEWAY, [("content-type", "text/plain")], "out".to_owned());
                    }
                    r#"{"reason": "it is", "grade": 5}"#
                } else {
                    answered.fetch_add(1, Ordering::SeqCst);
                    "ok"
                };
                let reply = serde_json::json!({
                    "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 2},
                });
                (StatusCode::OK, [("content-type", "application/json")], reply.to_string())
            }
        };
        let app = axum::Router::new().fallback(serve);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { url, judge, answered, _runtime: runtime }
    }

    fn answer_count(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// A set of four judged cases. Each answer and each verdict costs $0.000014.
    fn harness(&self) -> CliHarness {
        let routes = format!(
            "version: 1\nproviders:\n  mine: {{dialect: openai-chat, base_url: '{}', auth: none}}\nmodels:\n  mine/m: {{price: {{input: 1, output: 2}}}}\n  mine/judge: {{price: {{input: 1, output: 2}}}}\n",
            self.url
        );
        let set = "version: 1\nname: judged\nmodels: [mine/m]\nprompt: Say {{ word }}\nassert: [{llm-rubric: {value: Good, judge: mine/judge}}]\ncases_from: [cases.csv]\n";
        let rows: String = (0..4).map(|n| format!("c{n},word {n}\n")).collect();
        CliHarness::new()
            .with_file("routes.yaml", &routes)
            .with_file("set.yaml", set)
            .with_file("cases.csv", &format!("id,word\n{rows}"))
    }
}

const EVAL_ARGS: [&str; 7] =
    ["--config", "routes.yaml", "--ledger", "ledger.db", "eval", "set.yaml", "--no-stream"];

fn resume_subject(cli: &CliHarness) -> Value {
    let output = cli.run(&[&EVAL_ARGS[..], &["--resume", "--json"]].concat()).assert_exit_code(0);
    output.json()["runs"][0]["subjects"][0].clone()
}

/// The cost of a subject's answers and the cost of its judge calls, in millionths of a dollar.
fn spent_microdollars(subject: &Value) -> [i64; 2] {
    ["cost_usd", "judge_cost_usd"].map(|name| (subject[name].as_f64().unwrap() * 1e6).round() as i64)
}

/// Answers are stored before they are judged, so a killed run does not pay for them again.
#[test]
fn unjudged_answers_are_not_requested_again() {
    let provider = JudgeProvider::start();
    let cli = provider.harness();
    provider.judge.hangs.store(true, Ordering::SeqCst);
    let mut child = cli.command(&EVAL_ARGS).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let stored_answers = || {
        let ledger = rusqlite::Connection::open(cli.path("ledger.db")).unwrap();
        ledger.query_row("SELECT count(*) FROM answer", [], |row| row.get(0)).unwrap_or(0)
    };
    wait_until("four answers are stored", || {
        assert!(child.try_wait().unwrap().is_none(), "the run ended early");
        stored_answers() >= 4
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(provider.answer_count(), 4);
    provider.judge.hangs.store(false, Ordering::SeqCst);
    let subject = resume_subject(&cli);
    assert_eq!(provider.answer_count(), 4, "an answer was requested again");
    assert_eq!((&subject["passed"], &subject["cached"]), (&4.into(), &0.into()));
    assert_eq!(spent_microdollars(&subject), [4 * 14, 4 * 14], "the answers count as this run's own cost");
    assert!(subject["latency_ms"]["p50"].is_number(), "the latency is missing: {subject:#}");
}

/// Unscored answers count toward the cost of the run and are judged on resume without a new request.
#[test]
fn cost_includes_answers_before_resume() {
    let provider = JudgeProvider::start();
    let cli = provider.harness();
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    let first = cli.run(&[&EVAL_ARGS[..], &["--json"]].concat()).assert_exit_code(3);
    let first = first.json()["runs"][0]["subjects"][0].clone();
    assert_eq!((&first["unscored"], provider.answer_count()), (&4.into(), 4));
    assert_eq!(first["cost_usd"], 4.0 * 14e-6);
    *provider.judge.fails_on.lock().unwrap() = None;
    let subject = resume_subject(&cli);
    assert_eq!((&subject["passed"], provider.answer_count()), (&4.into(), 4));
    assert_eq!(spent_microdollars(&subject)[0], 4 * 14);
    assert!(
        subject["judge_calls"].as_u64() > first["judge_calls"].as_u64(),
        "failed judge calls are not counted"
    );
}

/// Latency assertions and gates use the latency of the original call.
#[test]
fn latency_of_original_answer_is_kept() {
    let provider = JudgeProvider::start();
    let cli = provider.harness();
    let set = std::fs::read_to_string(cli.path("set.yaml")).unwrap();
    let set = set.replace("assert: [", "gate: {max_p50_ms: 60000}\nassert: [{latency: {max_ms: 60000}}, ");
    let cli = cli.with_file("set.yaml", &set);
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    cli.run(&EVAL_ARGS).assert_exit_code(3);
    *provider.judge.fails_on.lock().unwrap() = None;
    let subject = resume_subject(&cli);
    assert_eq!((&subject["passed"], provider.answer_count()), (&4.into(), 4));
}

#[test]
fn answers_of_other_runs_are_not_reused() {
    let provider = JudgeProvider::start();
    let cli = provider.harness();
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    cli.run(&[&EVAL_ARGS[..], &["--no-cache"]].concat()).assert_exit_code(3);
    *provider.judge.fails_on.lock().unwrap() = None;
    let runs = rusqlite::Connection::open(cli.path("ledger.db")).unwrap();
    let run: String = runs.query_row("SELECT id FROM run", [], |row| row.get(0)).unwrap();
    cli.run(&[&EVAL_ARGS[..], &["--refresh"]].concat()).assert_exit_code(0);
    assert_eq!(provider.answer_count(), 8);
    let resume = ["--resume", &run, "--no-cache", "--json"];
    let output = cli.run(&[&EVAL_ARGS[..], &resume].concat()).assert_exit_code(0);
    let subject = output.json()["runs"][0]["subjects"][0].clone();
    assert_eq!((&subject["passed"], provider.answer_count()), (&4.into(), 12));
    assert_eq!(spent_microdollars(&subject)[0], 8 * 14, "the first answers are not in the cost");
}

/// The cost of an answer stays in the total when a cached answer replaces it on resume.
#[test]
fn cost_counts_answers_replaced_by_cached_ones() {
    let provider = JudgeProvider::start();
    let cli = provider.harness();
    cli.run(&EVAL_ARGS).assert_exit_code(0);
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    cli.run(&[&EVAL_ARGS[..], &["--no-cache"]].concat()).assert_exit_code(3);
    *provider.judge.fails_on.lock().unwrap() = None;
    let output = cli.run(&[&EVAL_ARGS[..], &["--cache", "--resume", "--json"]].concat()).assert_exit_code(0);
    let spent = spent_microdollars(&output.json()["runs"][0]["subjects"][0])[0];
    assert_eq!(spent, (provider.answer_count() as i64 - 4) * 14);
    // Judge calls count even when the answer comes from the cache.
    let cli = provider.harness();
    cli.run(&EVAL_ARGS).assert_exit_code(0);
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    let set = std::fs::read_to_string(cli.path("set.yaml")).unwrap().replace("Good", "Better");
    let cli = cli.with_file("set.yaml", &set);
    let output = cli.run(&[&EVAL_ARGS[..], &["--json"]].concat()).assert_exit_code(3);
    let first = &output.json()["runs"][0]["subjects"][0];
    assert_eq!(first["cached"], 4);
    *provider.judge.fails_on.lock().unwrap() = None;
    let output =
        cli.run(&[&EVAL_ARGS[..], &["--resume", "--no-cache", "--json"]].concat()).assert_exit_code(0);
    let calls = output.json()["runs"][0]["subjects"][0]["judge_calls"].as_u64();
    assert_eq!(calls, Some(first["judge_calls"].as_u64().unwrap() + 4));
}

/// In CI, `--resume` does not use the cache: cached answers of the interrupted run are requested again.
#[test]
fn cached_answers_are_requested_again_in_ci() {
    let provider = JudgeProvider::start();
    let cli = provider.harness();
    cli.run(&EVAL_ARGS).assert_exit_code(0);
    let (answers, more) = (provider.answer_count(), "c9,more\n");
    let cases = std::fs::read_to_string(cli.path("cases.csv")).unwrap();
    let cli = cli.with_file("cases.csv", &(cases + more));
    *provider.judge.fails_on.lock().unwrap() = Some("Say more");
    cli.run(&EVAL_ARGS).assert_exit_code(3);
    assert_eq!(provider.answer_count(), answers + 1, "expected four cached answers and one new one");
    *provider.judge.fails_on.lock().unwrap() = None;
    let subject = resume_subject(&cli.with_env("CI", "true"));
    assert_eq!((&subject["passed"], &subject["cached"]), (&5.into(), &0.into()));
    assert_eq!(provider.answer_count(), answers + 1 + 4);
}

/// `--reweight` ignores verdicts of a simulated judge on real models.
#[test]
fn simulated_judge_does_not_change_route_weights() {
    let provider = JudgeProvider::start();
    let cli = provider.harness();
    let read = |name: &str| std::fs::read_to_string(cli.path(name)).unwrap();
    let routes =
        read("routes.yaml") + "routes:\n  shared: {strategy: weighted, candidates: [mine/m, mine/n]}\n";
    let routes = routes.replace("  mine/judge:", "  mine/n: {price: {input: 1, output: 2}}\n  mine/judge:");
    let set = read("set.yaml").replace("judge: mine/judge", "judge: sim-gemini/judge, threshold: 0.1");
    let reweight = ["-m", "mine/m,mine/n", "--reweight", "shared"];
    let simulated = provider.harness().with_file("routes.yaml", &routes).with_file("set.yaml", &set);
    let output = simulated.run(&[&EVAL_ARGS[..], &reweight].concat());
    let output = output.assert_stderr_contains(&[
        "weights of route `shared` unchanged: cached answers and simulated verdicts on real models",
    ]);
    assert!(!output.stderr.contains("`: weight of"), "{}", output.stderr);
    let judged = provider.harness().with_file("routes.yaml", &routes);
    judged
        .run(&[&EVAL_ARGS[..], &reweight].concat())
        .assert_exit_code(0)
        .assert_stderr_contains(&["route `shared`: weight of mine/n is now 1.0 (configured: 1)"]);
}
