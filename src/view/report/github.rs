//! Annotations for GitHub Actions, as workflow commands.

use super::report_text::shorten;
use super::{EvalRun, ReportCases};
use crate::eval::{SourceLocation, Verdict};

/// GitHub silently drops more annotations of one kind in a step.
const MAX_ANNOTATIONS: usize = 10;

const MAX_ANSWER_CHARS: usize = 300;

/// Annotates the sets' files with the gates' reasons and the cases that do not pass. `relative_path` makes a
/// path relative to the repository's root.
pub(crate) fn annotations(runs: &[EvalRun<'_>], relative_path: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for run in runs {
        let title = format!("golden set {}", run.set.name);
        let set_location = SourceLocation { path: run.set.path.as_str().into(), line: 1 };
        errors.extend(
            run.reasons()
                .map(|reason| workflow_command("error", &set_location, relative_path, &title, &reason)),
        );
    }
    for run in runs {
        for (summary, results) in run.subjects() {
            let cases = ReportCases::for_subject(run, summary);
            for reported in cases.not_passing(results) {
                let reasons: Vec<String> =
                    reported.reasons().iter().map(|why| format!("{}: {}", why.name, why.reason)).collect();
                let mut message = reasons.join("\n");
                if reported.verdict == Verdict::Fail {
                    message += &format!("\nanswer: {}", shorten(&reported.decisive.text, MAX_ANSWER_CHARS));
                }
                let title = format!("{} · {}", reported.display_name(), summary.subject);
                let location = reported.case().and_then(|case| case.location);
                let location = location
                    .unwrap_or_else(|| SourceLocation { path: run.set.path.as_str().into(), line: 1 });
                // If the gate passes, it allows this failure.
                let fails = reported.verdict == Verdict::Fail && !run.gate.violations.is_empty();
                let (kind, list) = if fails { ("error", &mut errors) } else { ("warning", &mut warnings) };
                if list.len() < MAX_ANNOTATIONS {
                    list.push(workflow_command(kind, &location, relative_path, &title, &message));
                }
            }
        }
    }
    errors.truncate(MAX_ANNOTATIONS);
    errors.append(&mut warnings);
    errors
}

fn workflow_command(
    kind: &str,
    location: &SourceLocation,
    relative_path: &dyn Fn(&str) -> String,
    title: &str,
    message: &str,
) -> String {
    let (file, line) = (escape_property(&relative_path(&location.path)), location.line);
    format!("::{kind} file={file},line={line},title={}::{}", escape_property(title), escape_data(message))
}

/// Escapes a message so that it stays on one line and cannot contain another command.
fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Neutralizes workflow commands: GitHub executes them in all output of a step, and a model's answer must not
/// set the job's outputs. Covers both forms, `::name::` at the start of a line and `##[name]` anywhere.
pub(crate) fn neutralize_workflow_commands(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with("::") {
            out.push_str(&line[..line.len() - trimmed.len()]);
            out.push_str("│ ");
            out.push_str(trimmed);
        } else {
            out.push_str(line);
        }
    }
    out.replace("##[", "# #[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_in_workflow_commands() {
        let location = SourceLocation { path: "a,b:c.yaml".into(), line: 7 };
        let command =
            workflow_command("error", &location, &str::to_owned, "x::y", "50%\r\n::set-output name=a::b");
        assert_eq!(
            command,
            "::error file=a%2Cb%3Ac.yaml,line=7,title=x%3A%3Ay::50%25%0D%0A::set-output name=a::b"
        );
        assert_eq!(
            neutralize_workflow_commands("a :: b\n  \u{a0}::error::x\n::x\nsee ##[add-mask]y\n"),
            "a :: b\n  \u{a0}│ ::error::x\n│ ::x\nsee # #[add-mask]y\n"
        );
    }
}
