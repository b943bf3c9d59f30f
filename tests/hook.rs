//! `on_breaker_open`, through the real binary: what is run, with what, and when not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::tool::Tool;

/// A test fails when nothing has come by then; nothing waits for it otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command that ends in time is waited for where it holds stderr, which it does with `-v`.
const HEARD: &str = "-v";

fn routes(hook: &str) -> String {
    format!(
        "version: 1\non_breaker_open: {{command: {hook}}}\nroutes:\n  \
         sick: {{candidates: [sim-anthropic/overloaded], retry: {{retries: 3, base: 1ms}}}}\n"
    )
}

/// A file that the user named, which is trust.
fn tool(hook: &str) -> Tool {
    Tool::new().file("named.yaml", &routes(hook)).env("SLALOM_CONFIG", "named.yaml")
}

/// A pipe with a name: whoever reads it waits for whoever writes.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Reads such a pipe until it is closed.
fn reader(path: PathBuf) -> Receiver<String> {
    let (sender, received) = channel();
    std::thread::spawn(move || sender.send(fs::read_to_string(path).unwrap()));
    received
}

#[test]
fn the_command_runs_once_with_its_values_and_without_keys() {
    let hook = r#"[sh, -c, 'for word in "$@"; do echo "<$word>"; done > pipe; env > environment; cat > input; echo done > end', hook,
        "{{ provider }}", "{{ model }}: {{ reason }}", "-{{ open_seconds }}", "$(touch evil)"]"#;
    let tool =
        tool(hook).env("OPENAI_API_KEY", "planted-1").env("MINE_KEY", "planted-2").env("OTHER", "stays");
    let text = routes(hook)
        + "providers:\n  mine: {dialect: openai-chat, base_url: 'https://mine/v1', api_key: {env: MINE_KEY}}\n";
    let tool = tool.file("named.yaml", &text);
    pipe(&tool.path("pipe"));
    pipe(&tool.path("end"));
    let (words, end) = (reader(tool.path("pipe")), reader(tool.path("end")));
    let ran = tool.run(&["route", "sick", "hi"]).exits(3);
    assert_eq!(ran.stderr.matches("its breaker opened (server_error)").count(), 1, "{}", ran.stderr);
    let words = words.recv_timeout(PATIENCE).unwrap();
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines[..2], ["<sim-anthropic>", "<overloaded: server_error>"]);
    let seconds: u64 = lines[2].trim_matches(['<', '-', '>']).parse().unwrap();
    assert!((12..=18).contains(&seconds), "{seconds}");
    assert_eq!(lines[3..], ["<$(touch evil)>"], "no shell reads the arguments, and it runs once");
    assert_eq!(end.recv_timeout(PATIENCE).unwrap(), "done\n");
    assert_eq!(fs::read_to_string(tool.path("input")).unwrap(), "", "there is nothing to read");
    let environment = fs::read_to_string(tool.path("environment")).unwrap();
    assert!(environment.contains("OTHER=stays\n") && !environment.contains("planted"), "{environment}");
    assert!(!tool.path("evil").exists());
}

#[test]
fn what_it_prints_is_heard_with_v_alone_and_never_on_stdout() {
    let tool = tool("[sh, -c, 'echo told; echo told >&2']");
    let ran = tool.run(&["route", "sick", "--json", HEARD, "hi"]).exits(3);
    ran.json();
    assert_eq!(ran.stderr.matches("told\n").count(), 2, "{}", ran.stderr);
    tool.run(&["route", "sick", "--reset"]).exits(0);
    let ran = tool.run(&["route", "sick", "hi"]).exits(3);
    assert!(!ran.stderr.contains("told"), "{}", ran.stderr);
}

#[test]
fn nobody_waits_for_it() {
    // It ends when the pipe is read, which is after the call has ended: the call cannot have waited for it.
    let tool = tool("[sh, -c, 'echo here > pipe']");
    pipe(&tool.path("pipe"));
    let mut command = tool.command(&["route", "sick", "hi"]);
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(command.output().unwrap().status.code()));
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(Some(3)));
    assert_eq!(reader(tool.path("pipe")).recv_timeout(PATIENCE).unwrap(), "here\n", "it outlives the call");
}

#[test]
fn a_command_that_cannot_be_started_is_a_warning_with_its_place() {
    let tool = tool("[no-such-program-here, x]");
    let ran = tool.run(&["route", "sick", "hi"]).exits(3);
    ran.says(&[
        "warning: the command of `on_breaker_open` in named.yaml was not run: ",
        "`no-such-program-here` cannot be started: No such file",
        "error: no answer from route:sick",
    ]);
}

#[test]
fn a_drill_runs_nothing() {
    let tool = tool("[touch, ran]");
    let drill = ["route", "sick", "--drill", "sim-anthropic=down", HEARD, "hi"];
    tool.run(&drill).exits(1);
    tool.run(&drill).exits(1);
    assert!(!tool.path("ran").exists());
    tool.run(&["route", "sick", HEARD, "hi"]).exits(3);
    assert!(tool.path("ran").exists());
}

#[test]
fn a_project_runs_nothing_before_it_is_trusted() {
    let tool = Tool::new().file("routes.yaml", &routes("[touch, ran]"));
    let ran = tool.run(&["route", "sick", HEARD, "hi"]).exits(3);
    assert_eq!(ran.stderr.matches("`on_breaker_open` would run a command").count(), 1, "{}", ran.stderr);
    ran.says(&["its breaker opened", "run `slalom check --trust`"]);
    assert!(!tool.path("ran").exists());
    tool.run(&["check", "--trust"]).exits(0);
    tool.run(&["route", "sick", "--reset"]).exits(0);
    tool.run(&["route", "sick", HEARD, "hi"]).exits(3);
    assert!(tool.path("ran").exists());
}
