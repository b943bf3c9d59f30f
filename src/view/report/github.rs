//! What GitHub Actions reads from a job's output: annotations as workflow commands.

use super::report_text::shorten;
use super::{EvalRun, ReportCases};
use crate::eval::{SourceLocation, Verdict};

/// GitHub shows so many annotations of each kind for a step, and leaves out the rest without a word.
const MAX_ANNOTATIONS: usize = 10;

/// Annotations show so many characters of an answer.
const MAX_ANSWER_CHARS: usize = 300;

/// The commands that annotate the sets' files: why the gates fail, then the cases that do not pass. `place` makes a path
/// one from the top of the repository.
pub fn annotations(runs: &[EvalRun<'_>], place: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for run in runs {
        let title = format!("golden set {}", run.set.name);
        let whole = SourceLocation { path: run.set.path.as_str().into(), line: 1 };
        errors.extend(run.reasons().map(|reason| workflow_command("error", &whole, place, &title, reason)));
    }
    for run in runs {
        for (summary, results) in run.subjects() {
            let cases = ReportCases::for_subject(run, summary);
            for judged in cases.not_passing(results) {
                let whys: Vec<String> =
                    judged.reasons().iter().map(|why| format!("{}: {}", why.name, why.reason)).collect();
                let mut words = whys.join("\n");
                if judged.verdict == Verdict::Fail {
                    words += &format!("\nanswer: {}", shorten(&judged.decisive.text, MAX_ANSWER_CHARS));
                }
                let title = format!("{} · {}", judged.display_name(), summary.subject);
                let written = judged.case().and_then(|case| case.location);
                let written =
                    written.unwrap_or_else(|| SourceLocation { path: run.set.path.as_str().into(), line: 1 });
                // Where the gate passes, a failed case is one that it allows.
                let fails = judged.verdict == Verdict::Fail && !run.gate.reasons.is_empty();
                let (kind, list) = if fails { ("error", &mut errors) } else { ("warning", &mut warnings) };
                if list.len() < MAX_ANNOTATIONS {
                    list.push(workflow_command(kind, &written, place, &title, &words));
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
    written: &SourceLocation,
    place: &dyn Fn(&str) -> String,
    title: &str,
    words: &str,
) -> String {
    let (file, line) = (escape_property(&place(&written.path)), written.line);
    format!("::{kind} file={file},line={line},title={}::{}", escape_property(title), escape_data(words))
}

/// What stands behind a command: on one line, so that no other command can stand in it.
fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Output in which no line is a workflow command: they are read from everything that a step prints, and a model's answer
/// must not set the job's outputs. Both spellings are broken, `::name::` at a line's start and `##[name]` anywhere.
pub fn neutralize_workflow_commands(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let words = line.trim_start();
        if words.starts_with("::") {
            out.push_str(&line[..line.len() - words.len()]);
            out.push_str("│ ");
            out.push_str(words);
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
        let written = SourceLocation { path: "a,b:c.yaml".into(), line: 7 };
        let command =
            workflow_command("error", &written, &str::to_owned, "x::y", "50%\r\n::set-output name=a::b");
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
