//! The scores of an eval.

use super::comparison::comparison_words;
use super::eval_cases::failures;
use super::format::{counted, hanging, money};
use super::report::{SIMULATED, ShownCases, is_simulated, judge_words, repair_words};
use super::table::{NARROW, natural, table};
use super::{EvalRun, Room};
use crate::eval::{Results, Summary};

/// From this width on, a rate and its interval stand on one line.
const WIDE: usize = 104;

/// The table of one run, what failed, and what the gate says.
pub fn eval_table(run: &EvalRun<'_>, room: Room, verbose: bool) -> String {
    let times = if run.repeats > 1 { format!(", {} times each", run.repeats) } else { String::new() };
    let cut = if run.is_whole { "" } else { " · incomplete" };
    let cases = counted(run.cases.len(), "case");
    let line = |words: &str| hanging(words, room.line);
    let mut out = line(&format!("{} · {cases}{times}{cut} · run {}", run.set.name, run.id));
    out.push_str(&figures(run, room));
    for (summary, results) in run.summaries.iter().zip(run.results) {
        for words in notes(summary, results) {
            out.push_str(&line(&format!("{}: {words}", summary.subject)));
        }
    }
    for (summary, results) in run.subjects() {
        out.push_str(&failures(&ShownCases::of(run, summary), summary, results, room, verbose));
    }
    if is_simulated(run) {
        out.push_str(&line(SIMULATED));
    }
    out.push_str(&comparison_words(run.comparisons, room, verbose));
    out.push_str(&line(&gate_words(run)));
    out
}

/// The figures of all subjects: in the widest table that there is room for, or in lines.
fn figures(run: &EvalRun<'_>, room: Room) -> String {
    for width in [room.table, room.table.min(NARROW - 1)] {
        let header: &[&str] = match width {
            ..NARROW => &["subject", "passed, rate\n[95 %]", "score", "cost", "p50", "p95"],
            NARROW..WIDE => {
                &["subject", "passed", "pass rate\n[95 % interval]", "score", "cost", "p50", "p95"]
            }
            _ => &["subject", "passed", "pass rate [95 % interval]", "score", "cost", "p50", "p95"],
        };
        let rows: Vec<Vec<String>> = run.summaries.iter().map(|summary| row(summary, width)).collect();
        if natural(header, &rows) <= room.table {
            let mut table = table(width, header, &[1, 2, 3, 4, 5, 6]);
            table.add_rows(rows);
            return format!("{table}\n");
        }
    }
    run.summaries.iter().map(|summary| hanging(&in_line(summary), room.line)).collect()
}

/// A subject's row as a line.
fn in_line(summary: &Summary) -> String {
    let [name, passed, rate, score, cost, p50, p95] = row(summary, WIDE).try_into().unwrap_or_default();
    format!("{name}: {passed} passed, {rate}; score {score}; {cost}; p50 {p50}, p95 {p95}")
}

/// What there is to say of a subject beside its figures.
fn notes(summary: &Summary, results: &Results) -> Vec<String> {
    let mut notes: Vec<String> = served(summary, results).into_iter().collect();
    if summary.cached > 0 {
        let (answers, cost) = (counted(summary.cached, "answer"), money(summary.cached_cost));
        notes.push(format!("{answers} from before, which would cost {cost}; --refresh asks anew"));
    }
    notes.extend(judge_words(summary));
    if summary.failovers > 0 {
        notes.push(format!("{} on the way", counted(summary.failovers, "failover")));
    }
    notes.extend(repair_words(summary));
    if summary.unscored > 0 {
        notes.push(format!("{} unscored, which counts in no figure", counted(summary.unscored, "case")));
    }
    notes
}

fn row(summary: &Summary, width: usize) -> Vec<String> {
    let mark = match (summary.simulated, width < NARROW) {
        (false, _) => "",
        (true, false) => " (sim)",
        (true, true) => "\n(sim)",
    };
    let three = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let milliseconds =
        |at: usize| summary.latency_ms.map_or_else(|| "–".to_owned(), |l| format!("{:.0} ms", l[at]));
    let passed = format!("{}/{}", summary.passed, summary.passed + summary.failed);
    let gap = if width < WIDE { "\n" } else { " " };
    let interval =
        summary.interval.map(|(low, high)| format!("{gap}[{low:.3}, {high:.3}]")).unwrap_or_default();
    let rate = three(summary.pass_rate);
    let mut cells = vec![format!("{}{mark}", summary.subject)];
    if width < NARROW {
        cells.push(format!("{passed}  {rate}{interval}"));
    } else {
        cells.extend([passed, format!("{rate}{interval}")]);
    }
    cells.extend([three(summary.mean_score), money(summary.cost), milliseconds(0), milliseconds(1)]);
    cells
}

/// Who gave a route's answers.
fn served(summary: &Summary, results: &Results) -> Option<String> {
    let counts = results.served();
    let words: Vec<String> = counts.iter().map(|(model, count)| format!("{count} from {model}")).collect();
    (summary.subject.starts_with("route:") && !words.is_empty()).then(|| words.join(", "))
}

fn gate_words(run: &EvalRun<'_>) -> String {
    if run.gate.passed() {
        let unclear = run.comparisons.iter().filter(|comparison| comparison.is_unclear());
        let names: Vec<&str> = unclear.map(|comparison| comparison.challenger.as_str()).collect();
        return match names.as_slice() {
            [] => "gate: passed\n".to_owned(),
            names => format!("gate: passed; neither better nor worse for certain: {}\n", names.join(", ")),
        };
    }
    run.gate.words().fold(String::new(), |out, reason| out + "gate: FAILED: " + reason + "\n")
}
