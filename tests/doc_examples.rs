//! Console blocks in the README and docs: each command prints its documented output.

use std::path::Path;

use crate::harness::CliHarness;

/// Commands in a document's `console` blocks, each with the output shown below it.
fn console_commands(document: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => found.push((command.to_owned(), String::new())),
                None => {
                    if let Some((_, output)) = found.last_mut() {
                        output.push_str(line);
                        output.push('\n');
                    }
                }
            },
        }
    }
    found
}

/// Splits a command line into words, honoring single and double quotes.
fn split_shell_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut is_quoted = false;
    for c in command.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => (quote, is_quoted) = (Some(c), true),
            (None, ' ') => {
                if is_quoted || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_quoted = false;
            }
            (_, c) => word.push(c),
        }
    }
    if is_quoted || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The words of an output line that contain no digits, because numbers differ between machines.
fn stable_words(line: &str) -> Vec<String> {
    line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '/' | '-' | ':' | '_' | '`')))
        .filter(|w| w.len() > 3 && !w.chars().any(|c| c.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

#[test]
fn console_blocks_print_documented_output() {
    let mut commands = console_commands("README.md");
    assert!(commands.iter().any(|(c, _)| c == "cargo test"), "the README shows `cargo test`");
    for document in ["docs/requests.md", "docs/routing.md"] {
        commands.extend(console_commands(document));
    }
    let mut commands_run = 0;
    for (command, shown) in commands {
        // `; echo $?` documents the exit code.
        let (command, code) = match command.split_once("; echo ") {
            Some((command, _)) => (command.to_owned(), shown.lines().last().unwrap().trim().parse().unwrap()),
            None => (command, 0),
        };
        let (command, input) = match command.split_once(" | ") {
            Some((source, rest)) => {
                let text = split_shell_words(source).into_iter().skip(1).collect::<Vec<_>>().join(" ");
                (rest.to_owned(), Some(text))
            }
            None => (command, None),
        };
        let rest = command.strip_prefix("cargo run --release -- ").or(command.strip_prefix("slalom "));
        let Some(rest) = rest else { continue };
        commands_run += 1;
        let cli = CliHarness::new();
        for folder in ["golden-sets", "examples"] {
            let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            std::os::unix::fs::symlink(target, cli.path(folder)).unwrap();
        }
        let arguments = split_shell_words(rest);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = match input {
            Some(input) => cli.run_with_input(&arguments, &input),
            None => cli.run(&arguments),
        };
        let output = output.assert_exit_code(code);
        let printed = format!("{}{}", output.stdout, output.stderr);
        for line in shown.lines() {
            for word in stable_words(line) {
                assert!(printed.contains(&word), "`{command}` shows {word:?}, but prints\n{printed}");
            }
        }
    }
    assert!(commands_run >= 6, "only {commands_run} commands ran");
}
