//! `ask`, `route`, and `compare`, end to end over real sockets.

use crate::harness::{CliHarness, CountingSimulator, SIM_PROVIDERS};

const ROUTES: &str = "version: 1
routes:
  survives: {candidates: [sim-anthropic/overloaded, sim-openai/good]}
  doomed: {candidates: [sim-anthropic/overloaded, sim-openai/gone, sim-gemini/no-quota]}
  cut: {candidates: [sim-openai/cut, sim-gemini/good]}
  stays: {candidates: [sim-openai/good, sim-gemini/good]}
";

#[test]
fn ask_writes_answer_to_stdout_summary_to_stderr() {
    let output =
        CliHarness::new().run(&["ask", "-m", "sim-openai/good", "hello", "there"]).assert_exit_code(0);
    assert!(
        output.stdout.starts_with("This is slalom's simulator speaking as `good`")
            && output.stdout.ends_with('\n'),
        "{}",
        output.stdout
    );
    output.assert_stderr_contains(&["sim-openai/good (simulated) · 3 in,", " out · $0.0000", "first token"]);
}

#[test]
fn ask_dialect_and_streaming_cases() {
    for model in [
        "sim-openai/good",
        "sim-responses/good",
        "sim-anthropic/good",
        "sim-gemini/good",
        "sim-cohere/good",
        "sim-ollama/good",
    ] {
        for more in [&[][..], &["--no-stream"][..]] {
            let arguments = [&["ask", "-m", model, "--json", "hello"][..], more].concat();
            let envelope = CliHarness::new().run(&arguments).assert_exit_code(0).json();
            assert_eq!(envelope["schema"], "slalom.call/1");
            assert_eq!(envelope["finish_reason"], "stop", "{model}");
            assert_eq!(envelope["usage"]["input_tokens"], 2, "{model}");
            let no_model_name = model.starts_with("sim-cohere") || model.starts_with("sim-bedrock");
            let served_model = if no_model_name { serde_json::Value::Null } else { "good".into() };
            assert_eq!(envelope["served_model"], served_model);
            assert_eq!(envelope["simulated"], true);
            assert_eq!(envelope["cost_source"], "simulated");
            assert_eq!(envelope["unexpected"], serde_json::json!([]), "{model}");
        }
    }
}

#[test]
fn route_fails_over_on_529() {
    let cli = CliHarness::new().with_file("routes.yaml", ROUTES);
    let envelope = cli.run(&["route", "survives", "--json", "hello"]).assert_exit_code(0).json();
    assert_eq!(envelope["route"], "survives");
    assert_eq!(envelope["requested_model"], "route:survives");
    assert_eq!((&envelope["provider"], &envelope["failovers"]), (&"sim-openai".into(), &1.into()));
    let attempts = envelope["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["failure"]["class"], "server_error");
    assert_eq!(attempts[0]["failure"]["status"], 529);
    assert_eq!(attempts[0]["failure"]["code"], "overloaded_error");
    assert_eq!(attempts[1]["outcome"], "answered");
}

#[test]
fn route_with_all_candidates_failing_exits_3() {
    let cli = CliHarness::new().with_file("routes.yaml", ROUTES);
    let output = cli.run(&["route", "doomed", "--json", "hello"]).assert_exit_code(3);
    let envelope = output.json();
    let classes: Vec<_> =
        envelope["attempts"].as_array().unwrap().iter().map(|a| a["failure"]["class"].clone()).collect();
    // With no candidate left, the first one is retried.
    assert_eq!(classes, ["server_error", "model_unavailable", "quota_exhausted", "server_error"]);
    assert_eq!(envelope["provider"], serde_json::Value::Null);
    assert_eq!(envelope["finish_reason"], "error");
    output.assert_stderr_contains(&[
        "error: no answer from route:doomed: all attempts failed",
        "sim-openai/gone",
        "sim-gemini/no-quota",
        "hint:",
    ]);
}

#[test]
fn route_stops_on_bad_request() {
    let simulator = CountingSimulator::start();
    let routes =
        simulator.routes_yaml() + "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let output = CliHarness::new()
        .with_file("routes.yaml", &routes)
        .run(&["route", "two", "--json", "refuse this"])
        .assert_exit_code(3);
    let envelope = output.json();
    assert_eq!(envelope["attempts"].as_array().unwrap().len(), 1, "{envelope}");
    assert_eq!(envelope["attempts"][0]["failure"]["class"], "bad_request");
    assert_eq!(envelope["not_tried"][0]["provider"], "sim-gemini");
    assert_eq!(simulator.request_count(), 1);
}

#[test]
fn route_piped_output_discards_truncated_answer() {
    let cli = CliHarness::new().with_file("routes.yaml", ROUTES);
    let output = cli.run(&["route", "cut", "hello"]).assert_exit_code(0);
    assert_eq!(output.stdout.matches("This is slalom's simulator").count(), 1, "{}", output.stdout);
    output.assert_stderr_contains(&["sim-openai/cut: truncated", "1 failover"]);
    // Streamed output cannot be withdrawn, so the call fails and says that the answer is incomplete.
    let output = cli.run(&["route", "cut", "--stream", "hello"]).assert_exit_code(3);
    assert!(!output.stdout.is_empty());
    output
        .assert_stderr_contains(&["the stream broke after output was shown; the answer above is incomplete"]);
}

#[test]
fn sim_fault_failure_class_cases() {
    let faults = [
        ("down", "server_error"),
        ("overloaded", "server_error"),
        ("rate-limited", "rate_limited"),
        ("no-quota", "quota_exhausted"),
        ("bad-key", "auth"),
        ("gone", "model_unavailable"),
        ("too-long", "context_overflow"),
        ("cut", "truncated"),
        ("cut-politely", "truncated"),
        ("malformed", "malformed"),
        ("empty", "empty"),
        ("error-in-stream", "server_error"),
        ("nobody", "model_unavailable"),
    ];
    let cli = CliHarness::new();
    for provider in SIM_PROVIDERS {
        for (model, class) in faults {
            let output = cli
                .run(&["ask", "-m", &format!("{provider}/{model}"), "--json", "hello"])
                .assert_exit_code(3);
            assert_eq!(output.json()["error"]["class"], class, "{provider}/{model}: {}", output.stdout);
        }
        let unexpected = cli
            .run(&["ask", "-m", &format!("{provider}/unexpected"), "--json", "hello"])
            .assert_exit_code(0)
            .json();
        let fields = unexpected["unexpected"].to_string();
        assert!(fields.contains("sim_added"), "{provider}: {fields}");
    }
}

#[test]
fn stalled_stream_times_out() {
    let routes = "version: 1\ndefaults:\n  timeouts: {idle: 80ms}\n";
    let output = CliHarness::new()
        .with_file("routes.yaml", routes)
        .run(&["ask", "-m", "sim-openai/stall", "--json", "hello"])
        .assert_exit_code(3);
    let envelope = output.json();
    assert_eq!(envelope["error"]["class"], "timeout");
    assert_eq!(envelope["attempts"][0]["failure"]["phase"], "idle");
    let output = CliHarness::new()
        .run(&["ask", "-m", "sim-openai/stall", "--timeout", "100ms", "hello"])
        .assert_exit_code(4);
    output.assert_stderr_contains(&["time limit exceeded", "hint: raise --timeout"]);
}

#[test]
fn prompt_source_cases() {
    let cli = CliHarness::new().with_file("note.txt", "three words here\n");
    let echo = |output: crate::harness::CliOutput| output.assert_exit_code(0).stdout;
    let out = echo(cli.run_with_input(&["ask", "-m", "sim-openai/good"], "from the pipe"));
    assert!(out.contains("Your prompt has 3 words and begins: “from the pipe”"), "{out}");
    let out = echo(cli.run_with_input(&["ask", "-m", "sim-openai/good", "typed"], "piped"));
    assert!(out.contains("begins: “typed piped”"), "{out}");
    let out = echo(cli.run(&["ask", "-m", "sim-openai/good", "-f", "note.txt", "sum", "up:"]));
    assert!(out.contains("begins: “sum up: <file name=\"note.txt\"> three words here </file>”"), "{out}");
    let out = echo(cli.run(&["ask", "-m", "sim-openai/good", "-p", "name=Ada", "hi {{ name }}"]));
    assert!(out.contains("begins: “hi Ada”"), "{out}");
    let out = echo(cli.run(&["ask", "-m", "sim-openai/good", "fn main() {{ }}"]));
    assert!(out.contains("{{ }}"), "braces are literal without variables: {out}");
}

#[test]
fn unsupported_parameter_is_dropped_with_warning() {
    CliHarness::new()
        .run(&["ask", "-m", "sim-anthropic/good", "--seed", "7", "hello"])
        .assert_exit_code(0)
        .assert_stderr_contains(&[
            "warning: sim-anthropic/good: `seed` is not supported and will not be sent",
        ]);
}

#[test]
fn max_tokens_truncation_exits_0_with_warning() {
    for provider in SIM_PROVIDERS {
        let output = CliHarness::new()
            .run(&["ask", "-m", &format!("{provider}/good"), "--max-tokens", "3", "hello"])
            .assert_exit_code(0);
        output.assert_stderr_contains(&[
            "warning: the answer was truncated at the output token limit",
            "finish reason length",
        ]);
    }
}

#[test]
fn compare_output_cases() {
    let cli = CliHarness::new().with_env("COLUMNS", "100");
    let output = cli.run(&["compare", "-m", "sim-openai/good,sim-gemini/terse", "hello"]).assert_exit_code(0);
    assert!(
        output.stdout.contains("sim-openai/good") && output.stdout.contains("┆ sim-gemini/terse"),
        "{}",
        output.stdout
    );
    let json = cli
        .run(&["compare", "-m", "sim-openai/good", "-m", "sim-gemini/overloaded", "--json", "hello"])
        .assert_exit_code(3)
        .json();
    assert_eq!(json["schema"], "slalom.compare/1");
    assert_eq!(json["exit_code"], 3);
    assert_eq!(json["answers"].as_array().unwrap().len(), 2);
    assert_eq!(json["answers"][1]["error"]["class"], "server_error");
    cli.run(&["compare", "-m", "sim-openai/good", "hello"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["`compare` needs at least two models"]);
}

#[test]
fn missing_key_exits_2_or_skips_candidate() {
    let cli = CliHarness::new();
    cli.run(&["ask", "-m", "openai/gpt-6-luna", "hello"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["OPENAI_API_KEY is not set", "-m sim-openai/good"]);
    // The built-in default route has four candidates, and no key is set for any of them.
    cli.run(&["ask", "hello"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["no usable candidate in route `everyday`: no API key is set for anthropic, openai, gemini, or mistral",
            "hint: set ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY, or MISTRAL_API_KEY; or try",
            "slalom ask -m sim-openai/good"]);
    let output = cli.run(&["ask", "--json", "hello"]).assert_exit_code(2);
    assert_eq!(output.stdout, "", "exit 2 prints no envelope");
    // A route skips a candidate without a key and prints a warning.
    let routes = "version: 1\nroutes:\n  some: {candidates: [openai/gpt-6-luna, sim-openai/good]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", routes);
    let output = cli.run(&["route", "some", "--json", "hello"]).assert_exit_code(0);
    assert_eq!(output.json()["skipped"][0]["reason"], "no_key");
    output.assert_stderr_contains(&["warning: skipping openai/gpt-6-luna: ", "OPENAI_API_KEY"]);
}

#[test]
fn route_dry_run_sends_no_request() {
    let simulator = CountingSimulator::start();
    let routes = simulator.routes_yaml()
        + "routes:\n  some: {candidates: [openai/gpt-6-luna, sim-openai/good, sim-gemini/good]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", &routes);
    let output = cli.run(&["route", "some", "--dry-run", "hello"]).assert_exit_code(0);
    for expected in ["skip: `openai` has no API key", "sim-openai/good", "nothing was sent"] {
        assert!(output.stdout.contains(expected), "{}", output.stdout);
    }
    let plan = cli.run(&["route", "some", "--dry-run", "--json", "hello"]).assert_exit_code(0).json();
    assert_eq!(plan["candidates"][0]["reason"], "no_key");
    assert_eq!(plan["candidates"][1]["decision"], "try");
    assert_eq!(simulator.request_count(), 0);
}

#[test]
fn key_is_never_printed_or_written() {
    let simulator = CountingSimulator::start();
    let key = "planted-key-5f2c9b7d";
    let url = simulator.url();
    let routes = format!(
        "version: 1\nproviders:\n  mine: {{dialect: openai-chat, base_url: '{url}/v1', api_key: {{env: MINE_KEY}}}}\nroutes:\n  all: {{candidates: [mine/bad-key, mine/overloaded, mine/good]}}\n"
    );
    let cli = CliHarness::new()
        .with_env("MINE_KEY", key)
        .with_env("SLALOM_CONFIG", "named.yaml")
        .with_file("named.yaml", &routes);
    let mut printed = String::new();
    for arguments in [
        &["route", "all", "-v", "--json", "hi"][..],
        &["ask", "-m", "mine/good", "-v", "hi"],
        &["check", "-v"],
        &["route"],
        &["models", "gpt"],
        &["ask", "-m", "mine/bad-key", "hi"],
    ] {
        let output = cli.run(arguments);
        printed += &(output.stdout + &output.stderr);
    }
    assert!(simulator.request_count() >= 4);
    assert!(!printed.contains(key) && !printed.contains(&key[..12]), "{printed}");
    let written = read_all_files(cli.home());
    assert!(!written.iter().any(|text| text.contains(key)), "a file contains the key");
}

fn read_all_files(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                read_all_files(&path)
            } else {
                vec![String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()]
            }
        })
        .collect()
}

/// Closing stdout early changes neither the exit code nor the report.
#[test]
fn closed_stdout_keeps_exit_1() {
    let set = "version: 1\nname: s\nprompt: x\ncases:\n  - id: a\n    assert: [{contains: never said}]\n";
    let cli = CliHarness::new().with_file("set.yaml", set);
    let arguments = ["eval", "set.yaml", "-m", "sim-openai/good", "-o", "out.json"];
    let piped = std::process::Stdio::piped;
    let mut child = cli.command(&arguments).stdout(piped()).stderr(piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(cli.path("out.json").is_file());
}

#[test]
fn literal_key_in_config_error_is_redacted() {
    for entry in [
        "api_key: sk-plain-secret-123",
        "api_key: {env: sk-plain-secret-123}",
        "apikey: plain-secret-123",
        "base_url: 'https://me:plain-secret-123@host/v1'",
        "base_url: 'https://host/v1?key=plain-secret-123'",
    ] {
        let routes = format!(
            "version: 1\nproviders:\n  box: {{dialect: openai-chat, base_url: 'https://box/v1', {entry}}}\n"
        );
        let routes = if entry.starts_with("base_url") {
            routes.replace("base_url: 'https://box/v1', ", "")
        } else {
            routes
        };
        let output = CliHarness::new().with_file("routes.yaml", &routes).run(&["check"]).assert_exit_code(2);
        assert!(!output.stderr.contains("plain-secret"), "{}", output.stderr);
        output.assert_stderr_contains(&["routes.yaml:3:", "hint:"]);
    }
}

#[test]
fn invalid_arguments_exit_2() {
    let cli = CliHarness::new();
    let ask =
        |more: &[&str]| cli.run(&[&["ask", "-m", "sim-openai/good"][..], more].concat()).assert_exit_code(2);
    ask(&["--timeout", "0s", "hi"]).assert_stderr_contains(&["invalid --timeout `0s`: must be above 0"]);
    ask(&["--timeout", "-5s", "hi"]).assert_stderr_contains(&["`-5s`: expected a number with a unit\n"]);
    ask(&["--temperature", "-1", "hi"]).assert_stderr_contains(&["must be between 0 and 2"]);
    ask(&["--temperature", "hot", "hi"])
        .assert_stderr_contains(&["for '--temperature <N>': expected a number"]);
    ask(&["--max-cost", "-1", "hi"]).assert_stderr_contains(&["invalid --max-cost `-1`: must be above 0"]);
    ask(&["-p", "1x=1", "hi"]).assert_stderr_contains(&["invalid variable name `1x`"]);
    ask(&["-p", "nmae=x", "hi {{ name }}"]).assert_stderr_contains(&["unused variable `nmae`"]);
    ask(&["-p", "name=x", "hi"]).assert_stderr_contains(&["unused variable `name`"]);
    ask(&[
        "-p",
        "x=1",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}{{ x }}",
    ]);
    cli.run(&["ask", "-m", "sim-openai/good,sim-gemini/good", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["`: `ask` takes a single model"]);
    cli.run(&["route", "--json"]).assert_exit_code(0).json();
}

#[test]
fn models_closed_stdout_exits_0_without_error() {
    let cli = CliHarness::new();
    let mut child = cli
        .command(&["models"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output: crate::harness::CliOutput = child.wait_with_output().unwrap().into();
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(!output.stderr.contains("error"), "{}", output.stderr);
}
