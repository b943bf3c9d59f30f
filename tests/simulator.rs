//! `slalom sim`: the simulator as a server of its own, with a scenario.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::tool::Tool;

const SCENARIO: &str = "version: 1
rules:
  - match: '^flaky'
    steps: [{as: overloaded}, {reply: back again}]
  - models: [terse]
    steps: [{reply: as scripted}]
";

/// A simulator in a process of its own, ended when the test is.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(tool: &Tool, arguments: &[&str]) -> Self {
        let mut command = tool.command(&[&["sim", "--port", "0", "--log"][..], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.split_whitespace().find(|w| w.starts_with("http://")).unwrap_or_else(|| panic!("{line}"));
        Self { url: url.trim_end_matches(';').to_owned(), child }
    }

    fn routes(&self) -> String {
        let url = &self.url;
        format!(
            "version: 1\nproviders:\n  sim-openai: {{base_url: {url}/v1}}\n  sim-anthropic: {{base_url: {url}}}\n"
        )
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_scenario_scripts_requests_in_turn() {
    let tool = Tool::new().file("scenario.yaml", SCENARIO);
    let mut served = Served::start(&tool, &["--scenario", "scenario.yaml", "--latency", "0ms"]);
    let tool = tool.file("routes.yaml", &served.routes());
    let envelope = tool.run(&["ask", "-m", "sim-anthropic/good", "--json", "flaky, please"]).exits(0).json();
    assert_eq!(envelope["text"], "back again");
    assert_eq!(envelope["attempts"][0]["failure"]["status"], 529);
    assert_eq!(envelope["attempts"].as_array().unwrap().len(), 2, "a retry, because nobody else was ready");
    assert_eq!(tool.run(&["ask", "-m", "sim-openai/terse", "hi"]).exits(0).stdout, "as scripted\n");
    let log = BufReader::new(served.child.stdout.take().unwrap());
    let lines: Vec<String> = log.lines().take(3).map(Result::unwrap).collect();
    assert_eq!(
        lines,
        ["anthropic good stream 529", "anthropic good stream 200", "openai-chat terse stream 200"]
    );
}

#[test]
fn a_wrong_scenario_is_an_error_with_its_place() {
    let tool =
        Tool::new().file("scenario.yaml", "version: 1\nrules:\n  - {match: '(', steps: [{as: bettr}]}\n");
    tool.run(&["sim", "--port", "0", "--scenario", "scenario.yaml"]).exits(2).says(&[
        "no behaviour `bettr`",
        "scenario.yaml:3:",
        "the expression `(` is broken",
    ]);
}

#[test]
fn answers_and_latencies_are_the_same_each_time() {
    let tool = Tool::new();
    let ask = || tool.run(&["ask", "-m", "sim-gemini/sloppy", "the same prompt"]).exits(0).stdout;
    assert_eq!(ask(), ask());
    let flaky = |n: u32| tool.run(&["ask", "-m", "sim-openai/flaky-100", &format!("prompt {n}")]).code;
    assert_eq!(flaky(1), 3);
    assert_eq!(tool.run(&["ask", "-m", "sim-openai/flaky-0", "prompt"]).code, 0);
}
