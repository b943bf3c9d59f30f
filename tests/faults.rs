//! The eighteen faults that a stream can have, on every dialect that they can happen to, through the binary and over
//! real sockets. None of them may pass for an answer that it is not.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::simulator::Served;
use crate::tool::{ONE_A_DIALECT, Ran, Tool};

/// How a stream with a fault ends.
#[derive(Clone, Copy)]
enum End {
    /// In a failure of this class, before anything could be shown.
    Before(&'static str),
    /// In a failure of this class, after something could.
    After(&'static str),
    /// In an answer with this finish reason, all of it or the first half.
    Whole(&'static str),
    Half(&'static str),
}
use End::{After, Before, Half, Whole};

const FAULTS: [(&str, End, &[&str]); 18] = [
    ("cut-politely", After("truncated"), ONE_A_DIALECT),
    ("role-only", Before("truncated"), ONE_A_DIALECT),
    ("empty", Before("empty"), ONE_A_DIALECT),
    ("done-only", Before("truncated"), &["sim-openai", "sim-responses", "sim-cohere"]),
    ("no-done", Whole("stop"), &["sim-openai", "sim-cohere"]),
    ("cut", After("truncated"), ONE_A_DIALECT),
    ("error-first", Before("server_error"), ONE_A_DIALECT),
    ("error-in-stream", After("server_error"), ONE_A_DIALECT),
    (
        "finish-error",
        After("server_error"),
        &["sim-openai", "sim-responses", "sim-gemini", "sim-cohere", "sim-bedrock"],
    ),
    ("error-without-choices", Before("server_error"), &["sim-openai"]),
    ("malformed", After("malformed"), ONE_A_DIALECT),
    (
        "comments",
        Whole("stop"),
        &["sim-openai", "sim-responses", "sim-anthropic", "sim-gemini", "sim-cohere"],
    ),
    ("vendor-error-first", Before("server_error"), VENDOR_ERROR),
    ("vendor-error-in-stream", After("server_error"), VENDOR_ERROR),
    ("no-message-stop", After("truncated"), &["sim-responses", "sim-anthropic", "sim-cohere", "sim-bedrock"]),
    ("no-finish-reason", After("truncated"), &["sim-openai", "sim-gemini", "sim-ollama"]),
    (
        "safety-stop",
        Half("content_filter"),
        &["sim-openai", "sim-responses", "sim-anthropic", "sim-gemini", "sim-cohere", "sim-bedrock"],
    ),
    ("stall", After("timeout"), ONE_A_DIALECT),
];

const VENDOR_ERROR: &[&str] = &["sim-openai", "sim-responses", "sim-anthropic", "sim-cohere", "sim-bedrock"];

/// How a fault ends on one dialect: two have their own words.
fn end(fault: &str, end: End, provider: &str) -> End {
    match (fault, provider) {
        // Their only reason of the kind says that the model's own output was broken.
        ("finish-error", "sim-gemini" | "sim-bedrock") => After("malformed"),
        // The vendor has one reason for filters and for models that decline.
        ("safety-stop", "sim-anthropic") => Half("refusal"),
        _ => end,
    }
}

/// Every fault on every dialect that it can happen to.
fn cases() -> Vec<(&'static str, &'static str, End)> {
    let of = |(fault, usual, providers): (&'static str, End, &'static [&'static str])| {
        providers.iter().map(move |provider| (*provider, fault, end(fault, usual, provider)))
    };
    FAULTS.into_iter().flat_map(of).collect()
}

/// Does this for every case, some at a time, and says what is wrong with which.
#[track_caller]
fn for_each_case(check: impl Fn(&str, &str, End) -> Result<(), String> + Sync) {
    let cases = cases();
    assert_eq!(cases.len(), 95);
    let (left, wrong) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((provider, fault, end)) = left.lock().unwrap().next() else { break };
                    if let Err(why) = check(provider, fault, *end) {
                        wrong.lock().unwrap().push(format!("{provider} {fault}: {why}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn same(what: &str, found: &Value, expected: &Value, ran: &Ran) -> Result<(), String> {
    let all = || format!("{what} is {found}, not {expected}: {}{}", ran.stdout, ran.stderr);
    if found == expected { Ok(()) } else { Err(all()) }
}

/// What a simulated model says to `hello`.
fn words(model: &str) -> String {
    format!(
        "This is slalom's simulator speaking as `{model}`; no model was called. Your prompt has 1 word and begins: “hello”."
    )
}

/// The timers of a candidate with this fault: a stall is not waited out, and nothing else is hurried.
fn timers(fault: &str) -> &'static str {
    if fault == "stall" { "timeouts: {idle: 150ms}" } else { "timeouts: {}" }
}

/// One route for every case: its fault alone, or before a good candidate.
fn routes(second: bool) -> String {
    let route = |(provider, fault, _): (&str, &str, End)| {
        let more = if second { format!(", {provider}/good") } else { String::new() };
        let timers = timers(fault);
        format!(
            "  {provider}-{fault}: {{candidates: [{provider}/{fault}{more}], retry: {{retries: 0}}, {timers}}}\n"
        )
    };
    "version: 1\nroutes:\n".to_owned() + &cases().into_iter().map(route).collect::<String>()
}

#[test]
fn every_fault_ends_as_specified_on_every_dialect() {
    let tool = Tool::new().file("routes.yaml", &routes(false));
    for_each_case(|provider, fault, end| {
        let ran = tool.run(&["route", &format!("{provider}-{fault}"), "--json", "hello"]);
        let envelope = ran.json();
        let (code, finish) = match end {
            Before(class) | After(class) => {
                same("the class", &envelope["error"]["class"], &class.into(), &ran)?;
                same("the text", &envelope["text"], &"".into(), &ran)?;
                (3, "error")
            }
            Whole(finish) => {
                same("the text", &envelope["text"], &words(fault).into(), &ran)?;
                (0, finish)
            }
            Half(finish) => {
                let text = envelope["text"].as_str().unwrap_or_default();
                let half = !text.is_empty() && text.len() < words(fault).len();
                same("half the text", &json!(half && words(fault).starts_with(text)), &true.into(), &ran)?;
                (0, finish)
            }
        };
        same("what is unexpected", &envelope["unexpected"], &json!([]), &ran)?;
        if fault == "stall" {
            same("the phase", &envelope["attempts"][0]["failure"]["phase"], &"idle".into(), &ran)?;
        }
        same("the finish reason", &envelope["finish_reason"], &finish.into(), &ran)?;
        same("the exit code", &ran.code.into(), &code.into(), &ran)
    });
}

#[test]
fn a_fault_of_the_first_candidate_never_costs_the_answer() {
    let tool = Tool::new().file("routes.yaml", &routes(true));
    for_each_case(|provider, fault, end| {
        let ran = tool.run(&["route", &format!("{provider}-{fault}"), "--json", "hello"]);
        let envelope = ran.json();
        let (class, failovers) = match end {
            Before(class) | After(class) => (class.into(), 1),
            Whole(_) | Half(_) => (Value::Null, 0),
        };
        same("the exit code", &ran.code.into(), &0.into(), &ran)?;
        same("the class", &envelope["attempts"][0]["failure"]["class"], &class, &ran)?;
        same("the failovers", &envelope["failovers"], &failovers.into(), &ran)?;
        if failovers == 1 {
            same("the text", &envelope["text"], &words("good").into(), &ran)?;
        }
        Ok(())
    });
}

#[test]
fn what_was_shown_is_never_taken_for_an_answer_and_never_mixed_with_one() {
    let tool = Tool::new().file("routes.yaml", &routes(true));
    for_each_case(|provider, fault, end| {
        let ran = tool.run(&["route", &format!("{provider}-{fault}"), "--stream", "hello"]);
        let shown = ran.stdout.trim_end();
        let (code, right) = match end {
            // Nothing was shown, so nobody need know.
            Before(_) => (0, shown == words("good")),
            After(_) => (3, !shown.is_empty() && words(fault).starts_with(shown)),
            Whole(_) => (0, shown == words(fault)),
            Half(_) => (0, !shown.is_empty() && words(fault).starts_with(shown)),
        };
        let told = ran.stderr.contains("the answer broke off after it was shown");
        same("that the answer broke off", &told.into(), &(code == 3).into(), &ran)?;
        same("what is right of the text", &right.into(), &true.into(), &ran)?;
        same("the exit code", &ran.code.into(), &code.into(), &ran)
    });
}

#[test]
fn a_scenario_can_name_every_fault() {
    let rule = |(fault, ..): (&str, End, &[&str])| {
        format!("  - {{match: '^{fault}$', models: [good], steps: [{{as: {fault}}}]}}\n")
    };
    let scenario = "version: 1\nrules:\n".to_owned() + &FAULTS.map(rule).concat();
    let tool = Tool::new().file("scenario.yaml", &scenario);
    let served = Served::start(&tool, &["--scenario", "scenario.yaml", "--latency", "0ms"]);
    let routes = served.routes()
        + "routes:\n"
        + &ONE_A_DIALECT
            .iter()
            .map(|provider| {
                let timers = timers("stall");
                format!("  {provider}: {{candidates: [{provider}/good], retry: {{retries: 0}}, {timers}}}\n")
            })
            .collect::<String>();
    let tool = tool.file("routes.yaml", &routes);
    // One dialect of each fault: what its bytes are, the other tests have seen.
    for (at, (fault, usual, providers)) in FAULTS.into_iter().enumerate() {
        let provider = providers[at % providers.len()];
        let envelope = tool.run(&["route", provider, "--json", fault]).json();
        let found = match end(fault, usual, provider) {
            Before(class) | After(class) => (&envelope["error"]["class"], class),
            Whole(finish) | Half(finish) => (&envelope["finish_reason"], finish),
        };
        assert_eq!(found.0, found.1, "{provider} {fault}: {envelope}");
    }
    // A dialect that cannot have a fault says so, and who can.
    let ran = tool.run(&["route", "sim-ollama", "--json", "comments"]).exits(3);
    assert_eq!(ran.json()["error"]["class"], "bad_request");
    ran.says(&["`comments` cannot happen to ollama, only to openai-chat, openai-responses, anthropic"]);
}

#[test]
fn an_answer_in_one_piece_has_the_faults_that_it_can_have() {
    let tool = Tool::new().file("routes.yaml", &routes(false));
    for_each_case(|provider, fault, end| {
        if fault == "stall" {
            // Until its end such an answer is silent anyway.
            return Ok(());
        }
        let ran = tool.run(&["route", &format!("{provider}-{fault}"), "--no-stream", "--json", "hello"]);
        let envelope = ran.json();
        let needs_stream = matches!(
            fault,
            "role-only" | "done-only" | "no-done" | "comments" | "no-message-stop" | "no-finish-reason"
        );
        let (code, what, expected) = match (fault, end) {
            _ if needs_stream => (3, &envelope["error"]["class"], "bad_request"),
            // Half a body is no JSON; that it was cut, only the connection says.
            ("cut-politely", _) => (3, &envelope["error"]["class"], "malformed"),
            (_, Before(class) | After(class)) => (3, &envelope["error"]["class"], class),
            (_, Whole(finish) | Half(finish)) => (0, &envelope["finish_reason"], finish),
        };
        same("its end", what, &expected.into(), &ran)?;
        same("the exit code", &ran.code.into(), &code.into(), &ran)
    });
}

#[test]
fn a_call_that_a_filter_cut_is_not_handed_on() {
    let tools = r#"[{"name": "delete", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}]"#;
    let tool = Tool::new().file("tools.json", tools);
    for (_, usual, providers) in FAULTS.into_iter().filter(|(fault, ..)| *fault == "safety-stop") {
        for provider in providers {
            let model = format!("{provider}/safety-stop");
            let arguments =
                ["ask", "-m", &model, "--json", "--tools", "tools.json", "--tool-choice", "delete", "hello"];
            let envelope = tool.run(&arguments).exits(0).json();
            assert_eq!(envelope["tool_calls"], json!([]), "{provider}: {envelope}");
            let (Whole(finish) | Half(finish) | Before(finish) | After(finish)) =
                end("safety-stop", usual, provider);
            assert_eq!(envelope["finish_reason"], finish, "{provider}");
        }
    }
}
