//! The cases that do not pass, below the table of an eval.

use super::ConsoleWidths;
use super::format::{strip_control_chars, wrap_with_indent};
use super::report::{ReportCases, ReportedCase, shorten};
use crate::eval::{CaseResult, SubjectSummary, Verdict};

/// Cases shown for each subject, unless more was asked for.
pub const DEFAULT_SHOWN_CASES: usize = 3;

/// What a text begins under.
const INDENT: &str = "    ";

/// What was asked, what came, and which assertion that did not please: of some cases on a line each, or of all in full.
pub(super) fn failing_cases_section<'a>(
    cases: &ReportCases<'a>,
    summary: &SubjectSummary,
    results: &'a [CaseResult],
    room: ConsoleWidths,
    verbose: bool,
) -> String {
    let shown = if verbose { usize::MAX } else { DEFAULT_SHOWN_CASES };
    let mut out = String::new();
    let mut told = 0;
    for judged in cases.not_passing(results).take(shown) {
        told += 1;
        let mark = if judged.verdict == Verdict::Fail { "✗" } else { "?" };
        let head = format!("{mark} {} · {}", summary.subject, strip_control_chars(&judged.display_name()));
        out += &wrap_with_indent(&head, room.line);
        out += &if verbose { case_details(&judged, room) } else { case_line(cases, &judged, room) };
    }
    // Not all of them may have been kept whole.
    let more = (summary.failed + summary.unscored).saturating_sub(told);
    if more > 0 {
        let more = format!("  … and {more} more of {}; -v shows all of them in full", summary.subject);
        out += &wrap_with_indent(&more, room.line);
    }
    out
}

fn case_line<'a>(cases: &ReportCases<'a>, judged: &ReportedCase<'a>, room: ConsoleWidths) -> String {
    let line = |name: &str, text: &str| {
        let left = room.table.saturating_sub(INDENT.len() + name.chars().count() + 2);
        format!("{INDENT}{name}: {}\n", strip_control_chars(&shorten(text, left)))
    };
    let mut out = String::new();
    if judged.verdict == Verdict::Fail {
        out += &line("prompt", &cases.distinct_prompt(judged));
        let answer = &judged.decisive.text;
        out += &if answer.trim().is_empty() {
            format!("{INDENT}answer: (empty)\n")
        } else {
            line("answer", answer)
        };
    }
    let whys = judged.reasons();
    if let [first, rest @ ..] = whys.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
        // Which assertion it was, and why, is what all this is for: it is shown whole.
        out += &wrap_with_indent(
            &format!("{INDENT}{}: {}{more}", first.name, strip_control_chars(first.reason)),
            room.line,
        );
    }
    out + &case_outcome_lines(judged, room)
}

fn case_details(judged: &ReportedCase<'_>, room: ConsoleWidths) -> String {
    // A margin: no line of a text looks like one of this program's.
    let text = |name: &str, text: &str| -> String {
        let text = strip_control_chars(text);
        let name = |nth: usize| if nth == 0 { name } else { "" };
        let lines = text.trim_end().split('\n').enumerate();
        lines.map(|(nth, line)| format!("{INDENT}{:>6} │ {line}\n", name(nth))).collect()
    };
    let mut out = text("prompt", &judged.full_prompt());
    for result in judged.results.iter().filter(|result| result.verdict == Verdict::Fail) {
        out += &text("answer", &result.text);
    }
    for why in judged.reasons() {
        out += &wrap_with_indent(
            &format!("{INDENT}{}: {}", why.name, strip_control_chars(why.reason)),
            room.line,
        );
    }
    out + &case_outcome_lines(judged, room)
}

/// What there is to say of a case at its end.
fn case_outcome_lines(judged: &ReportedCase<'_>, room: ConsoleWidths) -> String {
    let repaired = judged.repaired_by().map(|repairs| format!("passes once repaired: {repairs}"));
    let words = judged.describe_repeats().into_iter().chain(repaired);
    words.map(|words| wrap_with_indent(&format!("{INDENT}{words}"), room.line)).collect()
}
