//! The scores of an eval.

use comfy_table::{ColumnConstraint, Width};

use super::EvalRun;
use super::comparison::comparison_words;
use super::eval_cases::failures;
use super::format::{counted, money};
use super::report::{Cases, is_simulated, judge_words, repair_words};
use super::table::{NARROW, table};
use crate::eval::{Results, Summary};

/// From this width on, a rate and its interval stand on one line.
const WIDE: usize = 104;

/// The table of one run, what failed, and what the gate says.
pub fn eval_table(run: &EvalRun<'_>, width: usize, verbose: bool) -> String {
    let header: &[&str] = match width {
        ..NARROW => &["subject", "passed, rate\n[95 %]", "score", "cost", "p50", "p95"],
        NARROW..WIDE => &["subject", "passed", "pass rate\n[95 % interval]", "score", "cost", "p50", "p95"],
        _ => &["subject", "passed", "pass rate [95 % interval]", "score", "cost", "p50", "p95"],
    };
    let mut table = table(width, header, &[1, 2, 3, 4, 5, 6]);
    for summary in run.summaries {
        table.add_row(row(summary, width));
    }
    // A name broken in the middle is no name; the figures can stand on two lines instead.
    let named =
        |summary: &Summary| row(summary, width)[0].lines().map(|l| l.chars().count()).max().unwrap_or(0);
    let longest = run.summaries.iter().map(named).max().unwrap_or(0).min(34) + 2;
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(
            u16::try_from(longest).unwrap_or(30),
        )));
    }
    let times = if run.repeats > 1 { format!(", {} times each", run.repeats) } else { String::new() };
    let cut = if run.is_whole { "" } else { " · incomplete" };
    let mut out = format!("{} · {}{times}{cut}\n{table}\n", run.set.name, counted(run.cases.len(), "case"));
    for (summary, results) in run.summaries.iter().zip(run.results) {
        out.push_str(&served(summary, results));
        if summary.cached > 0 {
            out.push_str(&format!(
                "{}: {} from before, which would cost {}; --refresh asks anew\n",
                summary.subject,
                counted(summary.cached, "answer"),
                money(summary.cached_cost)
            ));
        }
        for words in judge_words(summary) {
            out.push_str(&format!("{}: {words}\n", summary.subject));
        }
        if summary.failovers > 0 {
            out.push_str(&format!(
                "{}: {} on the way\n",
                summary.subject,
                counted(summary.failovers, "failover")
            ));
        }
        if let Some(words) = repair_words(summary) {
            out.push_str(&format!("{}: {words}\n", summary.subject));
        }
        if summary.unscored > 0 {
            out.push_str(&format!(
                "{}: {} unscored, which counts in no figure\n",
                summary.subject,
                counted(summary.unscored, "case")
            ));
        }
    }
    for (summary, results) in run.subjects() {
        out.push_str(&failures(&Cases::of(run, summary), summary, results, width, verbose));
    }
    if is_simulated(run) {
        out.push_str("(sim): answers, prices and latencies come from slalom's simulator, not from a model\n");
    }
    out.push_str(&comparison_words(run.comparisons, width, verbose));
    out.push_str(&gate_words(run));
    out
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
fn served(summary: &Summary, results: &Results) -> String {
    if !summary.subject.starts_with("route:") {
        return String::new();
    }
    let counts = results.served();
    let words: Vec<String> = counts.iter().map(|(model, count)| format!("{count} from {model}")).collect();
    if words.is_empty() { String::new() } else { format!("{}: {}\n", summary.subject, words.join(", ")) }
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
