//! `on_breaker_open`: which command runs, with which arguments and environment, and when it does not run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::harness::CliHarness;

const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// With `-v` the command inherits stderr, so reading the output to its end also waits for the command.
const VERBOSE_FLAG: &str = "-v";

fn routes_yaml_with_hook(hook: &str) -> String {
    format!(
        "version: 1\non_breaker_open: {{command: {hook}}}\nroutes:\n  \
         sick: {{candidates: [sim-anthropic/overloaded], retry: {{retries: 3, base: 1ms}}}}\n"
    )
}

/// A config file named by the user is trusted.
fn harness_with_trusted_hook(hook: &str) -> CliHarness {
    CliHarness::new()
        .with_file("named.yaml", &routes_yaml_with_hook(hook))
        .with_env("SLALOM_CONFIG", "named.yaml")
}

/// A named pipe: opening it blocks until the other end is open too.
fn create_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn read_fifo_in_background(path: PathBuf) -> Receiver<String> {
    let (sender, received) = channel();
    std::thread::spawn(move || sender.send(fs::read_to_string(path).unwrap()));
    received
}

#[test]
fn command_runs_once_without_keys_in_env() {
    let hook = r#"[sh, -c, 'for word in "$@"; do echo "<$word>"; done > pipe; env > environment; cat > input; echo done > end', hook,
        "{{ provider }}", "{{ model }}: {{ reason }}", "-{{ open_seconds }}", "$(touch evil)"]"#;
    let cli = harness_with_trusted_hook(hook)
        .with_env("OPENAI_API_KEY", "planted-1")
        .with_env("MINE_KEY", "planted-2")
        .with_env("OTHER", "stays");
    let text = routes_yaml_with_hook(hook)
        + "providers:\n  mine: {dialect: openai-chat, base_url: 'https://mine/v1', api_key: {env: MINE_KEY}}\n";
    let cli = cli.with_file("named.yaml", &text);
    create_fifo(&cli.path("pipe"));
    create_fifo(&cli.path("end"));
    let (arguments, end) =
        (read_fifo_in_background(cli.path("pipe")), read_fifo_in_background(cli.path("end")));
    let output = cli.run(&["route", "sick", "hi"]).assert_exit_code(3);
    let opened = |line: &&str| {
        line.starts_with(
            "warning: circuit breaker for sim-anthropic/overloaded opened (server_error); skipping it for ",
        ) && line.ends_with(" s")
    };
    assert_eq!(output.stderr.lines().filter(opened).count(), 1, "{}", output.stderr);
    let arguments = arguments.recv_timeout(HOOK_TIMEOUT).unwrap();
    let lines: Vec<&str> = arguments.lines().collect();
    assert_eq!(lines[..2], ["<sim-anthropic>", "<overloaded: server_error>"]);
    let seconds: u64 = lines[2].trim_matches(['<', '-', '>']).parse().unwrap();
    assert!((12..=18).contains(&seconds), "{seconds}");
    assert_eq!(lines[3..], ["<$(touch evil)>"], "no shell expands the arguments, and the command runs once");
    assert_eq!(end.recv_timeout(HOOK_TIMEOUT).unwrap(), "done\n");
    assert_eq!(fs::read_to_string(cli.path("input")).unwrap(), "", "stdin is empty");
    let environment = fs::read_to_string(cli.path("environment")).unwrap();
    assert!(environment.contains("OTHER=stays\n") && !environment.contains("planted"), "{environment}");
    assert!(!cli.path("evil").exists());
}

#[test]
fn output_reaches_stderr_only_with_verbose() {
    let cli = harness_with_trusted_hook("[sh, -c, 'echo from-hook; echo from-hook >&2']");
    let output = cli.run(&["route", "sick", "--json", VERBOSE_FLAG, "hi"]).assert_exit_code(3);
    output.json();
    assert_eq!(output.stderr.matches("from-hook\n").count(), 2, "{}", output.stderr);
    cli.run(&["route", "sick", "--reset"]).assert_exit_code(0);
    let output = cli.run(&["route", "sick", "hi"]).assert_exit_code(3);
    assert!(!output.stderr.contains("from-hook"), "{}", output.stderr);
}

#[test]
fn call_does_not_wait_for_command() {
    // The command ends only when the pipe is read, which happens after the call has ended.
    let cli = harness_with_trusted_hook("[sh, -c, 'echo here > pipe']");
    create_fifo(&cli.path("pipe"));
    let mut command = cli.command(&["route", "sick", "hi"]);
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(command.output().unwrap().status.code()));
    assert_eq!(ended.recv_timeout(HOOK_TIMEOUT), Ok(Some(3)));
    assert_eq!(
        read_fifo_in_background(cli.path("pipe")).recv_timeout(HOOK_TIMEOUT).unwrap(),
        "here\n",
        "the command outlives the call"
    );
}

#[test]
fn missing_program_warning_names_config_file() {
    let cli = harness_with_trusted_hook("[no-such-program-here, x]");
    let output = cli.run(&["route", "sick", "hi"]).assert_exit_code(3);
    output.assert_stderr_contains(&[
        "warning: cannot run the `on_breaker_open` command from named.yaml: ",
        "cannot start `no-such-program-here`: No such file",
        "error: no answer from route:sick",
    ]);
}

#[test]
fn drill_does_not_run_command() {
    let cli = harness_with_trusted_hook("[touch, ran]");
    let drill = ["route", "sick", "--drill", "sim-anthropic=down", VERBOSE_FLAG, "hi"];
    cli.run(&drill).assert_exit_code(1);
    cli.run(&drill).assert_exit_code(1);
    assert!(!cli.path("ran").exists());
    cli.run(&["route", "sick", VERBOSE_FLAG, "hi"]).assert_exit_code(3);
    assert!(cli.path("ran").exists());
}

#[test]
fn untrusted_project_does_not_run_command() {
    let cli = CliHarness::new().with_file("routes.yaml", &routes_yaml_with_hook("[touch, ran]"));
    let output = cli.run(&["route", "sick", VERBOSE_FLAG, "hi"]).assert_exit_code(3);
    assert_eq!(
        output.stderr.matches("`on_breaker_open` would run a command").count(),
        1,
        "{}",
        output.stderr
    );
    output.assert_stderr_contains(&["circuit breaker for", "run `slalom check --trust`"]);
    assert!(!cli.path("ran").exists());
    cli.run(&["check", "--trust"]).assert_exit_code(0);
    cli.run(&["route", "sick", "--reset"]).assert_exit_code(0);
    cli.run(&["route", "sick", VERBOSE_FLAG, "hi"]).assert_exit_code(3);
    assert!(cli.path("ran").exists());
}
