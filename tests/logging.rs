//! `-v` and `-vv`.

use crate::harness::{CliHarness, CountingSimulator};

#[test]
fn log_lines_show_attempts_without_prompts_answers_or_keys() {
    let simulator = CountingSimulator::start();
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml());
    let run = |verbosity: &'static [&'static str]| {
        let mut command = cli.command(&["--ledger", "ledger.db", "ask", "-m", "sim-openai/good"]);
        command.args(verbosity).arg("Capital of Peru?").env("OPENAI_API_KEY", "sk-planted-0123456789");
        let output: crate::harness::CliOutput = command.output().unwrap().into();
        output.assert_exit_code(0)
    };
    let quiet = run(&[]);
    assert!(!quiet.stderr.contains("ledger"), "{}", quiet.stderr);
    let verbose = run(&["-v"]);
    assert!(verbose.stderr.contains("INFO ledger path=ledger.db"), "{}", verbose.stderr);
    assert!(!verbose.stderr.contains("DEBUG"), "{}", verbose.stderr);
    let detailed = run(&["-vv"]).assert_stderr_contains(&[
        "call starts model=\"sim-openai/good\"",
        "DEBUG request model=sim-openai/good stream=true",
        "DEBUG response headers model=sim-openai/good status=200",
        "DEBUG attempt ended model=sim-openai/good",
        "DEBUG ledger transaction changes=",
    ]);
    for secret in ["Peru", quiet.stdout.trim(), "sk-planted", "authorization", "Bearer"] {
        assert!(!detailed.stderr.contains(secret), "{secret}: {}", detailed.stderr);
    }
}
