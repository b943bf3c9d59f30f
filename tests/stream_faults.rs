//! The 18 stream faults of the simulator, on every dialect where each is possible.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::harness::{CliHarness, CliOutput, SIM_PROVIDERS};
use crate::sim::SimProcess;

#[derive(Clone, Copy)]
enum FaultOutcome {
    /// A failure of this class before any output.
    FailsBeforeOutput(&'static str),
    /// A failure of this class after some output.
    FailsAfterOutput(&'static str),
    /// The complete answer with this finish reason.
    FullAnswer(&'static str),
    /// The first half of the answer with this finish reason.
    TruncatedAnswer(&'static str),
}
use FaultOutcome::{FailsAfterOutput, FailsBeforeOutput, FullAnswer, TruncatedAnswer};

const FAULTS: [(&str, FaultOutcome, &[&str]); 18] = [
    ("cut-politely", FailsAfterOutput("truncated"), SIM_PROVIDERS),
    ("role-only", FailsBeforeOutput("truncated"), SIM_PROVIDERS),
    ("empty", FailsBeforeOutput("empty"), SIM_PROVIDERS),
    ("done-only", FailsBeforeOutput("truncated"), &["sim-openai", "sim-responses", "sim-cohere"]),
    ("no-done", FullAnswer("stop"), &["sim-openai", "sim-cohere"]),
    ("cut", FailsAfterOutput("truncated"), SIM_PROVIDERS),
    ("error-first", FailsBeforeOutput("server_error"), SIM_PROVIDERS),
    ("error-in-stream", FailsAfterOutput("server_error"), SIM_PROVIDERS),
    (
        "finish-error",
        FailsAfterOutput("server_error"),
        &["sim-openai", "sim-responses", "sim-gemini", "sim-cohere", "sim-bedrock"],
    ),
    ("error-without-choices", FailsBeforeOutput("server_error"), &["sim-openai"]),
    ("malformed", FailsAfterOutput("malformed"), SIM_PROVIDERS),
    (
        "comments",
        FullAnswer("stop"),
        &["sim-openai", "sim-responses", "sim-anthropic", "sim-gemini", "sim-cohere"],
    ),
    ("vendor-error-first", FailsBeforeOutput("server_error"), VENDOR_ERROR_PROVIDERS),
    ("vendor-error-in-stream", FailsAfterOutput("server_error"), VENDOR_ERROR_PROVIDERS),
    (
        "no-message-stop",
        FailsAfterOutput("truncated"),
        &["sim-responses", "sim-anthropic", "sim-cohere", "sim-bedrock"],
    ),
    ("no-finish-reason", FailsAfterOutput("truncated"), &["sim-openai", "sim-gemini", "sim-ollama"]),
    (
        "safety-stop",
        TruncatedAnswer("content_filter"),
        &["sim-openai", "sim-responses", "sim-anthropic", "sim-gemini", "sim-cohere", "sim-bedrock"],
    ),
    ("stall", FailsAfterOutput("timeout"), SIM_PROVIDERS),
];

const VENDOR_ERROR_PROVIDERS: &[&str] =
    &["sim-openai", "sim-responses", "sim-anthropic", "sim-cohere", "sim-bedrock"];

/// The outcome on one dialect; some vendors' finish reasons differ.
fn expected_outcome(fault: &str, outcome: FaultOutcome, provider: &str) -> FaultOutcome {
    match (fault, provider) {
        // The only error finish reason of these vendors means malformed model output.
        ("finish-error", "sim-gemini" | "sim-bedrock") => FailsAfterOutput("malformed"),
        // The vendor has one finish reason for filters and refusals.
        ("safety-stop", "sim-anthropic") => TruncatedAnswer("refusal"),
        _ => outcome,
    }
}

fn fault_provider_cases() -> Vec<(&'static str, &'static str, FaultOutcome)> {
    let per_provider =
        |(fault, outcome, providers): (&'static str, FaultOutcome, &'static [&'static str])| {
            providers
                .iter()
                .map(move |provider| (*provider, fault, expected_outcome(fault, outcome, provider)))
        };
    FAULTS.into_iter().flat_map(per_provider).collect()
}

/// Runs `check` for every case, four at a time, and reports all failures.
#[track_caller]
fn for_each_case(check: impl Fn(&str, &str, FaultOutcome) -> Result<(), String> + Sync) {
    let cases = fault_provider_cases();
    assert_eq!(cases.len(), 95);
    let (remaining, failures) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((provider, fault, outcome)) = remaining.lock().unwrap().next() else { break };
                    if let Err(problem) = check(provider, fault, *outcome) {
                        failures.lock().unwrap().push(format!("{provider} {fault}: {problem}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn check_equal(name: &str, actual: &Value, expected: &Value, output: &CliOutput) -> Result<(), String> {
    let message = || format!("{name} is {actual}, expected {expected}: {}{}", output.stdout, output.stderr);
    if actual == expected { Ok(()) } else { Err(message()) }
}

/// The answer of a simulated model to `hello`.
fn sim_answer_text(model: &str) -> String {
    format!(
        "This is slalom's simulator speaking as `{model}`; no model was called. Your prompt has 1 word and begins: “hello”."
    )
}

/// A short idle timeout for `stall`; other faults keep the defaults.
fn timeouts_yaml(fault: &str) -> &'static str {
    if fault == "stall" { "timeouts: {idle: 150ms}" } else { "timeouts: {}" }
}

/// One route per case: the faulty candidate alone or, with `second`, followed by a good one.
fn routes_yaml(second: bool) -> String {
    let route = |(provider, fault, _): (&str, &str, FaultOutcome)| {
        let more = if second { format!(", {provider}/good") } else { String::new() };
        let timeouts = timeouts_yaml(fault);
        format!(
            "  {provider}-{fault}: {{candidates: [{provider}/{fault}{more}], retry: {{retries: 0}}, {timeouts}}}\n"
        )
    };
    "version: 1\nroutes:\n".to_owned() + &fault_provider_cases().into_iter().map(route).collect::<String>()
}

#[test]
fn every_fault_yields_specified_outcome() {
    let cli = CliHarness::new().with_file("routes.yaml", &routes_yaml(false));
    for_each_case(|provider, fault, outcome| {
        let output = cli.run(&["route", &format!("{provider}-{fault}"), "--json", "hello"]);
        let envelope = output.json();
        let (code, finish) = match outcome {
            FailsBeforeOutput(class) | FailsAfterOutput(class) => {
                check_equal("the class", &envelope["error"]["class"], &class.into(), &output)?;
                check_equal("the text", &envelope["text"], &"".into(), &output)?;
                (3, "error")
            }
            FullAnswer(finish) => {
                check_equal("the text", &envelope["text"], &sim_answer_text(fault).into(), &output)?;
                (0, finish)
            }
            TruncatedAnswer(finish) => {
                let text = envelope["text"].as_str().unwrap_or_default();
                let half = !text.is_empty() && text.len() < sim_answer_text(fault).len();
                check_equal(
                    "the truncation check",
                    &json!(half && sim_answer_text(fault).starts_with(text)),
                    &true.into(),
                    &output,
                )?;
                (0, finish)
            }
        };
        check_equal("the list of unexpected fields", &envelope["unexpected"], &json!([]), &output)?;
        if fault == "stall" {
            check_equal("the phase", &envelope["attempts"][0]["failure"]["phase"], &"idle".into(), &output)?;
        }
        check_equal("the finish reason", &envelope["finish_reason"], &finish.into(), &output)?;
        check_equal("the exit code", &output.code.into(), &code.into(), &output)
    });
}

#[test]
fn first_candidate_fault_still_exits_0() {
    let cli = CliHarness::new().with_file("routes.yaml", &routes_yaml(true));
    for_each_case(|provider, fault, outcome| {
        let output = cli.run(&["route", &format!("{provider}-{fault}"), "--json", "hello"]);
        let envelope = output.json();
        let (class, failovers) = match outcome {
            FailsBeforeOutput(class) | FailsAfterOutput(class) => (class.into(), 1),
            FullAnswer(_) | TruncatedAnswer(_) => (Value::Null, 0),
        };
        check_equal("the exit code", &output.code.into(), &0.into(), &output)?;
        check_equal("the class", &envelope["attempts"][0]["failure"]["class"], &class, &output)?;
        check_equal("the failovers", &envelope["failovers"], &failovers.into(), &output)?;
        if failovers == 1 {
            check_equal("the text", &envelope["text"], &sim_answer_text("good").into(), &output)?;
        }
        Ok(())
    });
}

#[test]
fn fault_after_streamed_output_exits_3() {
    let cli = CliHarness::new().with_file("routes.yaml", &routes_yaml(true));
    for_each_case(|provider, fault, outcome| {
        let output = cli.run(&["route", &format!("{provider}-{fault}"), "--stream", "hello"]);
        let shown = output.stdout.trim_end();
        let (code, is_correct) = match outcome {
            // Nothing was shown yet, so failover is invisible.
            FailsBeforeOutput(_) => (0, shown == sim_answer_text("good")),
            FailsAfterOutput(_) => (3, !shown.is_empty() && sim_answer_text(fault).starts_with(shown)),
            FullAnswer(_) => (0, shown == sim_answer_text(fault)),
            TruncatedAnswer(_) => (0, !shown.is_empty() && sim_answer_text(fault).starts_with(shown)),
        };
        let warned =
            output.stderr.contains("the stream broke after output was shown; the answer above is incomplete");
        check_equal("the incomplete-answer warning", &warned.into(), &(code == 3).into(), &output)?;
        check_equal("the text check", &is_correct.into(), &true.into(), &output)?;
        check_equal("the exit code", &output.code.into(), &code.into(), &output)
    });
}

#[test]
fn scenario_accepts_every_fault() {
    let rule = |(fault, ..): (&str, FaultOutcome, &[&str])| {
        format!("  - {{match: '^{fault}$', models: [good], steps: [{{as: {fault}}}]}}\n")
    };
    let scenario = "version: 1\nrules:\n".to_owned() + &FAULTS.map(rule).concat();
    let cli = CliHarness::new().with_file("scenario.yaml", &scenario);
    let sim = SimProcess::start(&cli, &["--scenario", "scenario.yaml", "--latency", "0ms"]);
    let routes = sim.routes_yaml()
        + "routes:\n"
        + &SIM_PROVIDERS
            .iter()
            .map(|provider| {
                let timeouts = timeouts_yaml("stall");
                format!(
                    "  {provider}: {{candidates: [{provider}/good], retry: {{retries: 0}}, {timeouts}}}\n"
                )
            })
            .collect::<String>();
    let cli = cli.with_file("routes.yaml", &routes);
    // One dialect per fault is enough here; the other tests cover all of them.
    for (at, (fault, outcome, providers)) in FAULTS.into_iter().enumerate() {
        let provider = providers[at % providers.len()];
        let envelope = cli.run(&["route", provider, "--json", fault]).json();
        let found = match expected_outcome(fault, outcome, provider) {
            FailsBeforeOutput(class) | FailsAfterOutput(class) => (&envelope["error"]["class"], class),
            FullAnswer(finish) | TruncatedAnswer(finish) => (&envelope["finish_reason"], finish),
        };
        assert_eq!(found.0, found.1, "{provider} {fault}: {envelope}");
    }
    // An impossible combination is an error that names the possible dialects.
    let output = cli.run(&["route", "sim-ollama", "--json", "comments"]).assert_exit_code(3);
    assert_eq!(output.json()["error"]["class"], "bad_request");
    output.assert_stderr_contains(&[
        "fault `comments` is not possible with ollama, only with openai-chat, openai-responses, anthropic",
    ]);
}

#[test]
fn no_stream_fault_cases() {
    let cli = CliHarness::new().with_file("routes.yaml", &routes_yaml(false));
    for_each_case(|provider, fault, outcome| {
        if fault == "stall" {
            // Without streaming, every response is silent until it is complete.
            return Ok(());
        }
        let output = cli.run(&["route", &format!("{provider}-{fault}"), "--no-stream", "--json", "hello"]);
        let envelope = output.json();
        let needs_stream = matches!(
            fault,
            "role-only" | "done-only" | "no-done" | "comments" | "no-message-stop" | "no-finish-reason"
        );
        let (code, actual, expected) = match (fault, outcome) {
            _ if needs_stream => (3, &envelope["error"]["class"], "bad_request"),
            // Half a body is invalid JSON; only the connection shows that it was cut.
            ("cut-politely", _) => (3, &envelope["error"]["class"], "malformed"),
            (_, FailsBeforeOutput(class) | FailsAfterOutput(class)) => {
                (3, &envelope["error"]["class"], class)
            }
            (_, FullAnswer(finish) | TruncatedAnswer(finish)) => (0, &envelope["finish_reason"], finish),
        };
        check_equal("the outcome", actual, &expected.into(), &output)?;
        check_equal("the exit code", &output.code.into(), &code.into(), &output)
    });
}

#[test]
fn filtered_tool_call_is_discarded() {
    let tools = r#"[{"name": "delete", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}]"#;
    let cli = CliHarness::new().with_file("tools.json", tools);
    for (_, outcome, providers) in FAULTS.into_iter().filter(|(fault, ..)| *fault == "safety-stop") {
        for provider in providers {
            let model = format!("{provider}/safety-stop");
            let arguments =
                ["ask", "-m", &model, "--json", "--tools", "tools.json", "--tool-choice", "delete", "hello"];
            let envelope = cli.run(&arguments).assert_exit_code(0).json();
            assert_eq!(envelope["tool_calls"], json!([]), "{provider}: {envelope}");
            let (FullAnswer(finish)
            | TruncatedAnswer(finish)
            | FailsBeforeOutput(finish)
            | FailsAfterOutput(finish)) = expected_outcome("safety-stop", outcome, provider);
            assert_eq!(envelope["finish_reason"], finish, "{provider}");
        }
    }
}
