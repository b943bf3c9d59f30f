//! The layout of `slalom eval` output at various terminal widths.

use crate::harness::CliHarness;

const SET: &str = "version: 1
name: a-set-with-a-name-that-is-not-short
models: [sim-openai/good, sim-gemini/error-without-choices, route:one-with-a-name-that-goes-on-and-on]
prompt: 'Which is {{ q }}?'
assert: [contains: Paris]
cases:
  - {id: a-case-with-quite-a-long-id-too, vars: {q: a}, reference: It is Paris.}
  - {id: b, vars: {q: b}, reference: It is Rome.}
";

const ROUTES: &str =
    "version: 1\nroutes:\n  one-with-a-name-that-goes-on-and-on: {candidates: [sim-anthropic/terse]}\n";

fn eval_stdout(columns: Option<&str>, more: &[&str]) -> String {
    stdout_of("eval", columns, more)
}

fn stdout_of(command: &str, columns: Option<&str>, more: &[&str]) -> String {
    let cli = CliHarness::new().with_file("set.yaml", SET).with_file("routes.yaml", ROUTES);
    let cli = columns.into_iter().fold(cli, |cli, columns| cli.with_env("COLUMNS", columns));
    cli.run(&[&[command, "set.yaml"], more].concat()).stdout
}

fn longest_line(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

/// Table, notes, comparison, and gate wrap at the terminal width with indented continuation lines.
#[test]
fn output_fits_columns() {
    let compared = ["--baseline", "sim-openai/good", "--max-drop", "0.1"];
    for (columns, width) in [("200", 200), ("120", 120), ("80", 80), ("64", 64), ("40", 40), ("25", 40)] {
        for (command, more) in
            [("eval", &[][..]), ("eval", &compared), ("eval", &["-v"]), ("audit", &[]), ("audit", &["-v"])]
        {
            let more = [more, &["--config", "routes.yaml"]].concat();
            let text = stdout_of(command, Some(columns), &more);
            // A long name cannot be broken.
            let overflows = |line: &&str| line.chars().count() > width && line.trim().contains(' ');
            assert_eq!(text.lines().find(overflows), None, "{command} {more:?} at {columns}:\n{text}");
        }
    }
    let text = eval_stdout(Some("80"), &["--config", "routes.yaml"]);
    assert!(
        text.contains(
            "\ngate: FAILED: sim-gemini/error-without-choices: none of the 2 cases could be\n  scored\n\
             gate: FAILED: sim-openai/good: 1 of 2 cases failed (no minimum is set, so every\n  case must pass)\n"
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "(sim): answers, prices, and latencies come from slalom's simulator, not from a\n  model\n"
        ),
        "{text}"
    );
}

/// A table that would break words or numbers is printed as lines instead.
#[test]
fn narrow_table_becomes_lines() {
    let text = eval_stdout(Some("50"), &["-m", "sim-openai/good", "--baseline", "sim-openai/good"]);
    assert!(!text.contains('│'), "{text}");
    assert!(
        text.contains("\nsim-openai/good (sim): 1/2 passed, 0.500 [0.095,\n  0.905]; score 0.500; $"),
        "{text}"
    );
    assert!(text.contains("\nsim-openai/good vs. sim-openai/good: unclear; pass\n"), "{text}");
    let audit = stdout_of("audit", Some("50"), &[]);
    assert!(audit.contains("\ncontains: uses 2, skipped 0, "), "{audit}");
}

/// Output to a pipe is not wrapped; an implausible COLUMNS value is ignored.
#[test]
fn output_without_valid_columns_is_not_wrapped() {
    let unwrapped = "gate: FAILED: sim-gemini/error-without-choices: none of the 2 cases could be scored\n";
    let more = ["-m", "sim-gemini/error-without-choices"];
    for columns in [None, Some("0"), Some("10"), Some("-1"), Some("wide")] {
        let text = eval_stdout(columns, &more);
        assert!(text.contains(unwrapped) && longest_line(&text) > 80, "{columns:?}: {text}");
    }
}

/// `--resume` and `--baseline` take a run ID, so the header shows it.
#[test]
fn header_shows_run_id() {
    let cli = CliHarness::new().with_file("set.yaml", SET);
    let text = cli.run(&["eval", "set.yaml", "-m", "sim-openai/good"]).assert_exit_code(1).stdout;
    let id = text.lines().next().unwrap().rsplit_once(" · 2 cases · run ").unwrap().1.to_owned();
    let output =
        cli.run(&["eval", "set.yaml", "-m", "sim-openai/good", "--baseline", &id]).assert_exit_code(0);
    assert!(
        output.stdout.contains(&format!("paired comparison with sim-openai/good in run {id}\n")),
        "{}",
        output.stdout
    );
}
