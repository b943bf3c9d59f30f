//! `exec` assertions: program input, output, environment, timeout, and lookup.

use serde_json::Value;

use crate::harness::CliHarness;

fn harness(exec: &str, program: &str) -> CliHarness {
    let set = format!(
        "version: 1
name: s
models: [sim-openai/good]
system: Be brief.
prompt: What is the capital of {{{{ country }}}}?
cases:
  - {{id: france, vars: {{country: France}}, reference: It is Paris., tags: [europe], assert: [{{exec: {exec}}}]}}
"
    );
    CliHarness::new().with_file("sets/set.yaml", &set).with_executable("sets/check.sh", program)
}

fn run_assertion(cli: &CliHarness, code: i32) -> Value {
    cli.run(&["eval", "sets/set.yaml", "--allow-exec", "-o", "out.json"]).assert_exit_code(code);
    let report = std::fs::read_to_string(cli.path("out.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    report["runs"][0]["results"][0]["assertions"][0].clone()
}

#[test]
fn program_receives_case_without_provider_keys() {
    let program = "#!/bin/sh\ncat > input.json\nenv > environment\nfor word in \"$@\"; do echo \"<$word>\"; done > words\n\
                   echo '{\"score\": 0.75, \"reason\": \"nearly\"}'\n";
    let cli = harness("{value: [./check.sh, $(touch evil), a b], threshold: 0.7}", program)
        .with_env("OPENAI_API_KEY", "planted-1")
        .with_env("OTHER", "stays");
    let assertion = run_assertion(&cli, 0);
    assert_eq!((&assertion["score"], &assertion["passed"]), (&0.75.into(), &true.into()));
    assert_eq!(assertion["reason"], "0.750, expected at least 0.7; nearly");
    let read = |name: &str| std::fs::read_to_string(cli.path("sets").join(name)).unwrap();
    let input: Value = serde_json::from_str(&read("input.json")).unwrap();
    assert_eq!(input["schema"], "slalom.exec/1");
    assert_eq!(input["case"]["id"], "france");
    assert_eq!(input["case"]["reference"], "It is Paris.");
    assert_eq!(input["case"]["prompt"], "What is the capital of France?");
    assert_eq!(input["case"]["conversation"][0]["content"], "Be brief.");
    assert_eq!(input["answer"]["text"], "It is Paris.");
    assert_eq!(input["answer"]["finish_reason"], "stop");
    assert_eq!(read("words"), "<$(touch evil)>\n<a b>\n");
    let environment = read("environment");
    assert!(environment.contains("OTHER=stays") && !environment.contains("planted"), "{environment}");
    assert!(!cli.path("sets/evil").exists() && !cli.path("evil").exists());
}

#[test]
fn program_output_cases() {
    for (program, code, expected) in [
        ("echo '{\"score\": 0.9}'", 1, "0.900, expected at least 1"),
        ("echo '{\"score\": 1}'", 0, "1.000"),
        ("echo '{\"score\": 7}'", 3, "its `score` is missing or not between 0 and 1"),
        ("echo fine", 3, "it printed `fine`"),
        ("echo 'not JSON, sk-abcdefghijklmnop123'", 3, "it printed `not JSON, "),
        (
            "echo '{\"score\": 1}'; echo 'key sk-abcdefghijklmnop123 is bad' >&2; exit 3",
            3,
            "exited with status 3: key",
        ),
        ("exec 0<&-; echo '{\"score\": 1}'", 0, "1.000"),
    ] {
        let assertion = run_assertion(&harness("[./check.sh]", &format!("#!/bin/sh\n{program}\n")), code);
        let reason = assertion["reason"].as_str().unwrap();
        assert!(reason.contains(expected) && !reason.contains("abcdefghijklmnop123"), "{program}: {reason}");
        assert_eq!(assertion["passed"] == Value::Null, code == 3, "{program}");
    }
}

/// Programs that never exit, one of them with a child process.
#[test]
fn program_timeout_exits_3() {
    for program in ["mkfifo pipe; read line < pipe", "mkfifo pipe; (read line < pipe; touch late) & wait"] {
        let cli = harness("{value: [./check.sh], timeout: 100ms}", &format!("#!/bin/sh\n{program}\n"));
        let assertion = run_assertion(&cli, 3);
        assert_eq!(assertion["passed"], Value::Null);
        let reason = assertion["reason"].as_str().unwrap();
        assert!(reason.contains("`./check.sh` timed out after 0.1 s"), "{reason}");
    }
}

#[test]
fn program_lookup_cases() {
    let in_path = harness("[sh, ./check.sh]", "echo '{\"score\": 1}'\n");
    assert_eq!(run_assertion(&in_path, 0)["passed"], true);
    for (exec, expected) in [
        ("[no-such-program-here]", "program `no-such-program-here` not found"),
        ("[./set.yaml]", "is not executable (run `chmod +x`)"),
    ] {
        let cli = harness(exec, "");
        cli.run(&["eval", "sets/set.yaml", "--allow-exec"]).assert_exit_code(2).assert_stderr_contains(&[
            expected,
            "case `france`",
            "hint:",
        ]);
    }
}
