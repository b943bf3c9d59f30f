//! The cases that do not pass, below the table of an eval.

use super::format::harmless;
use super::report::{Cases, Judged, shortened};
use crate::eval::{CaseResult, Summary, Verdict};

/// Cases shown for each subject, unless more was asked for.
pub const SHOWN: usize = 3;

/// What a text begins under.
const INDENT: &str = "    ";

/// What was asked, what came, and which assertion that did not please: of some cases on a line each, or of all in full.
pub(super) fn failures<'a>(
    cases: &Cases<'a>,
    summary: &Summary,
    results: &'a [CaseResult],
    width: usize,
    verbose: bool,
) -> String {
    let shown = if verbose { usize::MAX } else { SHOWN };
    let mut out = String::new();
    let mut told = 0;
    for judged in cases.bad(results).take(shown) {
        told += 1;
        let mark = if judged.verdict == Verdict::Fail { "✗" } else { "?" };
        out += &format!("{mark} {} · {}\n", summary.subject, harmless(&judged.name()));
        out += &if verbose { in_full(&judged) } else { in_short(cases, &judged, width) };
    }
    // Not all of them may have been kept whole.
    let more = (summary.failed + summary.unscored).saturating_sub(told);
    if more > 0 {
        out += &format!("  … and {more} more of {}; -v shows all of them in full\n", summary.subject);
    }
    out
}

fn in_short<'a>(cases: &Cases<'a>, judged: &Judged<'a>, width: usize) -> String {
    let line = |name: &str, text: &str| {
        let room = width.saturating_sub(INDENT.len() + name.chars().count() + 2);
        format!("{INDENT}{name}: {}\n", harmless(&shortened(text, room)))
    };
    let mut out = String::new();
    if judged.verdict == Verdict::Fail {
        out += &line("prompt", &cases.telling(judged));
        let answer = &judged.decisive.text;
        out += &if answer.trim().is_empty() {
            format!("{INDENT}answer: (empty)\n")
        } else {
            line("answer", answer)
        };
    }
    let whys = judged.whys();
    if let [first, rest @ ..] = whys.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
        // Which assertion it was, and why, is what all this is for: it is shown whole.
        out += &format!("{INDENT}{}: {}{more}\n", first.name, harmless(first.reason));
    }
    for words in judged.repeats_words().iter().chain(&repaired(judged)) {
        out += &format!("{INDENT}{words}\n");
    }
    out
}

fn in_full(judged: &Judged<'_>) -> String {
    // A margin: no line of a text looks like one of this program's.
    let text = |name: &str, text: &str| -> String {
        let text = harmless(text);
        let name = |nth: usize| if nth == 0 { name } else { "" };
        let lines = text.trim_end().split('\n').enumerate();
        lines.map(|(nth, line)| format!("{INDENT}{:>6} │ {line}\n", name(nth))).collect()
    };
    let mut out = text("prompt", &judged.prompt());
    for result in judged.results.iter().filter(|result| result.verdict == Verdict::Fail) {
        out += &text("answer", &result.text);
    }
    for why in judged.whys() {
        out += &format!("{INDENT}{}: {}\n", why.name, harmless(why.reason));
    }
    for words in judged.repeats_words().iter().chain(&repaired(judged)) {
        out += &format!("{INDENT}{words}\n");
    }
    out
}

fn repaired(judged: &Judged<'_>) -> Option<String> {
    judged.repaired_by().map(|repairs| format!("passes once repaired: {repairs}"))
}
