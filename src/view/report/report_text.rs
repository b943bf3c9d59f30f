//! Text that all reports share.

use super::EvalRun;
use crate::catalog::CostSource;
use crate::eval::SubjectSummary;
use crate::view::format::{format_cost, pluralize};

/// Three decimals, or a dash without a value.
pub(super) fn format_three_decimals(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// `0.969 [0.893, 0.991]`.
pub(super) fn format_pass_rate(summary: &SubjectSummary) -> String {
    let interval =
        summary.pass_rate_interval.map(|(low, high)| format!(" [{low:.3}, {high:.3}]")).unwrap_or_default();
    format_three_decimals(summary.pass_rate) + &interval
}

/// `212 ms`; `at` selects p50, p95, or p99.
pub(super) fn format_percentile(summary: &SubjectSummary, at: usize) -> String {
    let figure = summary.latency_ms.and_then(|all| all.get(at).copied());
    figure.map_or_else(|| "–".to_owned(), |milliseconds| format!("{milliseconds:.0} ms"))
}

/// How many failures pass once the format of the answer is repaired. They are format problems, not
/// regressions.
pub(in crate::view) fn describe_repairs(summary: &SubjectSummary) -> Option<String> {
    let repaired: u64 = summary.repair_counts.iter().map(|(_, count)| count).sum();
    let (first, _) = summary.repair_counts.first()?;
    let how = match (summary.repair_counts.as_slice(), first.single()) {
        ([_], Some(repair)) => format!("once {}", repair.describe()),
        (all, _) => {
            let each: Vec<String> = all.iter().map(|(repairs, count)| format!("{count} {repairs}")).collect();
            format!("once repaired ({})", each.join(", "))
        }
    };
    let (rate, raw) =
        (format_three_decimals(summary.repaired_pass_rate), format_three_decimals(summary.pass_rate));
    let pass = if repaired == 1 { "passes" } else { "pass" };
    let failures = pluralize(summary.failed, "failure");
    Some(format!(
        "{repaired} of {failures} {pass} {how}: a format problem, not a regression; pass rate after repair {rate} (the gate uses {raw})"
    ))
}

/// Cost and agreement of the judges, and whether they are from the subject's family.
pub(in crate::view) fn describe_grading(summary: &SubjectSummary) -> Vec<String> {
    let judging = &summary.grader_usage;
    let mut notes = Vec::new();
    if judging.calls > 0 {
        let mark = if judging.cost.source == CostSource::Simulated { " (sim)" } else { "" };
        let calls = pluralize(judging.calls, "call");
        let agree = judging.agreement().map(|share| format!("; {:.0}% of votes agree", share * 100.0));
        let (cost, agree) = (format_cost(judging.cost), agree.unwrap_or_default());
        notes.push(format!("judging: {calls}, {cost}{mark}, not included in its cost{agree}"));
    }
    if !summary.same_family_judges.is_empty() {
        let judges = summary.same_family_judges.join(", ");
        notes.push(format!("judged by its own model family ({judges}), which may favor it"));
    }
    notes
}

/// Whether a subject or a judge was simulated.
pub(in crate::view) fn is_simulated(run: &EvalRun<'_>) -> bool {
    let judged = |summary: &SubjectSummary| summary.grader_usage.cost.source == CostSource::Simulated;
    run.summaries.iter().any(|summary| summary.is_simulated || judged(summary))
}

pub(super) fn describe_run(run: &EvalRun<'_>) -> String {
    let repeats = if run.repeats > 1 { format!(", {} times each", run.repeats) } else { String::new() };
    let incomplete = if run.is_complete { "" } else { ", incomplete" };
    format!(
        "{}{repeats}{incomplete} · run {} · {}",
        pluralize(run.cases.len(), "case"),
        run.id,
        run.set.digest
    )
}

pub(in crate::view) const SIMULATED_NOTE: &str =
    "(sim): answers, prices, and latencies come from slalom's simulator, not from a model";

/// Joins a text into one line of at most `max_chars` characters.
pub(in crate::view) fn shorten(text: &str, max_chars: usize) -> String {
    let mut words = text.split_whitespace();
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        if line.len() > max_chars * 4 {
            break;
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.chars().nth(max_chars).is_none() {
        return line;
    }
    line.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Repair, RepairSet};

    #[test]
    fn shorten_cases() {
        assert_eq!(shorten("a\n b\t c", 5), "a b c");
        assert_eq!(shorten("äöü äöü", 5), "äöü …");
        assert_eq!(shorten("", 5), "");
        assert_eq!(shorten(&"x".repeat(10_000), 3), "xx…");
        assert_eq!(shorten(&"x ".repeat(10_000), 4), "x x…");
    }

    #[test]
    fn describe_repairs_cases() {
        let base = SubjectSummary::summarize("m", false, None, &[], None);
        assert_eq!(describe_repairs(&base), None);
        let one = SubjectSummary {
            failed: 13,
            pass_rate: Some(0.82),
            repaired_pass_rate: Some(0.93),
            repair_counts: vec![(Repair::StripFences.into(), 11)],
            ..base
        };
        assert_eq!(
            describe_repairs(&one).as_deref(),
            Some(
                "11 of 13 failures pass once code fences are stripped: a format problem, not a regression; pass rate after repair 0.930 (the gate uses 0.820)"
            )
        );
        let both = RepairSet::from(Repair::CutPreamble).union(Repair::StripFences.into());
        let two = SubjectSummary { repair_counts: vec![(both, 2), (Repair::Fold.into(), 1)], ..one };
        let text = describe_repairs(&two).unwrap_or_default();
        assert!(
            text.starts_with("3 of 13 failures pass once repaired (2 cut-preamble+strip-fences, 1 fold): "),
            "{text}"
        );
    }
}
