//! Runs with judges that are cut short and taken up again, through the real binary: nothing is paid for twice, and nothing
//! that was paid for is left out.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::Value;

use crate::tool::Tool;

/// What the judge does with whoever asks it.
#[derive(Default)]
struct Judge {
    /// It takes the question and never answers.
    hangs: AtomicBool,
    /// It fails on questions with this in them.
    fails_on: Mutex<Option<&'static str>>,
}

/// A provider of its own, nobody's simulator: `mine/m` answers, `mine/judge` judges.
struct Provider {
    url: String,
    judge: Arc<Judge>,
    answered: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Provider {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (judge, answered) = (Arc::new(Judge::default()), Arc::new(AtomicUsize::new(0)));
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

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// A set of four cases that are judged. An answer costs 14 millionths of a dollar, and so does a verdict.
    fn tool(&self) -> Tool {
        let routes = format!(
            "version: 1\nproviders:\n  mine: {{dialect: openai-chat, base_url: '{}', auth: none}}\nmodels:\n  mine/m: {{price: {{input: 1, output: 2}}}}\n  mine/judge: {{price: {{input: 1, output: 2}}}}\n",
            self.url
        );
        let set = "version: 1\nname: judged\nmodels: [mine/m]\nprompt: Say {{ word }}\nassert: [{llm-rubric: {value: Good, judge: mine/judge}}]\ncases_from: [cases.csv]\n";
        let rows: String = (0..4).map(|n| format!("c{n},word {n}\n")).collect();
        Tool::new()
            .file("routes.yaml", &routes)
            .file("set.yaml", set)
            .file("cases.csv", &format!("id,word\n{rows}"))
    }
}

const EVAL: [&str; 7] =
    ["--config", "routes.yaml", "--ledger", "ledger.db", "eval", "set.yaml", "--no-stream"];

fn resumed(tool: &Tool) -> Value {
    let ran = tool.run(&[&EVAL[..], &["--resume", "--json"]].concat()).exits(0);
    ran.json()["runs"][0]["subjects"][0].clone()
}

/// What a subject cost in all, and its judging, in millionths of a dollar.
fn spent(subject: &Value) -> [i64; 2] {
    ["cost_usd", "judge_cost_usd"].map(|name| (subject[name].as_f64().unwrap() * 1e6).round() as i64)
}

/// An answer has no result before it is judged. It is kept all the same: who is killed meanwhile does not pay it again.
#[test]
fn answers_that_wait_for_their_judge_are_not_paid_again() {
    let provider = Provider::start();
    let tool = provider.tool();
    provider.judge.hangs.store(true, Ordering::SeqCst);
    let mut child = tool.command(&EVAL).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let kept = || {
        let ledger = rusqlite::Connection::open(tool.path("ledger.db")).unwrap();
        ledger.query_row("SELECT count(*) FROM answer", [], |row| row.get(0)).unwrap_or(0)
    };
    while kept() < 4 {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(provider.answered(), 4);
    provider.judge.hangs.store(false, Ordering::SeqCst);
    let subject = resumed(&tool);
    assert_eq!(provider.answered(), 4, "nothing is asked again");
    assert_eq!((&subject["passed"], &subject["cached"]), (&4.into(), &0.into()));
    assert_eq!(spent(&subject), [4 * 14, 4 * 14], "they are this run's own, and paid by it");
    assert!(subject["latency_ms"]["p50"].is_number(), "and how long they took is known: {subject:#}");
}

/// What an answer without a verdict cost is part of what the run cost, and it is judged without being asked for again.
#[test]
fn what_was_spent_before_is_counted() {
    let provider = Provider::start();
    let tool = provider.tool();
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    let first = tool.run(&[&EVAL[..], &["--json"]].concat()).exits(3);
    let first = first.json()["runs"][0]["subjects"][0].clone();
    assert_eq!((&first["unscored"], provider.answered()), (&4.into(), 4));
    assert_eq!(first["cost_usd"], 4.0 * 14e-6);
    *provider.judge.fails_on.lock().unwrap() = None;
    let subject = resumed(&tool);
    assert_eq!((&subject["passed"], provider.answered()), (&4.into(), 4));
    assert_eq!(spent(&subject)[0], 4 * 14);
    assert!(subject["judge_calls"].as_u64() > first["judge_calls"].as_u64(), "calls in vain were calls");
}

/// What limits time is held to what an answer took when it was given.
#[test]
fn time_is_known_of_answers_that_are_judged_later() {
    let provider = Provider::start();
    let tool = provider.tool();
    let set = std::fs::read_to_string(tool.path("set.yaml")).unwrap();
    let set = set.replace("assert: [", "gate: {max_p50_ms: 60000}\nassert: [{latency: {max_ms: 60000}}, ");
    let tool = tool.file("set.yaml", &set);
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    tool.run(&EVAL).exits(3);
    *provider.judge.fails_on.lock().unwrap() = None;
    let subject = resumed(&tool);
    assert_eq!((&subject["passed"], provider.answered()), (&4.into(), 4));
}

/// Nobody's answers but its own are taken for a run's own.
#[test]
fn another_runs_answers_are_not_this_ones() {
    let provider = Provider::start();
    let tool = provider.tool();
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    tool.run(&[&EVAL[..], &["--no-cache"]].concat()).exits(3);
    *provider.judge.fails_on.lock().unwrap() = None;
    let runs = rusqlite::Connection::open(tool.path("ledger.db")).unwrap();
    let run: String = runs.query_row("SELECT id FROM run", [], |row| row.get(0)).unwrap();
    tool.run(&[&EVAL[..], &["--refresh"]].concat()).exits(0);
    assert_eq!(provider.answered(), 8);
    let resume = ["--resume", &run, "--no-cache", "--json"];
    let ran = tool.run(&[&EVAL[..], &resume].concat()).exits(0);
    let subject = ran.json()["runs"][0]["subjects"][0].clone();
    assert_eq!((&subject["passed"], provider.answered()), (&4.into(), 12));
    assert_eq!(spent(&subject)[0], 8 * 14, "its first answers were paid for too");
}

/// Money that was spent is not forgotten where an answer from before takes the place of what it was spent on.
#[test]
fn what_was_spent_stands_beside_answers_from_before() {
    let provider = Provider::start();
    let tool = provider.tool();
    tool.run(&EVAL).exits(0);
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    tool.run(&[&EVAL[..], &["--no-cache"]].concat()).exits(3);
    *provider.judge.fails_on.lock().unwrap() = None;
    let ran = tool.run(&[&EVAL[..], &["--cache", "--resume", "--json"]].concat()).exits(0);
    let spent_by = spent(&ran.json()["runs"][0]["subjects"][0])[0];
    assert_eq!(spent_by, (provider.answered() as i64 - 4) * 14);
    // Calls of a judge are counted, whoever gave the answer.
    let tool = provider.tool();
    tool.run(&EVAL).exits(0);
    *provider.judge.fails_on.lock().unwrap() = Some("word");
    let set = std::fs::read_to_string(tool.path("set.yaml")).unwrap().replace("Good", "Better");
    let tool = tool.file("set.yaml", &set);
    let ran = tool.run(&[&EVAL[..], &["--json"]].concat()).exits(3);
    let first = &ran.json()["runs"][0]["subjects"][0];
    assert_eq!(first["cached"], 4);
    *provider.judge.fails_on.lock().unwrap() = None;
    let ran = tool.run(&[&EVAL[..], &["--resume", "--no-cache", "--json"]].concat()).exits(0);
    let calls = ran.json()["runs"][0]["subjects"][0]["judge_calls"].as_u64();
    assert_eq!(calls, Some(first["judge_calls"].as_u64().unwrap() + 4));
}

/// A run that was begun with answers from before has none of them left where it is gone on with to compare models.
#[test]
fn answers_from_before_do_not_slip_into_a_comparison() {
    let provider = Provider::start();
    let tool = provider.tool();
    tool.run(&EVAL).exits(0);
    let (answers, more) = (provider.answered(), "c9,more\n");
    let cases = std::fs::read_to_string(tool.path("cases.csv")).unwrap();
    let tool = tool.file("cases.csv", &(cases + more));
    *provider.judge.fails_on.lock().unwrap() = Some("Say more");
    tool.run(&EVAL).exits(3);
    assert_eq!(provider.answered(), answers + 1, "four are from before, and one is new");
    *provider.judge.fails_on.lock().unwrap() = None;
    let subject = resumed(&tool.env("CI", "true"));
    assert_eq!((&subject["passed"], &subject["cached"]), (&5.into(), &0.into()));
    assert_eq!(provider.answered(), answers + 1 + 4);
}

/// What a simulated judge thinks of real models moves no weight.
#[test]
fn a_rehearsal_with_a_simulated_judge_weighs_nothing() {
    let provider = Provider::start();
    let tool = provider.tool();
    let read = |name: &str| std::fs::read_to_string(tool.path(name)).unwrap();
    let routes =
        read("routes.yaml") + "routes:\n  shared: {strategy: weighted, candidates: [mine/m, mine/n]}\n";
    let routes = routes.replace("  mine/judge:", "  mine/n: {price: {input: 1, output: 2}}\n  mine/judge:");
    let set = read("set.yaml").replace("judge: mine/judge", "judge: sim-gemini/judge, threshold: 0.1");
    let reweigh = ["-m", "mine/m,mine/n", "--reweight", "shared"];
    let simulated = provider.tool().file("routes.yaml", &routes).file("set.yaml", &set);
    let ran = simulated.run(&[&EVAL[..], &reweigh].concat());
    let ran = ran.says(&["the weights of route `shared` are as they were: answers from before, and what"]);
    assert!(!ran.stderr.contains("the weight of"), "{}", ran.stderr);
    let judged = provider.tool().file("routes.yaml", &routes);
    judged.run(&[&EVAL[..], &reweigh].concat()).exits(0).says(&["the weight of mine/n is 1.0 of 1 now"]);
}
