//! `slalom sim`: the simulator as a standalone server, with scenarios and a request log.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::harness::CliHarness;

const SCENARIO: &str = "version: 1
rules:
  - match: '^flaky'
    steps: [{as: overloaded}, {reply: back again}]
  - models: [terse]
    steps: [{reply: as scripted}]
";

/// A `slalom sim` process that is killed on drop.
pub(crate) struct SimProcess {
    child: Child,
    url: String,
}

impl SimProcess {
    pub(crate) fn start(cli: &CliHarness, arguments: &[&str]) -> Self {
        let mut command = cli.command(&[&["sim", "--port", "0", "--log"][..], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.split_whitespace().find(|w| w.starts_with("http://")).unwrap_or_else(|| panic!("{line}"));
        Self { url: url.trim_end_matches(';').to_owned(), child }
    }

    /// A `routes.yaml` that points the simulated providers at this process.
    pub(crate) fn routes_yaml(&self) -> String {
        let url = &self.url;
        let roots = ["sim-anthropic", "sim-cohere", "sim-ollama", "sim-bedrock"].map(|name| (name, ""));
        let others = [("sim-openai", "/v1"), ("sim-responses", "/v1"), ("sim-gemini", "/v1beta")];
        let row = |(name, path): &(&str, &str)| format!("  {name}: {{base_url: {url}{path}}}\n");
        "version: 1\nproviders:\n".to_owned() + &roots.iter().chain(&others).map(row).collect::<String>()
    }
}

impl Drop for SimProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn scenario_steps_run_in_order() {
    let cli = CliHarness::new().with_file("scenario.yaml", SCENARIO);
    let mut sim = SimProcess::start(&cli, &["--scenario", "scenario.yaml", "--latency", "0ms"]);
    let cli = cli.with_file("routes.yaml", &sim.routes_yaml());
    let envelope =
        cli.run(&["ask", "-m", "sim-anthropic/good", "--json", "flaky, please"]).assert_exit_code(0).json();
    assert_eq!(envelope["text"], "back again");
    assert_eq!(envelope["attempts"][0]["failure"]["status"], 529);
    assert_eq!(
        envelope["attempts"].as_array().unwrap().len(),
        2,
        "expected one retry, because there is no other candidate"
    );
    assert_eq!(cli.run(&["ask", "-m", "sim-openai/terse", "hi"]).assert_exit_code(0).stdout, "as scripted\n");
    let log = BufReader::new(sim.child.stdout.take().unwrap());
    let lines: Vec<String> = log.lines().take(3).map(Result::unwrap).collect();
    assert_eq!(
        lines,
        ["anthropic good stream 529", "anthropic good stream 200", "openai-chat terse stream 200"]
    );
}

#[test]
fn invalid_scenario_exits_2() {
    let cli = CliHarness::new()
        .with_file("scenario.yaml", "version: 1\nrules:\n  - {match: '(', steps: [{as: bettr}]}\n");
    cli.run(&["sim", "--port", "0", "--scenario", "scenario.yaml"])
        .assert_exit_code(2)
        .assert_stderr_contains(&[
            "unknown simulator behavior `bettr`",
            "scenario.yaml:3:",
            "invalid regular expression `(`: unclosed group",
        ]);
}

#[test]
fn answers_are_deterministic() {
    let cli = CliHarness::new();
    let ask = || cli.run(&["ask", "-m", "sim-gemini/sloppy", "the same prompt"]).assert_exit_code(0).stdout;
    assert_eq!(ask(), ask());
    let flaky = |n: u32| cli.run(&["ask", "-m", "sim-openai/flaky-100", &format!("prompt {n}")]).code;
    assert_eq!(flaky(1), 3);
    assert_eq!(cli.run(&["ask", "-m", "sim-openai/flaky-0", "prompt"]).code, 0);
}

/// Sends one raw request and reads the response to its end.
fn send_request(url: &str, head: &str, body: &str) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let length = body.len();
    let text =
        format!("{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn log_lists_requests_with_controls_escaped() {
    let mut sim = SimProcess::start(&CliHarness::new(), &["--latency", "0ms"]);
    send_request(&sim.url, "GET /v1/models", "");
    send_request(&sim.url, "POST /v1/embeddings", r#"{"model":"good","input":["x"]}"#);
    send_request(&sim.url, "POST /no%1b[31m/path", "{}");
    send_request(&sim.url, "POST /v1/chat/completions", "no json");
    send_request(
        &sim.url,
        "POST /v1/chat/completions",
        r#"{"model":"a\u001b[2J\nb","messages":[{"role":"user","content":"x"}]}"#,
    );
    let log = BufReader::new(sim.child.stdout.take().unwrap());
    let lines: Vec<String> = log.lines().take(5).map(Result::unwrap).collect();
    assert_eq!(
        lines,
        [
            "openai-chat /v1/models list 200",
            "openai-chat good vectors 200",
            "- /no\u{fffd}[31m/path unknown 404",
            "openai-chat /v1/chat/completions unreadable 400",
            "openai-chat a\u{fffd}[2J b whole 404",
        ]
    );
}
