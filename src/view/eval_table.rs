//! The console output of an eval.

use super::baseline_comparison::comparison_section;
use super::failing_cases::failing_cases_section;
use super::format::{format_cost, pluralize, wrap_with_indent};
use super::gate_reasons::gate_messages;
use super::report::{ReportCases, SIMULATED_NOTE, describe_grading, describe_repairs, is_simulated};
use super::table::{BORDERLESS_WIDTH, new_table, unwrapped_width};
use super::{ConsoleWidths, EvalRun};
use crate::eval::{SubjectResults, SubjectSummary};

/// From this width on, a rate and its interval share one line.
const ONE_LINE_INTERVAL_WIDTH: usize = 104;

/// The table of a run, its failing cases, comparisons, and the gate.
pub(crate) fn eval_table(run: &EvalRun<'_>, widths: ConsoleWidths, verbose: bool) -> String {
    let repeats = if run.repeats > 1 { format!(", {} times each", run.repeats) } else { String::new() };
    let incomplete = if run.is_complete { "" } else { " · incomplete" };
    let cases = pluralize(run.cases.len(), "case");
    let line = |text: &str| wrap_with_indent(text, widths.line);
    let mut out = line(&format!("{} · {cases}{repeats}{incomplete} · run {}", run.set.name, run.id));
    out.push_str(&subject_table(run, widths));
    for (summary, results) in run.summaries.iter().zip(run.results) {
        for text in subject_notes(summary, results) {
            out.push_str(&line(&format!("{}: {text}", summary.subject)));
        }
    }
    for (summary, results) in run.subjects() {
        out.push_str(&failing_cases_section(
            &ReportCases::for_subject(run, summary),
            summary,
            results,
            widths,
            verbose,
        ));
    }
    if is_simulated(run) {
        out.push_str(&line(SIMULATED_NOTE));
    }
    out.push_str(&comparison_section(run.comparisons, widths, verbose));
    out.push_str(&line(&describe_gate(run)));
    out
}

/// The figures of all subjects, in the widest table that fits, else as lines.
fn subject_table(run: &EvalRun<'_>, widths: ConsoleWidths) -> String {
    for width in [widths.table, widths.table.min(BORDERLESS_WIDTH - 1)] {
        let header: &[&str] = match width {
            ..BORDERLESS_WIDTH => &["subject", "passed, rate\n[95% CI]", "score", "cost", "p50", "p95"],
            BORDERLESS_WIDTH..ONE_LINE_INTERVAL_WIDTH => {
                &["subject", "passed", "pass rate\n[95% CI]", "score", "cost", "p50", "p95"]
            }
            _ => &["subject", "passed", "pass rate [95% CI]", "score", "cost", "p50", "p95"],
        };
        let rows: Vec<Vec<String>> =
            run.summaries.iter().map(|summary| subject_row(summary, width)).collect();
        if unwrapped_width(header, &rows) <= widths.table {
            let mut table = new_table(width, header, &[1, 2, 3, 4, 5, 6]);
            table.add_rows(rows);
            return format!("{table}\n");
        }
    }
    run.summaries.iter().map(|summary| wrap_with_indent(&subject_line(summary), widths.line)).collect()
}

fn subject_line(summary: &SubjectSummary) -> String {
    let [name, passed, rate, score, cost, p50, p95] = subject_cells(summary, ONE_LINE_INTERVAL_WIDTH);
    format!("{name}: {passed} passed, {rate}; score {score}; {cost}; p50 {p50}, p95 {p95}")
}

/// Notes on a subject below the table.
fn subject_notes(summary: &SubjectSummary, results: &SubjectResults) -> Vec<String> {
    let mut notes: Vec<String> = describe_served_by(summary, results).into_iter().collect();
    if summary.cached_count > 0 {
        let (answers, cost) = (pluralize(summary.cached_count, "answer"), format_cost(summary.cached_cost));
        notes.push(format!("{answers} from the cache (would cost {cost}); --refresh reruns them"));
    }
    notes.extend(describe_grading(summary));
    if summary.failovers > 0 {
        notes.push(format!("{} during the run", pluralize(summary.failovers, "failover")));
    }
    notes.extend(describe_repairs(summary));
    if summary.unscored > 0 {
        notes.push(format!(
            "{} unscored, not counted in rates, scores, or latencies",
            pluralize(summary.unscored, "case")
        ));
    }
    notes
}

/// In a narrow table, one cell has both the number passed and the pass rate.
fn subject_row(summary: &SubjectSummary, width: usize) -> Vec<String> {
    let [name, passed, rate, figures @ ..] = subject_cells(summary, width);
    let passed = match width {
        ..BORDERLESS_WIDTH => vec![format!("{passed}  {rate}")],
        _ => vec![passed, rate],
    };
    [name].into_iter().chain(passed).chain(figures).collect()
}

/// Name, passed, pass rate with its interval, score, cost, p50, and p95.
fn subject_cells(summary: &SubjectSummary, width: usize) -> [String; 7] {
    let mark = match (summary.is_simulated, width < BORDERLESS_WIDTH) {
        (false, _) => "",
        (true, false) => " (sim)",
        (true, true) => "\n(sim)",
    };
    let three_decimals =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let milliseconds =
        |at: usize| summary.latency_ms.map_or_else(|| "–".to_owned(), |l| format!("{:.0} ms", l[at]));
    let passed = format!("{}/{}", summary.passed, summary.passed + summary.failed);
    let gap = if width < ONE_LINE_INTERVAL_WIDTH { "\n" } else { " " };
    let interval = summary
        .pass_rate_interval
        .map(|(low, high)| format!("{gap}[{low:.3}, {high:.3}]"))
        .unwrap_or_default();
    let rate = three_decimals(summary.pass_rate);
    [
        format!("{}{mark}", summary.subject),
        passed,
        format!("{rate}{interval}"),
        three_decimals(summary.mean_score),
        format_cost(summary.cost),
        milliseconds(0),
        milliseconds(1),
    ]
}

/// How many of a route's answers each model gave.
fn describe_served_by(summary: &SubjectSummary, results: &SubjectResults) -> Option<String> {
    let counts = results.count_by_model();
    let parts: Vec<String> = counts.iter().map(|(model, count)| format!("{count} from {model}")).collect();
    (summary.subject.starts_with("route:") && !parts.is_empty()).then(|| parts.join(", "))
}

fn describe_gate(run: &EvalRun<'_>) -> String {
    if run.gate.is_passed() {
        let unclear = run.comparisons.iter().filter(|comparison| comparison.is_unclear());
        let names: Vec<&str> = unclear.map(|comparison| comparison.challenger.as_str()).collect();
        return match names.as_slice() {
            [] => "gate: passed\n".to_owned(),
            names => format!(
                "gate: passed; unclear for {}: no significant difference (add cases, or raise --repeat)\n",
                names.join(", ")
            ),
        };
    }
    gate_messages(run.gate).fold(String::new(), |out, reason| out + "gate: FAILED: " + &reason + "\n")
}
