//! The cases that do not pass, below the table of an eval.

use super::Room;
use super::format::{hanging, harmless};
use super::report::{Judged, ShownCases, shortened};
use crate::eval::{CaseResult, Summary, Verdict};

/// Cases shown for each subject, unless more was asked for.
pub const SHOWN: usize = 3;

/// What a text begins under.
const INDENT: &str = "    ";

/// What was asked, what came, and which assertion that did not please: of some cases on a line each, or of all in full.
pub(super) fn failures<'a>(
    cases: &ShownCases<'a>,
    summary: &Summary,
    results: &'a [CaseResult],
    room: Room,
    verbose: bool,
) -> String {
    let shown = if verbose { usize::MAX } else { SHOWN };
    let mut out = String::new();
    let mut told = 0;
    for judged in cases.bad(results).take(shown) {
        told += 1;
        let mark = if judged.verdict == Verdict::Fail { "✗" } else { "?" };
        let head = format!("{mark} {} · {}", summary.subject, harmless(&judged.name()));
        out += &hanging(&head, room.line);
        out += &if verbose { in_full(&judged, room) } else { in_short(cases, &judged, room) };
    }
    // Not all of them may have been kept whole.
    let more = (summary.failed + summary.unscored).saturating_sub(told);
    if more > 0 {
        let more = format!("  … and {more} more of {}; -v shows all of them in full", summary.subject);
        out += &hanging(&more, room.line);
    }
    out
}

fn in_short<'a>(cases: &ShownCases<'a>, judged: &Judged<'a>, room: Room) -> String {
    let line = |name: &str, text: &str| {
        let left = room.table.saturating_sub(INDENT.len() + name.chars().count() + 2);
        format!("{INDENT}{name}: {}\n", harmless(&shortened(text, left)))
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
        out += &hanging(&format!("{INDENT}{}: {}{more}", first.name, harmless(first.reason)), room.line);
    }
    out + &ends(judged, room)
}

fn in_full(judged: &Judged<'_>, room: Room) -> String {
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
        out += &hanging(&format!("{INDENT}{}: {}", why.name, harmless(why.reason)), room.line);
    }
    out + &ends(judged, room)
}

/// What there is to say of a case at its end.
fn ends(judged: &Judged<'_>, room: Room) -> String {
    let repaired = judged.repaired_by().map(|repairs| format!("passes once repaired: {repairs}"));
    let words = judged.repeats_words().into_iter().chain(repaired);
    words.map(|words| hanging(&format!("{INDENT}{words}"), room.line)).collect()
}
