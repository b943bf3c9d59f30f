//! Limits and budgets, through the real binary and real files, several processes at once.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::tool::{CountingSimulator, Ran, Tool};

/// A set of 40 cases for the simulator.
const SET: &str = "version: 1
name: many
models: [sim-openai/good]
prompt: Capital of {{ country }}?
request: {max_tokens: 100}
assert: [contains]
cases_from: [cases.csv]
";

fn tool(simulator: &CountingSimulator, more: &str) -> Tool {
    let rows: String = (0..40).map(|n| format!("c{n},country {n},no model was called\n")).collect();
    let routes = simulator.routes() + more;
    Tool::new()
        .file("routes.yaml", &routes)
        .file("set.yaml", SET)
        .file("cases.csv", &format!("id,country,reference\n{rows}"))
}

fn with_limits(simulator: &CountingSimulator, limits: &str) -> Tool {
    let routes = simulator.routes();
    let at = format!("sim-openai: {{base_url: {}/v1", simulator.url());
    tool(simulator, "").file("routes.yaml", &routes.replace(&at, &format!("{at}, limits: {limits}")))
}

/// Runs that many at the same time.
fn at_the_same_time(tool: &Tool, n: usize, arguments: &[&str]) -> Vec<Ran> {
    let run = |_| tool.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children: Vec<_> = (0..n).map(run).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect()
}

const ASK: &[&str] = &["ask", "-m", "sim-openai/good", "--json", "hello"];

#[test]
fn processes_take_turns_at_a_provider() {
    let latency = Duration::from_millis(250);
    let simulator = CountingSimulator::taking(latency);
    let tool = with_limits(&simulator, "{concurrency: 1}");
    let begun = Instant::now();
    let ran = at_the_same_time(&tool, 4, ASK);
    assert!(begun.elapsed() >= 4 * latency, "{:?}", begun.elapsed());
    assert_eq!(simulator.hits(), 4);
    for ran in ran {
        let envelope = ran.exits(0).json();
        let [whole, queued] = ["latency_ms", "queued_ms"].map(|name| envelope[name].as_u64().unwrap());
        let attempt = envelope["attempts"][0]["duration_ms"].as_u64().unwrap();
        assert!(queued + attempt <= whole + 2, "waiting is not the provider's time: {envelope}");
    }
}

#[test]
fn an_eval_queues_and_nothing_fails_for_it() {
    let simulator = CountingSimulator::taking(Duration::from_millis(40));
    let tool = with_limits(&simulator, "{concurrency: 1}");
    // 40 cases, one at a time, take 1.6 s and more; each of them has half of that.
    let ran = tool.run(&["eval", "set.yaml", "--timeout", "800ms", "-j", "40", "--json"]).exits(0);
    let json = ran.json();
    assert_eq!(json["runs"][0]["subjects"][0]["passed"], 40, "{json}");
    assert_eq!(simulator.hits(), 40);
}

#[test]
fn a_candidate_at_its_limit_is_passed_over() {
    let simulator = CountingSimulator::start();
    let routes = "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let tool = with_limits(&simulator, "{requests_per_minute: 1}");
    let written = std::fs::read_to_string(tool.path("routes.yaml")).unwrap();
    let tool = tool.file("routes.yaml", &(written + routes));
    let route = ["route", "two", "--json", "hello"];
    assert_eq!(tool.run(&route).exits(0).json()["provider"], "sim-openai");
    let ran = tool
        .run(&route)
        .exits(0)
        .says(&["sim-openai/good is passed over: it has had its one request a minute"]);
    let envelope = ran.json();
    assert_eq!((&envelope["provider"], &envelope["failovers"]), (&"sim-gemini".into(), &0.into()));
    assert_eq!(envelope["skipped"][0]["reason"], "limited");
}

#[test]
fn a_budget_holds_across_processes() {
    let simulator = CountingSimulator::start();
    // A call is thought to cost $0.00021 at most, and costs $0.000059.
    let tool = tool(&simulator, "budget: {daily_usd: 0.0005, on_exceeded: stop}\n");
    let ask = ["ask", "-m", "sim-openai/good", "--max-tokens", "104", "--json", "hello"];
    let ran = at_the_same_time(&tool, 8, &ask);
    let answered = ran.iter().filter(|ran| ran.code == 0).count();
    assert_eq!((answered, ran.iter().filter(|ran| ran.code == 4).count()), (5, 3));
    assert_eq!(simulator.hits(), 5, "none of the others was sent");
    let ran = tool.run(&ask).exits(4).says(&[
        "no answer from sim-openai/good: today's budget does not reach for it",
        "today's budget: $0.000295 of $0.0005 is spent, and the call may cost $0.000209 (simulated)",
        "hint: raise `budget: daily_usd`",
    ]);
    let error = &ran.json()["error"];
    assert!(
        error["message"].as_str().unwrap().starts_with("today's budget: $0.000295 of $0.0005"),
        "{error}"
    );
    assert_eq!(ran.json()["skipped"][0]["reason"], "over_budget");
    // A drill leaves budgets alone, and is not stopped by them.
    let routes = std::fs::read_to_string(tool.path("routes.yaml")).unwrap();
    let two = "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let tool = tool.file("routes.yaml", &(routes.clone() + two));
    tool.run(&["route", "two", "--drill", "sim-openai=down", "hello"]).exits(0);
    // One that only warns does so once a run.
    let tool = tool.file("routes.yaml", &routes.replace("on_exceeded: stop", "on_exceeded: warn"));
    let ran = tool.run(&["eval", "set.yaml"]).exits(0);
    assert_eq!(ran.stderr.matches("calls are made all the same").count(), 1, "{}", ran.stderr);
}

#[test]
fn vectors_are_paid_for_too() {
    let simulator = CountingSimulator::start();
    let models = "models:\n  sim-openai/good: {price: {input: 1000}}\nbudget: {daily_usd: 0.012}\n";
    let tool = tool(&simulator, models);
    let embed = ["embed", "-m", "sim-openai/good", &"word ".repeat(8)];
    tool.run(&embed).exits(0);
    tool.run(&embed)
        .exits(4)
        .says(&["nothing from sim-openai/good: today's budget: $0.0", "hint: raise `budget"]);
    assert_eq!(simulator.hits(), 1);
}

#[test]
fn a_run_is_stopped_before_it_costs_more() {
    let simulator = CountingSimulator::start();
    let routes = "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let tool = tool(&simulator, routes);
    for arguments in [
        &["ask", "-m", "sim-openai/good"][..],
        &["route", "two"],
        &["route", "two", "--drill", "sim-gemini=down"],
        &["compare", "-m", "sim-openai/good,sim-gemini/good"],
        &["eval", "set.yaml"],
    ] {
        let mut whole = [arguments, &["--max-cost", "0.0001"]].concat();
        whole.extend((arguments[0] != "eval").then_some("hello"));
        let ran = tool.run(&whole).exits(4);
        let words = "this run has spent $0 of $0.0001, and the call may cost $0.000";
        // Tables break lines where they like.
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "").replace("┆ ", "");
        assert!(said.contains(words) || arguments[0] == "compare", "{said}");
    }
    assert_eq!(simulator.hits(), 0);
    let ran = tool.run(&["ask", "-m", "sim-openai/good", "--max-cost", "0.0001", "--json", "hello"]).exits(4);
    assert_eq!(ran.json()["skipped"][0]["reason"], "over_max_cost");
    ran.says(&["--max-cost does not reach for it", "hint: raise --max-cost, lower --max-tokens"]);
    // What is thought to cost too much may be bounded.
    tool.run(&["ask", "-m", "sim-openai/good", "--max-cost", "0.0001", "--max-tokens", "40", "hello"])
        .exits(0);
}

#[test]
fn an_eval_spends_what_it_may_and_says_what_it_left_out() {
    let simulator = CountingSimulator::start();
    let ran = tool(&simulator, "").run(&["eval", "set.yaml", "--max-cost", "0.0005", "--json"]).exits(4);
    let json = ran.json();
    let subject = &json["runs"][0]["subjects"][0];
    let (passed, cost) = (subject["passed"].as_u64().unwrap(), subject["cost_usd"].as_f64().unwrap());
    assert!((2..40).contains(&passed) && simulator.hits() == passed, "{passed} of {}", simulator.hits());
    assert!(cost <= 0.0005 && cost > 0.0002, "{cost}");
    let stopped = format!("{} of 40 cases were stopped: this run has spent $", 40 - passed);
    ran.says(&[&stopped]);
    // However few must be scored: a run that money stopped was stopped.
    let lenient = ["eval", "set.yaml", "--max-cost", "0.0005", "--max-unscored", "100%"];
    let ran = tool(&simulator, "").run(&lenient).exits(4);
    assert!(ran.stdout.contains("not run: this run has spent $0.000"), "{}", ran.stdout);
}

#[test]
fn a_limit_on_cost_that_cannot_be_held_is_an_error_before_anything_is_sent() {
    let simulator = CountingSimulator::start();
    let url = simulator.url();
    let own = format!("  mine: {{dialect: openai-chat, base_url: {url}/v1, auth: none}}\n");
    let routes = "routes:\n  mixed: {candidates: [mine/good, sim-openai/good]}\n";
    let tool = tool(&simulator, &format!("{own}{routes}"));
    let unknown = "--max-cost cannot be held: the price of mine/good is unknown";
    for arguments in
        [&["ask", "-m", "mine/good", "hi"][..], &["compare", "-m", "mine/good,sim-openai/good", "hi"]]
    {
        let whole = [arguments, &["--max-cost", "1"]].concat();
        tool.run(&whole).exits(2).says(&[unknown, "`models: {mine/good: {price:"]);
    }
    tool.run(&["eval", "set.yaml", "-m", "mine/good", "--max-cost", "1"]).exits(2).says(&[unknown]);
    assert_eq!(simulator.hits(), 0);
    // Where somebody else has a price, that one is asked.
    let ran = tool.run(&["route", "mixed", "--max-cost", "1", "--json", "hi"]).exits(0);
    assert_eq!(ran.json()["skipped"][0]["reason"], "price_unknown");
    ran.says(&["mine/good is passed over: nobody knows what it costs"]);
    for wrong in ["-1", "NaN", "0", "abc", "", "1e3"] {
        for command in [
            &["ask", "-m", "sim-openai/good", "hi"][..],
            &["route", "mixed", "--dry-run", "hi"],
            &["eval", "set.yaml"],
        ] {
            let whole = [command, &["--max-cost", wrong]].concat();
            tool.run(&whole).exits(2).says(&["--max-cost", "hint: write dollars as a decimal above 0"]);
        }
    }
}

#[test]
fn a_fan_out_over_something_dead_is_no_storm() {
    let simulator = CountingSimulator::start();
    tool(&simulator, "").run(&["eval", "set.yaml", "-m", "sim-openai/overloaded"]).exits(3);
    assert!((40..=50).contains(&simulator.hits()), "{}", simulator.hits());
}
