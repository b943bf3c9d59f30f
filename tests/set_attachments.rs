//! Images, documents, and text files attached to the prompts of a golden set.

use serde_json::Value;

use crate::harness::{CliHarness, CountingSimulator};

const SET: &str = "version: 1
name: pictures
models: [sim-openai/good]
prompt: What does {{ picture }} show?
files: ['pictures/{{ picture }}']
assert: [{not-contains: zebra}]
cases:
  - {id: dot, vars: {picture: dot.png}}
  - {id: note, vars: {picture: note.txt}}
";

const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', 1, 2, 3, 4];

fn harness(simulator: &CountingSimulator, set: &str) -> CliHarness {
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", set);
    let cli = cli.with_file("pictures/note.txt", "a drawn horse\n");
    std::fs::write(cli.path("pictures/dot.png"), PNG).unwrap();
    cli
}

fn case_digests(cli: &CliHarness) -> Vec<Value> {
    cli.run(&["eval", "set.yaml", "-o", "out.json"]).assert_exit_code(0);
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(cli.path("out.json")).unwrap()).unwrap();
    report["runs"][0]["results"].as_array().unwrap().iter().map(|result| result["digest"].clone()).collect()
}

#[test]
fn digest_depends_on_file_content() {
    let simulator = CountingSimulator::start();
    let cli = harness(&simulator, SET);
    let first = case_digests(&cli);
    let output = cli.run(&["eval", "set.yaml", "--dry-run", "--filter", "note"]).assert_exit_code(0);
    let prompt = "What does note.txt show?\n\n<file name=\"pictures/note.txt\">\na drawn horse\n</file>\n";
    assert!(output.stdout.contains(prompt), "{}", output.stdout);
    // A user message with the same file gives the same digest; other file content gives another one.
    let turns = SET.replace(
        "prompt: What does {{ picture }} show?\nfiles: ['pictures/{{ picture }}']\n",
        "messages:\n  - {role: user, content: 'What does {{ picture }} show?', files: ['pictures/{{ picture }}']}\n",
    );
    let cli = cli.with_file("set.yaml", &turns);
    assert_eq!(case_digests(&cli), first);
    std::fs::write(cli.path("pictures/dot.png"), [&PNG[..], &[5]].concat()).unwrap();
    let second = case_digests(&cli);
    assert!(second[0] != first[0] && second[1] == first[1]);
    // A named prompt may have its own files.
    let named = SET
        .replace("prompt: What does {{ picture }} show?", "prompts:\n  plain: What does {{ picture }} show?\n  both: {prompt: Well?, files: [pictures/dot.png, pictures/note.txt]}");
    let output = cli.with_file("set.yaml", &named).run(&["eval", "set.yaml", "--json"]).assert_exit_code(0);
    assert_eq!(output.json()["runs"][0]["subjects"].as_array().unwrap().len(), 2);
}

#[test]
fn model_without_document_support_fails() {
    let pdf = SET.replace("dot.png", "page.pdf").replace("sim-openai", "sim-cohere");
    let cli = CliHarness::new()
        .with_file("set.yaml", &pdf)
        .with_file("pictures/note.txt", "x")
        .with_file("pictures/page.pdf", "%PDF-1.4 page");
    let output = cli.run(&["eval", "set.yaml", "--filter", "dot"]);
    assert_ne!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(
        format!("{}{}", output.stdout, output.stderr).contains("sim-cohere/good: does not support documents"),
        "{}{}",
        output.stdout,
        output.stderr
    );
}

#[test]
fn invalid_files_fail_before_any_request() {
    let simulator = CountingSimulator::start();
    let cases: Vec<(String, &[&str])> = vec![
        (
            SET.replace("picture: dot.png", "picture: dog.png"),
            &["case `dot`: cannot read pictures/dog.png: ", "relative to the set", "set.yaml:8:"],
        ),
        (
            SET.replace("pictures/{{ picture }}", "{{ photo }}"),
            &["case `dot`: undefined template variable `photo`"],
        ),
        (
            SET.replace("pictures/{{ picture }}", "{{ photo"),
            &["invalid template: `{{` is not closed", "set.yaml:5:"],
        ),
        (
            SET.replace("prompt: What does {{ picture }} show?", "messages: [{role: user, content: x}]"),
            &["`files` must be in a user message", "set.yaml:5:"],
        ),
        (
            SET.replace(
                "prompt: What does {{ picture }} show?\nfiles: ['pictures/{{ picture }}']",
                "messages: [{role: assistant, content: x, files: [a.png]}, {role: user, content: y}]",
            ),
            &["`files` must be in a user message", "set.yaml:4:"],
        ),
    ];
    for (text, expected) in cases {
        let output = harness(&simulator, &text).run(&["eval", "set.yaml"]);
        assert_eq!(output.code, 2, "{text}: {}{}", output.stdout, output.stderr);
        output.assert_stderr_contains(expected).assert_stderr_contains(&["hint: "]);
    }
    assert_eq!(simulator.request_count(), 0);
}

/// Large sets are kept in an unnamed temporary file, so they need a writable TMPDIR.
#[test]
fn large_set_without_tmpdir_exits_2() {
    let set = "version: 1\nname: many\nprompt: '{{ q }}'\nassert: [contains: x]\ncases_from: [many.csv]\n";
    let rows: String = (0..9_000).map(|n| format!("{n},{}\n", "why? ".repeat(20))).collect();
    let cli = CliHarness::new().with_file("set.yaml", set).with_file("many.csv", &format!("id,q\n{rows}"));
    let output = cli.run(&["check", "set.yaml"]).assert_exit_code(0);
    assert!(output.stdout.contains("set.yaml: 9000 cases"), "{}", output.stdout);
    let file_count = std::fs::read_dir(cli.path("")).unwrap().count();
    let missing_folder = cli.path("no/such/folder");
    let cli = cli.with_env("TMPDIR", missing_folder.to_str().unwrap());
    let output = cli.run(&["check", "set.yaml"]).assert_exit_code(2);
    assert!(output.stderr.contains("cannot write the cases to a temporary file:"), "{}", output.stderr);
    assert!(
        output.stderr.contains("no/such/folder: ") && output.stderr.contains("$TMPDIR"),
        "{}",
        output.stderr
    );
    assert_eq!(
        std::fs::read_dir(cli.path("")).unwrap().count(),
        file_count,
        "a temporary file was left behind"
    );
    // A small set needs no temporary file.
    let cli = cli.with_file("many.csv", "id,q\n1,why?\n");
    cli.run(&["check", "set.yaml"]).assert_exit_code(0);
}
