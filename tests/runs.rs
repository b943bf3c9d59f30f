//! Runs of golden sets that are cut short, refused, repeated and taken up again, through the real binary.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use slalom::ledger::Ledger;
use slalom::sim::{LogLine, Settings, Simulator};

use crate::tool::{CountingSimulator, Ran, Tool};

/// A simulator of this process whose requests can be waited for.
struct Watched {
    simulator: Simulator,
    count: Arc<(Mutex<usize>, Condvar)>,
    _runtime: tokio::runtime::Runtime,
}

impl Watched {
    fn taking(latency: Duration) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let count = Arc::new((Mutex::new(0), Condvar::new()));
        let counted = Arc::clone(&count);
        let log = move |_: &LogLine| {
            *counted.0.lock().unwrap() += 1;
            counted.1.notify_all();
        };
        let settings = Settings { latency: Some(latency), log: Some(Arc::new(log)), ..Settings::default() };
        let simulator = runtime.block_on(Simulator::start(settings)).unwrap();
        Self { simulator, count, _runtime: runtime }
    }

    fn answered(&self) -> usize {
        *self.count.0.lock().unwrap()
    }

    fn wait_for(&self, answers: usize) {
        let count = self.count.0.lock().unwrap();
        drop(self.count.1.wait_while(count, |count| *count < answers).unwrap());
    }

    fn tool(&self, cases: usize, models: &str) -> Tool {
        let url = self.simulator.url();
        let routes = format!(
            "version: 1\nproviders:\n  sim-openai: {{base_url: '{url}/v1'}}\n  sim-anthropic: {{base_url: '{url}'}}\n  sim-gemini: {{base_url: '{url}/v1beta'}}\n"
        );
        many(cases, models).file("routes.yaml", &routes)
    }
}

/// A set of so many cases that every answer of `good` passes.
fn many(cases: usize, models: &str) -> Tool {
    let set = format!(
        "version: 1\nname: many\nmodels: [{models}]\nprompt: Capital of {{{{ country }}}}?\nrequest: {{max_tokens: 100}}\nassert: [contains]\ncases_from: [cases.csv]\n"
    );
    let rows: String = (0..cases).map(|n| format!("c{n},country {n},no model was called\n")).collect();
    Tool::new().file("set.yaml", &set).file("cases.csv", &format!("id,country,reference\n{rows}"))
}

fn spawned(tool: &Tool, arguments: &[&str]) -> Child {
    let mut command = tool.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a ledger has of the newest unfinished run of a set: its id, and how many of its results are scored.
fn unfinished(ledger: &Path, set: &Path) -> Option<(String, u64)> {
    let set = set.canonicalize().unwrap().to_string_lossy().into_owned();
    let ledger = Ledger::open(ledger);
    let run = ledger.read(|rows| rows.unfinished_runs(&set)).into_iter().next()?;
    let scored = ledger.read(|rows| rows.scored_results(&run.id));
    assert_eq!(ledger.trouble(), None);
    Some((run.id, scored))
}

fn report(tool: &Tool) -> Value {
    serde_json::from_str(&std::fs::read_to_string(tool.path("out.json")).unwrap()).unwrap()
}

fn results(report: &Value) -> &Vec<Value> {
    report["runs"][0]["results"].as_array().unwrap()
}

/// The runs of a big set that is killed at so many moments, each when so many more answers went out, until it is done.
fn killed_at(moments: &[usize]) {
    const CASES: usize = 600;
    const ALL: u64 = 3 * CASES as u64;
    let simulator = Watched::taking(Duration::from_millis(2));
    let tool = simulator.tool(CASES, "sim-openai/good, sim-anthropic/good, sim-gemini/good");
    let (ledger, set) = (tool.path("ledger.db"), tool.path("set.yaml"));
    let fresh = ["--ledger", "ledger.db", "eval", "set.yaml"];
    let resume = [&fresh[..], &["--resume"]].concat();
    let (mut run, mut kept, mut worst) = (None, 0, 0);
    for (n, more) in moments.iter().enumerate() {
        let before = simulator.answered();
        let mut child = spawned(&tool, if n == 0 { &fresh } else { &resume });
        simulator.wait_for(before + more);
        child.kill().unwrap();
        child.wait().unwrap();
        let answered = (simulator.answered() - before) as u64;
        let (id, scored) = unfinished(&ledger, &set).unwrap();
        assert_eq!(*run.get_or_insert(id.clone()), id, "one run, taken up again");
        // What went out and is not kept was in flight, or on its way to the file.
        let lost = (kept + answered).saturating_sub(scored);
        assert!(scored >= kept, "nothing that was kept is lost");
        (kept, worst) = (scored, worst.max(lost));
    }
    let last = tool.run(&[&resume[..], &["-o", "out.json", "--json"]].concat()).exits(0);
    assert_eq!(last.json()["runs"][0]["run"], Value::from(run.unwrap()));
    let report = report(&tool);
    let keys: HashSet<String> = results(&report)
        .iter()
        .map(|result| format!("{}|{}|{}", result["subject"], result["case"], result["repeat"]))
        .collect();
    assert_eq!((results(&report).len() as u64, keys.len() as u64), (ALL, ALL));
    assert!(results(&report).iter().all(|result| result["verdict"] == "pass"));
    assert_eq!(unfinished(&ledger, &set), None, "it is finished");
    let again = simulator.answered() as u64 - ALL;
    println!("killed {} times: {again} of {ALL} answers paid again, {worst} at most at once", moments.len());
    // Sixteen in flight for each of three providers, and one batch of the ledger's writer, which takes milliseconds: as many
    // results as may arrive in much less than a second.
    let most = 3 * 16 + 256;
    assert!(worst <= most, "{worst} answers were lost at once");
    assert!(again <= most * moments.len() as u64, "{again} answers were paid again");
}

#[test]
fn a_killed_run_is_taken_up_where_it_was() {
    let mut draw = fastrand::Rng::with_seed(20);
    let moments: Vec<usize> = (0..5).map(|_| draw.usize(1..400)).collect();
    killed_at(&moments);
}

#[test]
#[ignore = "takes a minute: twenty moments in place of five"]
fn a_run_that_is_killed_twenty_times_is_taken_up_where_it_was() {
    for seed in 0..4 {
        let mut draw = fastrand::Rng::with_seed(seed);
        killed_at(&(0..5).map(|_| draw.usize(1..400)).collect::<Vec<_>>());
    }
}

#[test]
fn nobody_goes_on_with_a_run_that_is_under_way() {
    let simulator = Watched::taking(Duration::from_millis(200));
    let tool = simulator.tool(60, "sim-openai/good");
    let eval = ["--ledger", "ledger.db", "eval", "set.yaml", "-j", "1"];
    let mut child = spawned(&tool, &eval);
    simulator.wait_for(2);
    let (run, _) = unfinished(&tool.path("ledger.db"), &tool.path("set.yaml")).unwrap();
    let resume = [&eval[..], &["--resume"]].concat();
    tool.run(&resume)
        .exits(2)
        .says(&[&format!("the run {run} is under way in another process"), "hint: wait"]);
    child.kill().unwrap();
    child.wait().unwrap();
    tool.run(&[&eval[..4], &["-j", "16", "--resume"]].concat()).exits(0);
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn ended(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

#[cfg(unix)]
#[test]
fn whoever_interrupts_a_run_keeps_what_it_has() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let simulator = Watched::taking(Duration::from_millis(150));
        let tool = simulator.tool(60, "sim-openai/good");
        let child = spawned(&tool, &["--ledger", "ledger.db", "eval", "set.yaml", "-j", "4"]);
        simulator.wait_for(5);
        signal(&child, name);
        let ran = ended(child).exits(code).says(&["ending: calls in flight", "interrupted; every result"]);
        assert!(ran.stdout.contains("many · 60 cases · incomplete"), "{}", ran.stdout);
        let (run, scored) = unfinished(&tool.path("ledger.db"), &tool.path("set.yaml")).unwrap();
        assert_eq!(scored as usize, simulator.answered(), "calls in flight came to their end");
        assert!(scored < 60);
        let missing = 60 - scored;
        let ran = ran.says(&[&format!(
            "{missing} results missing; to get them: slalom --ledger ledger.db eval set.yaml --resume {run}"
        )]);
        assert!(ran.stdout.contains(&format!("{scored} of 60 were run")), "{}", ran.stdout);
        let again = ["--ledger", "ledger.db", "eval", "set.yaml", "--resume", &run, "--json"];
        let json = tool.run(&again).exits(0).json();
        assert_eq!(json["runs"][0]["subjects"][0]["passed"], 60);
        assert_eq!(simulator.answered(), 60, "nothing was asked twice");
    }
}

#[cfg(unix)]
#[test]
fn a_second_interrupt_waits_for_nothing() {
    let simulator = CountingSimulator::taking(Duration::from_secs(60));
    let tool = many(4, "sim-openai/good").file("routes.yaml", &simulator.routes());
    let begun = Instant::now();
    let mut child = spawned(&tool, &["--ledger", "ledger.db", "eval", "set.yaml"]);
    while simulator.hits() < 4 {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("ending"), "{line}");
    signal(&child, "-INT");
    let ran = ended(child).exits(130);
    assert!(ran.stdout.contains("0 of 4 were run"), "{}", ran.stdout);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_run_to_go_on_with_must_be_there_and_the_same() {
    let simulator = CountingSimulator::start();
    let tool = many(6, "sim-openai/good").file("routes.yaml", &simulator.routes());
    let eval = |more: &[&str]| tool.run(&[&["--ledger", "ledger.db", "eval", "set.yaml"][..], more].concat());
    eval(&["--resume"])
        .exits(2)
        .says(&["set.yaml has no unfinished run of sim-openai/good", "every run of set.yaml is finished"]);
    eval(&["--resume", "01NONE"]).exits(2).says(&["there is no run 01NONE"]);
    eval(&["-m", "sim-openai/overloaded", "--max-errors", "2", "-j", "1"]).exits(4);
    let hits = simulator.hits();
    let (run, scored) = unfinished(&tool.path("ledger.db"), &tool.path("set.yaml")).unwrap();
    assert_eq!(scored, 0);
    eval(&["--resume"]).exits(2).says(&[
        "has no unfinished run of sim-openai/good",
        &format!("{run} begun "),
        "0 results, of sim-openai/overloaded",
    ]);
    eval(&["--resume", &run, "-m", "sim-openai/good"]).exits(2).says(&["is one of sim-openai/overloaded"]);
    eval(&["--resume", &run, "--repeat", "2"]).exits(2).says(&["was begun with another --repeat"]);
    tool.run(&["--ledger", "ledger.db", "eval", "set.yaml", "set.yaml", "--resume"]).exits(2);
    assert_eq!(simulator.hits(), hits, "nothing was sent");
    let other =
        tool.file("other.yaml", "version: 1\nname: o\nprompt: x\ncases: [{id: a, assert: [is-json]}]\n");
    let arguments = ["--ledger", "ledger.db", "eval", "other.yaml", "--resume", &run];
    other.run(&arguments).exits(2).says(&["is one of ", "set.yaml, not of other.yaml"]);
}

/// Cases are known by what they ask, not by their names.
#[test]
fn changed_cases_are_run_anew_and_renamed_ones_are_not() {
    let simulator = CountingSimulator::start();
    // The third case is refused as it stands, so that the run has no end.
    let cases = |rows: &str| format!("id,country,reference\n{rows}");
    let first = "a,A,no model was called\nb,B,no model was called\nd,D,no model was called\n";
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{{ country }}'\nassert: [contains]\ncases_from: [cases.csv]\n";
    let tool = Tool::new()
        .file("routes.yaml", &simulator.routes())
        .file("set.yaml", set)
        .file("cases.csv", &cases(&format!("{first}c,refuse this,no model was called\n")));
    let eval = ["--ledger", "ledger.db", "eval", "set.yaml", "-o", "out.json"];
    let ran = tool.run(&eval).exits(3);
    let ran = ran.says(&["1 result missing; to get it: slalom --ledger ledger.db eval set.yaml --resume "]);
    assert_eq!(simulator.hits(), 4, "{}", ran.stderr);
    // `a` and `b` swap their names, `d` asks for something else, `c` asks for what can be answered.
    let second = "b,A,no model was called\na,B,no model was called\nd,E,no model was called\n";
    let tool = tool.file("cases.csv", &cases(&format!("{second}c,C,no model was called\n")));
    let ran = tool.run(&[&eval[..], &["--resume"]].concat()).exits(0);
    ran.says(&["set.yaml changed since the run began; these cases are run anew: d\n"]);
    assert_eq!(simulator.hits(), 6);
    let report = report(&tool);
    assert_eq!(results(&report).len(), 4);
    assert!(results(&report)[0]["text"].as_str().unwrap().contains("“A”"), "{report:#}");
    assert_eq!(unfinished(&tool.path("ledger.db"), &tool.path("set.yaml")), None);
}

/// A provider that takes four requests at once and refuses the others.
struct Narrow {
    url: String,
    refused: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Narrow {
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

    /// It is nobody's simulator, and has a price.
    fn tool(&self, cases: usize) -> Tool {
        let routes = format!(
            "version: 1\nproviders:\n  mine: {{dialect: openai-chat, base_url: '{}', api_key: {{env: MINE_KEY}}}}\nmodels:\n  mine/m: {{price: {{input: 1, output: 2}}}}\n",
            self.url
        );
        let rows: String = (0..cases).map(|n| format!("c{n},country {n},ok\n")).collect();
        many(0, "mine/m")
            .file("routes.yaml", &routes)
            .file("cases.csv", &format!("id,country,reference\n{rows}"))
            .env("MINE_KEY", KEY)
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

const KEY: &str = "kq9-not-for-anybody-else-4711";

const NARROW: [&str; 7] =
    ["--config", "routes.yaml", "--ledger", "ledger.db", "eval", "set.yaml", "--no-stream"];

#[test]
fn a_provider_that_refuses_much_leaves_no_case_unscored() {
    let narrow = Narrow::start();
    let tool = narrow.tool(300);
    let ran = tool.run(&[&NARROW[..], &["--json"]].concat()).exits(0);
    let said = ran.stderr.matches("mine/m has too many requests (rate_limited (429): slow down)").count();
    assert_eq!(said, 1, "{}", ran.stderr);
    let json = ran.json();
    let subject = &json["runs"][0]["subjects"][0];
    assert_eq!((&subject["passed"], &subject["unscored"]), (&300.into(), &0.into()));
    let refused = narrow.refused();
    println!("300 answers, {refused} refusals on the way");
    assert_eq!(narrow.answered(), 300);
    assert!((1..300).contains(&refused), "it is asked for less: {refused} refusals");
}

/// Subjects of one provider share its places.
#[test]
fn as_many_are_in_flight_at_a_provider_as_was_said() {
    let narrow = Narrow::start();
    let tool = narrow.tool(60);
    let eval = |more: &[&str]| tool.run(&[&NARROW[..], &["-m", "mine/m,mine/n,mine/o"], more].concat());
    eval(&["-j", "4"]).exits(0);
    assert_eq!((narrow.answered(), narrow.refused()), (180, 0));
    // Where nothing is said, the provider's own limit is.
    let routes = std::fs::read_to_string(tool.path("routes.yaml")).unwrap();
    let limited = routes.replace("api_key:", "limits: {concurrency: 4}, api_key:");
    std::fs::write(tool.path("routes.yaml"), limited).unwrap();
    eval(&["--refresh"]).exits(0);
    assert_eq!((narrow.answered(), narrow.refused()), (360, 0));
}

#[test]
fn answers_from_before_cost_nothing_and_say_so() {
    let narrow = Narrow::start();
    let tool = narrow.tool(20);
    fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&NARROW[..], &["-j", "4"], more].concat()
    }
    let eval = |more: &[&str]| {
        let before = narrow.answered();
        let ran = tool.run(&with(more)).exits(0);
        (narrow.answered() - before, ran)
    };
    assert_eq!(eval(&[]).0, 20);
    let (asked, ran) = eval(&[]);
    assert_eq!(asked, 0);
    let words = "mine/m: 20 answers from before, which would cost $0.000280; --refresh asks anew";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
    let (_, ran) = eval(&["--json", "-o", "out.json"]);
    let subject = &ran.json()["runs"][0]["subjects"][0];
    assert_eq!((&subject["cached"], &subject["cost_usd"]), (&20.into(), &0.0.into()));
    assert_eq!((&subject["cached_cost_usd"], &subject["latency_ms"]), (&0.00028.into(), &Value::Null));
    assert!(results(&report(&tool)).iter().all(|r| r["cached"] == true && r["verdict"] == "pass"));
    // Another repeat is another answer; another request is another one too.
    assert_eq!(eval(&["--repeat", "2", "--min-pass", "2"]).0, 20);
    assert_eq!((eval(&["--refresh"]).0, eval(&["--no-cache"]).0, eval(&[]).0), (20, 20, 0));
    let set = std::fs::read_to_string(tool.path("set.yaml")).unwrap();
    std::fs::write(tool.path("set.yaml"), set.replace("max_tokens: 100", "max_tokens: 99")).unwrap();
    assert_eq!(eval(&[]).0, 20);
    // Who looks at time wants to see it pass.
    let timed = set.replace("assert: [contains]", "assert: [contains, latency: {max_ms: 60000}]");
    std::fs::write(tool.path("set.yaml"), timed).unwrap();
    assert_eq!((eval(&[]).0, eval(&[]).0), (20, 20));
    // A gate in CI sees what is, unless it is told otherwise.
    std::fs::write(tool.path("set.yaml"), &set).unwrap();
    let tool = tool.env("CI", "true");
    let in_ci = |more: &[&str]| {
        let before = narrow.answered();
        tool.run(&with(more)).exits(0);
        narrow.answered() - before
    };
    assert_eq!((in_ci(&[]), in_ci(&["--cache"])), (20, 0));
    let kept = ["ledger.db", "ledger.db-wal"]
        .map(|name| std::fs::read(tool.path(name)).unwrap_or_default())
        .concat();
    let holds = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("mine/m") && !holds(KEY), "answers are kept, keys are not");
    tool.run(&with(&["--cache", "--refresh"])).exits(2);
}

/// What another candidate once said must not hide that the first one may fail now.
#[test]
fn a_route_uses_the_answers_of_the_candidate_whose_turn_it_is() {
    let narrow = Narrow::start();
    let tool = narrow.tool(8);
    let routes = std::fs::read_to_string(tool.path("routes.yaml")).unwrap();
    std::fs::write(tool.path("routes.yaml"), routes + "routes:\n  two: {candidates: [mine/m, mine/n]}\n")
        .unwrap();
    let asked = |model: &str| {
        let before = narrow.answered();
        tool.run(&[&NARROW[..], &["-j", "4", "-m", model]].concat()).exits(0);
        narrow.answered() - before
    };
    assert_eq!([asked("mine/n"), asked("route:two"), asked("route:two"), asked("mine/m")], [8, 8, 0, 0]);
}

#[test]
fn what_the_simulator_says_is_never_kept() {
    let simulator = CountingSimulator::start();
    let tool = many(5, "sim-openai/good").file("routes.yaml", &simulator.routes());
    for hits in [5, 10] {
        tool.run(&["--ledger", "ledger.db", "eval", "set.yaml"]).exits(0);
        assert_eq!(simulator.hits(), hits);
    }
}

#[test]
fn cases_are_asked_as_often_as_the_set_or_the_user_says() {
    let simulator = CountingSimulator::start();
    let tool = many(5, "sim-openai/good").file("routes.yaml", &simulator.routes());
    let set = std::fs::read_to_string(tool.path("set.yaml")).unwrap();
    let tool = tool.file("set.yaml", &(set.clone() + "repeat: 3\nmin_pass: 2\n"));
    let ran = tool.run(&["eval", "set.yaml", "--json", "-o", "out.json"]).exits(0);
    let subject = &ran.json()["runs"][0]["subjects"][0];
    assert_eq!((&subject["passed"], simulator.hits()), (&5.into(), 15));
    assert!(subject["interval"].is_array());
    let repeats: Vec<u64> =
        results(&report(&tool)).iter().map(|result| result["repeat"].as_u64().unwrap()).collect();
    assert_eq!(repeats[..6], [0, 1, 2, 0, 1, 2]);
    // Answers to one question are no trials of their own: ten of five cases say less than ten of ten.
    let tool = tool.file("set.yaml", &set);
    let ten = many(10, "sim-openai/good").run(&["eval", "set.yaml", "--json"]).exits(0).json();
    let ten = &ten["runs"][0]["subjects"][0];
    let json = tool.run(&["eval", "set.yaml", "--json", "--repeat", "2"]).exits(0).json();
    let subject = &json["runs"][0]["subjects"][0];
    assert_eq!(subject["passed"], 10);
    let [low, wilson] = [&subject["interval"][0], &ten["interval"][0]].map(|low| low.as_f64().unwrap());
    assert!(low < wilson, "{subject}");
    let wrong = tool.run(&["eval", "set.yaml", "--repeat", "2", "--min-pass", "3"]).exits(2);
    wrong.says(&["3 repeats of a case must pass, and it is asked 2 times", "hint: raise --repeat"]);
    let tool = tool.file("set.yaml", &(set + "repeat: 0\n"));
    tool.run(&["eval", "set.yaml"]).exits(2).says(&["`repeat` must be at least 1", "set.yaml:8:9"]);
}

#[test]
fn a_sample_is_the_same_each_time() {
    let tool = many(50, "sim-openai/good");
    let chosen = |more: &[&str]| -> Vec<String> {
        tool.run(&[&["eval", "set.yaml", "-o", "out.json"][..], more].concat()).exits(0);
        results(&report(&tool)).iter().map(|result| result["case"].to_string()).collect()
    };
    let ten = chosen(&["--sample", "10"]);
    assert_eq!((ten.len(), &ten), (10, &chosen(&["--sample", "10", "--sample-seed", "1"])));
    assert_ne!(ten, chosen(&["--sample", "10", "--sample-seed", "2"]));
    assert_eq!(chosen(&["--sample", "99"]).len(), 50);
}

#[test]
fn so_many_errors_end_a_run() {
    let simulator = CountingSimulator::start();
    let tool = many(40, "sim-openai/good").file("routes.yaml", &simulator.routes());
    let arguments = ["--ledger", "ledger.db", "eval", "set.yaml", "-m", "sim-openai/overloaded"];
    let ran = tool.run(&[&arguments[..], &["-j", "2", "--max-errors", "3"]].concat()).exits(4);
    ran.says(&[
        "stopped by --max-errors: ",
        "results missing; to get them: slalom --ledger ledger.db eval set.yaml --resume ",
    ]);
}

#[test]
fn a_route_is_run_beside_its_candidates() {
    let routes = "version: 1\nroutes:\n  demo: {candidates: [sim-anthropic/overloaded, sim-openai/good]}\n  keyless: {candidates: [openai/gpt-6-luna, sim-openai/good]}\n";
    let tool = many(4, "route:demo").file("routes.yaml", routes);
    let ran =
        tool.run(&["eval", "set.yaml", "--each-candidate", "--max-unscored", "100%", "--min-score", "0.5"]);
    assert!(ran.stdout.contains("route:demo: 4 from sim-openai/good\n"), "{}", ran.stdout);
    let ran = ran.exits(3);
    for words in ["sim-anthropic/overloaded", "sim-openai/good", "not one of 4 cases could be scored"] {
        assert!(ran.stdout.contains(words), "no {words} in {}", ran.stdout);
    }
    let keyless = ["eval", "set.yaml", "-m", "route:keyless", "--each-candidate", "--json"];
    let ran = tool.run(&keyless).exits(0).says(&["openai/gpt-6-luna is no subject of its own: "]);
    let json = ran.json();
    let subjects = json["runs"][0]["subjects"].as_array().unwrap();
    assert_eq!(subjects.len(), 2, "{json:#}");
}

#[test]
fn a_dry_run_estimates() {
    let tool = many(10, "sim-openai/good").file(
        "routes.yaml",
        "version: 1\nproviders:\n  mine: {dialect: openai-chat, base_url: 'http://127.0.0.1:9/v1'}\n",
    );
    let dry = ["--config", "routes.yaml", "eval", "set.yaml", "-m", "sim-openai/good,mine/m", "--dry-run"];
    let ran = tool.run(&[&dry[..], &["--repeat", "3"]].concat()).exits(0);
    for words in [
        "10 cases × 3 times × sim-openai/good, mine/m = 60 calls",
        "  sim-openai/good: ~$",
        "  mine/m: cost unknown",
    ] {
        assert!(ran.stdout.contains(words), "no {words} in {}", ran.stdout);
    }
    let json = tool.run(&[&dry[..], &["--json"]].concat()).exits(0).json();
    assert_eq!(json["runs"][0]["estimates"][1], serde_json::json!({"subject": "mine/m", "cost_usd": null}));
}

#[test]
fn evals_share_a_ledger() {
    let simulator = CountingSimulator::start();
    let tool = many(100, "sim-openai/good, sim-gemini/good").file("routes.yaml", &simulator.routes());
    let eval = ["--ledger", "ledger.db", "eval", "set.yaml", "--json"];
    let children: Vec<Child> = (0..4).map(|_| spawned(&tool, &eval)).collect();
    let mut runs = HashSet::new();
    for child in children {
        let ran = ended(child).exits(0);
        assert!(!ran.stderr.contains("ledger"), "{}", ran.stderr);
        let json = ran.json();
        assert_eq!(json["runs"][0]["subjects"][1]["passed"], 100);
        runs.insert(json["runs"][0]["run"].as_str().unwrap().to_owned());
    }
    let ledger = Ledger::open(&tool.path("ledger.db"));
    for run in &runs {
        assert_eq!(ledger.read(|rows| rows.scored_results(run)), 200);
        assert!(ledger.read(|rows| rows.run(run)).unwrap().finished > 0);
    }
    assert_eq!((runs.len(), simulator.hits()), (4, 800));
}

#[test]
fn a_ledger_that_cannot_be_used_costs_no_result() {
    let broken = "not a database, but somebody's own words\n".repeat(100);
    let tool = many(5, "sim-openai/good").file("broken.db", &broken).file("file", "");
    for ledger in ["broken.db", "file/ledger.db"] {
        let ran = tool.run(&["--ledger", ledger, "eval", "set.yaml", "--json"]).exits(0);
        assert_eq!(ran.json()["runs"][0]["subjects"][0]["passed"], 5);
        ran.says(&[&format!("the ledger {ledger} cannot be used"), "is not kept"]);
        let ran = tool.run(&["--ledger", ledger, "eval", "set.yaml", "--resume"]).exits(2);
        ran.says(&["no run can be gone on with: the ledger", "hint: "]);
        // Whoever is cut short is not told of what is not kept.
        let over =
            ["--ledger", ledger, "eval", "set.yaml", "-m", "sim-openai/overloaded", "--max-errors", "1"];
        assert!(!tool.run(&over).exits(4).stderr.contains("--resume"));
    }
    assert_eq!(std::fs::read_to_string(tool.path("broken.db")).unwrap(), broken);
}
