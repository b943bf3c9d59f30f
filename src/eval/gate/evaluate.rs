//! Applies a gate to the results of a run.

use super::Gate;
use crate::catalog::Cost;
use crate::chat::pluralize;
use crate::eval::statistics::ComparisonVerdict;
use crate::eval::{BaselineComparison, BaselineOrigin, SubjectSummary};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GateReport {
    /// Reasons to fail.
    pub reasons: Vec<String>,
    /// Reasons why too few cases were scored to decide.
    pub inconclusive: Vec<String>,
}

impl GateReport {
    pub(crate) fn is_passed(&self) -> bool {
        self.reasons.is_empty() && self.inconclusive.is_empty()
    }

    /// All reasons not to pass, inconclusive ones first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &str> {
        self.inconclusive.iter().chain(&self.reasons).map(String::as_str)
    }
}

/// Checks unscored cases of every subject, minimums and limits of every subject except the baseline, and then
/// each challenger against the baseline. For a subject without a minimum and without a comparison, any failed
/// case fails the run.
pub(crate) fn evaluate_gate(
    gate: &Gate,
    summaries: &[SubjectSummary],
    baseline: Option<&str>,
    comparisons: &[BaselineComparison],
) -> GateReport {
    let mut report = GateReport::default();
    let is_challenger = |subject: &str| comparisons.iter().any(|comparison| comparison.challenger == subject);
    for summary in summaries {
        // A baseline that could not be scored cannot be compared with, so it is checked too.
        report.inconclusive.extend(check_unscored(gate, summary));
        // A subject that is its own baseline is checked like any other.
        if baseline == Some(summary.subject.as_str()) && !is_challenger(&summary.subject) {
            continue;
        }
        report.reasons.extend(check_floors(gate, summary));
        // A comparison with a baseline or a history replaces the minimum.
        if !gate.has_floor() && !is_challenger(&summary.subject) && summary.failed > 0 {
            let cases = summary.passed + summary.failed + summary.unscored;
            let failed = match cases {
                1 => "the only case".to_owned(),
                _ => format!("{} of {cases} cases", summary.failed),
            };
            report.reasons.push(format!(
                "{}: {failed} failed (no minimum is set, so every case must pass)",
                summary.subject
            ));
        }
    }
    for comparison in comparisons {
        check_comparison(gate, comparison, &mut report);
    }
    report
}

fn check_unscored(gate: &Gate, summary: &SubjectSummary) -> Option<String> {
    let cases = summary.passed + summary.failed + summary.unscored;
    let (name, allowed) = (&summary.subject, gate.max_unscored_cases(cases));
    if summary.passed + summary.failed == 0 {
        return Some(match cases {
            1 => format!("{name}: the only case could not be scored"),
            _ => format!("{name}: none of the {cases} cases could be scored"),
        });
    }
    (summary.unscored > allowed).then(|| {
        format!("{name}: {} of {} unscored, {allowed} allowed", summary.unscored, pluralize(cases, "case"))
    })
}

/// The minimums and limits that a subject violates.
fn check_floors(gate: &Gate, summary: &SubjectSummary) -> Vec<String> {
    let name = &summary.subject;
    let lower_end = |interval: Option<(f64, f64)>| interval.filter(|_| gate.strict).map(|(low, _)| low);
    let check_minimum = |what: &str, value: Option<f64>, low: Option<f64>, minimum: Option<f64>| {
        let (value, minimum) = value.zip(minimum)?;
        // Minimums are decimal; a rate that equals one as a fraction must not fail due to rounding. NaN never
        // passes.
        let misses = |value: f64| value.is_nan() || value < minimum - 1e-12;
        if misses(value) {
            return Some(format!("{name}: {what} {value:.3} is below the minimum of {minimum}"));
        }
        let low = low.filter(|low| misses(*low))?;
        Some(format!(
            "{name}: {what} {value:.3} may be as low as {low:.3}, below the minimum of {minimum} (strict)"
        ))
    };
    let spent = Cost::sum([summary.cost, summary.cached_cost]).usd();
    let check_limit = |what: &str, unit: &str, value: Option<f64>, limit: Option<f64>| match (value, limit?) {
        // `check_unscored` already reports that.
        (None, _) if summary.passed + summary.failed == 0 => None,
        (None, limit) => Some(format!(
            "{name}: {what} is unknown, so the limit of {} cannot be checked",
            format_limit(unit, limit)
        )),
        (Some(value), limit) if value > limit * (1.0 + 1e-12) => Some(format!(
            "{name}: {what} {} exceeds the limit of {}",
            format_limit(unit, value),
            format_limit(unit, limit)
        )),
        _ => None,
    };
    let [p50, p95] = [0, 1].map(|index| summary.latency_ms.map(|latency| latency[index]));
    [
        check_minimum(
            "pass rate",
            summary.pass_rate,
            lower_end(summary.pass_rate_interval),
            gate.min_pass_rate,
        ),
        check_minimum("mean score", summary.mean_score, lower_end(summary.score_interval), gate.min_score),
        check_limit("cost", "$", spent, gate.max_cost_usd),
        check_limit("p50", "ms", p50, gate.max_p50_ms),
        check_limit("p95", "ms", p95, gate.max_p95_ms),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn format_limit(unit: &str, value: f64) -> String {
    match unit {
        "$" => format!("${value}"),
        unit => format!("{} {unit}", (value * 10.0).round() / 10.0),
    }
}

/// Fails a challenger that is worse than the baseline, else one whose observed drop exceeds the limit, else,
/// with `strict`, one whose drop cannot be ruled out.
fn check_comparison(gate: &Gate, comparison: &BaselineComparison, report: &mut GateReport) {
    let (name, baseline) = (&comparison.challenger, &comparison.baseline);
    let found = match &comparison.result {
        Ok(found) => found,
        Err(error) => {
            report.inconclusive.push(format!("{name} vs. {baseline}: {error}"));
            return;
        }
    };
    let pairs = (found.pairs + found.left_out) as u64;
    let allowed = gate.max_unscored_cases(pairs);
    if found.left_out as u64 > allowed {
        report.inconclusive.push(format!(
            "{name} vs. {baseline}: {} of {} not scored on both sides, {allowed} allowed",
            found.left_out,
            pluralize(pairs, "case")
        ));
    }
    let what = comparison.metric.name();
    let (low, high) = found.interval;
    let drop = -found.difference;
    let is_history = matches!(comparison.origin, BaselineOrigin::History(_));
    // `max_drop` applies to a change of models, not to the drift of one model.
    let max_drop = gate.max_drop.filter(|_| !is_history);
    if found.verdict == ComparisonVerdict::Worse {
        let (intro, baseline_note) = match is_history {
            true => (format!("{name} has drifted"), " in earlier runs"),
            false => (format!("{name} is worse than {baseline}"), ""),
        };
        report.reasons.push(format!(
            "{intro}: {what} {:.3} vs. {:.3}{baseline_note}, difference {:+.3} [{low:+.3}, {high:+.3}]",
            found.challenger, found.baseline, found.difference
        ));
    } else if let Some(allowed) = max_drop.filter(|allowed| drop > allowed + 1e-12) {
        report.reasons.push(format!(
            "{name}: {what} {:.3} is {drop:.3} below {baseline}'s {:.3}, which exceeds the allowed drop of {allowed}",
            found.challenger, found.baseline
        ));
    } else if let Some(allowed) = max_drop.filter(|allowed| {
        // A self-comparison has no drop.
        gate.strict && !comparison.is_self_comparison() && found.largest_drop > allowed + 1e-12
    }) {
        report.reasons.push(format!(
            "{name}: a drop of up to {:.3} vs. {baseline} cannot be ruled out, but only {allowed} is allowed (strict); the smallest `max_drop` that this set can pass is {:.3}",
            found.largest_drop, found.clearable_margin
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::CountOrShare;

    fn summary(passed: u64, failed: u64, unscored: u64) -> SubjectSummary {
        let base = SubjectSummary::summarize("m", false, None, &[], None);
        let pass_rate = (passed + failed > 0).then(|| passed as f64 / (passed + failed) as f64);
        SubjectSummary { passed, failed, unscored, pass_rate, mean_score: pass_rate, ..base }
    }

    fn evaluate(gate: &Gate, summary: SubjectSummary) -> GateReport {
        evaluate_gate(gate, &[summary], None, &[])
    }

    #[test]
    fn floor_and_unscored_limit_cases() {
        let gate = Gate { min_pass_rate: Some(0.6), ..Gate::default() };
        assert!(evaluate(&gate, summary(6, 4, 0)).is_passed());
        assert_eq!(evaluate(&gate, summary(5, 5, 0)).reasons.len(), 1);
        assert_eq!(evaluate(&gate, summary(10, 0, 1)).inconclusive.len(), 1);
        let lenient = Gate { max_unscored: Some(CountOrShare::Share(0.1)), ..gate };
        assert!(evaluate(&lenient, summary(9, 0, 1)).is_passed());
        assert_eq!(
            evaluate(&lenient, summary(0, 0, 10)).inconclusive.len(),
            1,
            "a run with nothing scored must not pass"
        );
        assert!(!evaluate(&Gate::default(), summary(9, 1, 0)).is_passed());
        assert!(evaluate(&Gate::default(), summary(9, 0, 0)).is_passed());
    }

    #[test]
    fn unknown_cost_or_latency_fails_limit() {
        let gate = Gate { max_cost_usd: Some(1.0), max_p50_ms: Some(100.0), ..Gate::default() };
        let unknown =
            SubjectSummary { cost: Cost::UNKNOWN, latency_ms: Some([99.0, 1.0, 1.0]), ..summary(1, 0, 0) };
        let reasons = evaluate(&gate, unknown).reasons;
        assert_eq!(reasons, ["m: cost is unknown, so the limit of $1 cannot be checked"]);
        let untimed = SubjectSummary { latency_ms: None, ..summary(1, 0, 0) };
        assert_eq!(
            evaluate(&gate, untimed).reasons,
            ["m: p50 is unknown, so the limit of 100 ms cannot be checked"]
        );
    }
}
