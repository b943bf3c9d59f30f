//! `exec` assertions: what a program is told, what it may say, and that it ends.

use serde_json::Value;

use crate::tool::Tool;

fn tool(exec: &str, program: &str) -> Tool {
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
    Tool::new().file("sets/set.yaml", &set).program("sets/check.sh", program)
}

fn found(tool: &Tool, code: i32) -> Value {
    tool.run(&["eval", "sets/set.yaml", "--allow-exec", "-o", "out.json"]).exits(code);
    let report = std::fs::read_to_string(tool.path("out.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    report["runs"][0]["results"][0]["assertions"][0].clone()
}

#[test]
fn a_program_is_told_the_case_and_the_answer_and_no_key() {
    let program = "#!/bin/sh\ncat > input.json\nenv > environment\nfor word in \"$@\"; do echo \"<$word>\"; done > words\n\
                   echo '{\"score\": 0.75, \"reason\": \"nearly\"}'\n";
    let tool = tool("{value: [./check.sh, $(touch evil), a b], threshold: 0.7}", program)
        .env("OPENAI_API_KEY", "planted-1")
        .env("OTHER", "stays");
    let assertion = found(&tool, 0);
    assert_eq!((&assertion["score"], &assertion["passed"]), (&0.75.into(), &true.into()));
    assert_eq!(assertion["reason"], "0.750, wanted at least 0.7; nearly");
    let read = |name: &str| std::fs::read_to_string(tool.path("sets").join(name)).unwrap();
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
    assert!(!tool.path("sets/evil").exists() && !tool.path("evil").exists());
}

#[test]
fn a_score_under_the_threshold_fails_and_what_is_no_score_is_unscored() {
    for (program, code, words) in [
        ("echo '{\"score\": 0.9}'", 1, "0.900, wanted at least 1"),
        ("echo '{\"score\": 1}'", 0, "1.000"),
        ("echo '{\"score\": 7}'", 3, "there is no `score` from 0 to 1"),
        ("echo fine", 3, "it is no JSON"),
        (
            "echo '{\"score\": 1}'; echo 'key sk-abcdefghijklmnop123 is bad' >&2; exit 3",
            3,
            "failed (exit status: 3): key",
        ),
        ("exec 0<&-; echo '{\"score\": 1}'", 0, "1.000"),
    ] {
        let assertion = found(&tool("[./check.sh]", &format!("#!/bin/sh\n{program}\n")), code);
        let reason = assertion["reason"].as_str().unwrap();
        assert!(reason.contains(words) && !reason.contains("abcdefghijklmnop123"), "{program}: {reason}");
        assert_eq!(assertion["passed"] == Value::Null, code == 3, "{program}");
    }
}

/// Programs that never end by themselves, one of them with another one behind it.
#[test]
fn a_program_that_takes_too_long_is_ended_with_all_it_started() {
    for program in ["mkfifo pipe; read line < pipe", "mkfifo pipe; (read line < pipe; touch late) & wait"] {
        let tool = tool("{value: [./check.sh], timeout: 100ms}", &format!("#!/bin/sh\n{program}\n"));
        let assertion = found(&tool, 3);
        assert_eq!(assertion["passed"], Value::Null);
        let reason = assertion["reason"].as_str().unwrap();
        assert!(reason.contains("took longer than 0.1 s and was ended"), "{reason}");
    }
}

#[test]
fn programs_are_found_on_the_path_and_must_be_runnable() {
    let here = tool("[sh, ./check.sh]", "echo '{\"score\": 1}'\n");
    assert_eq!(found(&here, 0)["passed"], true);
    for (exec, words) in [
        ("[no-such-program-here]", "there is no program `no-such-program-here`"),
        ("[./set.yaml]", "may not be run (chmod +x makes it so)"),
    ] {
        let tool = tool(exec, "");
        tool.run(&["eval", "sets/set.yaml", "--allow-exec"]).exits(2).says(&[
            words,
            "case `france`",
            "hint:",
        ]);
    }
}
