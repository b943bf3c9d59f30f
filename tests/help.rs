//! Help texts: `-h`, `--help`, and the help topics.

use crate::harness::CliHarness;

const COMMANDS: [&str; 9] = ["ask", "route", "compare", "embed", "eval", "audit", "check", "models", "sim"];

fn short_help(command: &str) -> String {
    CliHarness::new().with_env("COLUMNS", "80").run(&[command, "-h"]).assert_exit_code(0).stdout
}

#[test]
fn short_help_fits_one_screen() {
    for command in COMMANDS {
        let text = short_help(command);
        assert!(text.lines().count() <= 45, "{command}: {} lines", text.lines().count());
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
    }
}

#[test]
fn short_help_puts_own_options_first() {
    for command in COMMANDS {
        let text = short_help(command);
        let headings: Vec<&str> =
            text.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
        assert_eq!(headings.last(), Some(&"Global:"), "{command}: {headings:?}");
        assert!(
            !headings.contains(&"Options:") && !headings.contains(&"Arguments:"),
            "{command}: {headings:?}"
        );
    }
}

#[test]
fn short_help_snapshots() {
    insta::assert_snapshot!("ask", short_help("ask"));
    insta::assert_snapshot!("eval", short_help("eval"));
    insta::assert_snapshot!("audit", short_help("audit"));
    let top = CliHarness::new().with_env("COLUMNS", "80").run(&["-h"]).assert_exit_code(0).stdout;
    insta::assert_snapshot!("slalom", top);
}

#[test]
fn long_help_shows_two_examples_or_more() {
    for command in COMMANDS {
        let text = CliHarness::new().run(&[command, "--help"]).assert_exit_code(0).stdout;
        let examples = text.split("Examples:\n").nth(1).unwrap_or_default();
        assert!(
            examples.lines().filter(|line| line.contains("slalom ")).count() >= 2,
            "{command}: {examples}"
        );
    }
}

#[test]
fn help_subcommand_cases() {
    let cli = CliHarness::new();
    for (topic, expected) in [
        ("exit-codes", "4    Stopped by --timeout"),
        ("environment", "SLALOM_ROUTE_<NAME>"),
        ("eval", "Usage: slalom eval [OPTIONS] <SET>..."),
    ] {
        let output = cli.run(&["help", topic]).assert_exit_code(0);
        assert!(output.stdout.contains(expected), "{}", output.stdout);
    }
    assert_eq!(
        cli.run(&["help"]).assert_exit_code(0).stdout,
        cli.run(&["--help"]).assert_exit_code(0).stdout
    );
    cli.run(&["help", "evl"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["unknown command or help topic `evl`", "did you mean `eval`?"]);
}
