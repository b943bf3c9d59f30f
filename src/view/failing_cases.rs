//! Failing and unscored cases, below the table of an eval.

use super::ConsoleWidths;
use super::format::{strip_control_chars, wrap_with_indent};
use super::report::{ReportCases, ReportedCase, shorten};
use crate::eval::{CaseResult, SubjectSummary, Verdict};

/// Cases shown for each subject without `-v`.
pub(crate) const DEFAULT_SHOWN_CASES: usize = 3;

const INDENT: &str = "    ";

/// Prompt, answer, and failed assertions of the first cases, one line each; of all cases in full if verbose.
pub(super) fn failing_cases_section<'a>(
    cases: &ReportCases<'a>,
    summary: &SubjectSummary,
    results: &'a [CaseResult],
    widths: ConsoleWidths,
    verbose: bool,
) -> String {
    let shown = if verbose { usize::MAX } else { DEFAULT_SHOWN_CASES };
    let mut out = String::new();
    let mut shown_count = 0;
    for reported in cases.not_passing(results).take(shown) {
        shown_count += 1;
        let mark = if reported.verdict == Verdict::Fail { "✗" } else { "?" };
        let head = format!("{mark} {} · {}", summary.subject, strip_control_chars(&reported.display_name()));
        out += &wrap_with_indent(&head, widths.line);
        out += &if verbose { case_details(&reported, widths) } else { case_line(cases, &reported, widths) };
    }
    // Not all results may have been kept in full.
    let more = (summary.failed + summary.unscored).saturating_sub(shown_count);
    if more > 0 {
        let more = format!("  … and {more} more for {} (-v shows all in full)", summary.subject);
        out += &wrap_with_indent(&more, widths.line);
    }
    out
}

fn case_line<'a>(cases: &ReportCases<'a>, reported: &ReportedCase<'a>, widths: ConsoleWidths) -> String {
    let line = |name: &str, text: &str| {
        let left = widths.table.saturating_sub(INDENT.len() + name.chars().count() + 2);
        format!("{INDENT}{name}: {}\n", strip_control_chars(&shorten(text, left)))
    };
    let mut out = String::new();
    if reported.verdict == Verdict::Fail {
        out += &line("prompt", &cases.distinct_prompt(reported));
        let answer = &reported.decisive.text;
        out += &if answer.trim().is_empty() {
            format!("{INDENT}answer: (empty)\n")
        } else {
            line("answer", answer)
        };
    }
    let reasons = reported.reasons();
    if let [first, rest @ ..] = reasons.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
        // The failed assertion and its reason matter most, so they are never shortened.
        out += &wrap_with_indent(
            &format!("{INDENT}{}: {}{more}", first.name, strip_control_chars(&first.reason)),
            widths.line,
        );
    }
    out + &case_outcome_lines(reported, widths)
}

fn case_details(reported: &ReportedCase<'_>, widths: ConsoleWidths) -> String {
    // The margin keeps lines of a model's answer distinguishable from slalom's own.
    let text = |name: &str, text: &str| -> String {
        let text = strip_control_chars(text);
        let name = |nth: usize| if nth == 0 { name } else { "" };
        let lines = text.trim_end().split('\n').enumerate();
        lines.map(|(nth, line)| format!("{INDENT}{:>6} │ {line}\n", name(nth))).collect()
    };
    let mut out = text("prompt", &reported.full_prompt());
    for result in reported.results.iter().filter(|result| result.verdict == Verdict::Fail) {
        out += &text("answer", &result.text);
    }
    for why in reported.reasons() {
        out += &wrap_with_indent(
            &format!("{INDENT}{}: {}", why.name, strip_control_chars(&why.reason)),
            widths.line,
        );
    }
    out + &case_outcome_lines(reported, widths)
}

/// Repeats and repairs of a case.
fn case_outcome_lines(reported: &ReportedCase<'_>, widths: ConsoleWidths) -> String {
    let repaired = reported.repaired_by().map(|repairs| format!("passes after repair: {repairs}"));
    let lines = reported.describe_repeats().into_iter().chain(repaired);
    lines.map(|line| wrap_with_indent(&format!("{INDENT}{line}"), widths.line)).collect()
}
