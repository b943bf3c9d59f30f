//! What a gate says of a run.

use super::Gate;
use crate::catalog::Cost;
use crate::chat::pluralize;
use crate::eval::statistics::ComparisonVerdict;
use crate::eval::{BaselineComparison, BaselineOrigin, SubjectSummary};

/// What the gate says of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GateReport {
    /// Why it fails; empty when it passes.
    pub reasons: Vec<String>,
    /// What was measured too badly for any judgement to be sound: too many cases that could not be scored.
    pub inconclusive: Vec<String>,
}

impl GateReport {
    /// Whether every subject passes.
    pub fn is_passed(&self) -> bool {
        self.reasons.is_empty() && self.inconclusive.is_empty()
    }

    /// Why it does not pass, the gravest first.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.inconclusive.iter().chain(&self.reasons).map(String::as_str)
    }
}

/// Judges every subject by the floors, except for the baseline, which is measured and no more; then how each of the others
/// stands to it. Where there is no floor, and nothing to compare a subject with, any failed case fails the run.
pub fn evaluate_gate(
    gate: &Gate,
    summaries: &[SubjectSummary],
    baseline: Option<&str>,
    comparisons: &[BaselineComparison],
) -> GateReport {
    let mut report = GateReport::default();
    let is_challenger = |subject: &str| comparisons.iter().any(|comparison| comparison.challenger == subject);
    for summary in summaries {
        // A baseline that could not be measured is none.
        report.inconclusive.extend(check_unscored(gate, summary));
        // One that is its own baseline is judged as any other.
        if baseline == Some(summary.subject.as_str()) && !is_challenger(&summary.subject) {
            continue;
        }
        report.reasons.extend(check_floors(gate, summary));
        // A baseline or a history stands in for a floor, where there is one.
        if !gate.has_floor() && !is_challenger(&summary.subject) && summary.failed > 0 {
            let cases = summary.passed + summary.failed + summary.unscored;
            report.reasons.push(format!(
                "{}: {} of {} failed, and the set sets no floor",
                summary.subject,
                summary.failed,
                pluralize(cases, "case")
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
        return Some(format!("{name}: not one of {} could be scored", pluralize(cases, "case")));
    }
    (summary.unscored > allowed).then(|| {
        format!(
            "{name}: {} of {} could not be scored, {allowed} allowed",
            summary.unscored,
            pluralize(cases, "case")
        )
    })
}

/// The floors and limits that a subject does not hold.
fn check_floors(gate: &Gate, summary: &SubjectSummary) -> Vec<String> {
    let name = &summary.subject;
    let lowest = |interval: Option<(f64, f64)>| interval.filter(|_| gate.strict).map(|(low, _)| low);
    let floor = |what: &str, figure: Option<f64>, low: Option<f64>, floor: Option<f64>| {
        let (figure, floor) = figure.zip(floor)?;
        // Floors are written in decimals; a rate that equals one as a fraction must not fail by a rounding.
        // What is no number clears no floor.
        let misses = |value: f64| value.is_nan() || value < floor - 1e-12;
        if misses(figure) {
            return Some(format!("{name}: {what} {figure:.3} is under {floor}"));
        }
        let low = low.filter(|low| misses(*low))?;
        Some(format!("{name}: {what} {figure:.3} may be as low as {low:.3}, under {floor} (strict)"))
    };
    let spent = Cost::sum([summary.cost, summary.cached_cost]).usd();
    let most = |what: &str, unit: &str, figure: Option<f64>, most: Option<f64>| match (figure, most?) {
        // Where nothing was scored, that is said already.
        (None, _) if summary.passed + summary.failed == 0 => None,
        (None, most) => {
            Some(format!("{name}: {what} is unknown, and so cannot be held to {}", format_limit(unit, most)))
        }
        (Some(figure), most) if figure > most * (1.0 + 1e-12) => Some(format!(
            "{name}: {what} {} is over {}",
            format_limit(unit, figure),
            format_limit(unit, most)
        )),
        _ => None,
    };
    let [p50, p95] = [0, 1].map(|at| summary.latency_ms.map(|latency| latency[at]));
    [
        floor("pass rate", summary.pass_rate, lowest(summary.pass_rate_interval), gate.min_pass_rate),
        floor("mean score", summary.mean_score, lowest(summary.score_interval), gate.min_score),
        most("the cost", "$", spent, gate.max_cost_usd),
        most("p50", "ms", p50, gate.max_p50_ms),
        most("p95", "ms", p95, gate.max_p95_ms),
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

/// How a challenger stands to the baseline: worse fails, then an observed drop beyond what is allowed, then with `strict` one
/// that cannot be ruled out.
fn check_comparison(gate: &Gate, comparison: &BaselineComparison, report: &mut GateReport) {
    let (name, baseline) = (&comparison.challenger, &comparison.baseline);
    let found = match &comparison.result {
        Ok(found) => found,
        Err(error) => {
            report.inconclusive.push(format!("{name} against {baseline}: {error}"));
            return;
        }
    };
    let pairs = (found.pairs + found.left_out) as u64;
    let allowed = gate.max_unscored_cases(pairs);
    if found.left_out as u64 > allowed {
        report.inconclusive.push(format!(
            "{name} against {baseline}: {} of {} could not be scored with both, {allowed} allowed",
            found.left_out,
            pluralize(pairs, "case")
        ));
    }
    let what = comparison.metric.name();
    let (low, high) = found.interval;
    let drop = -found.difference;
    let is_history = matches!(comparison.origin, BaselineOrigin::History(_));
    // What a model may lose to another one says nothing of what it may lose overnight.
    let max_drop = gate.max_drop.filter(|_| !is_history);
    if found.verdict == ComparisonVerdict::Worse {
        let (lead, usual) = match is_history {
            true => (format!("{name} has drifted"), " as usual"),
            false => (format!("{name} is worse than {baseline}"), ""),
        };
        report.reasons.push(format!(
            "{lead}: {what} {:.3} against {:.3}{usual}, difference {:+.3} [{low:+.3}, {high:+.3}]",
            found.challenger, found.baseline, found.difference
        ));
    } else if let Some(allowed) = max_drop.filter(|allowed| drop > allowed + 1e-12) {
        report.reasons.push(format!(
            "{name}: {what} {:.3} is {drop:.3} under {baseline}'s {:.3}, and the drop may be {allowed} at most",
            found.challenger, found.baseline
        ));
    } else if let Some(allowed) = max_drop.filter(|allowed| {
        // What is compared with itself has not dropped.
        gate.strict && !comparison.is_self_comparison() && found.largest_drop > allowed + 1e-12
    }) {
        report.reasons.push(format!(
            "{name}: a drop of {:.3} against {baseline} cannot be ruled out, and {allowed} is allowed (strict); this set \
             rules out no less than {:.3}",
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
            "nothing scored is never green"
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
        assert_eq!(reasons, ["m: the cost is unknown, and so cannot be held to $1"]);
        let untimed = SubjectSummary { latency_ms: None, ..summary(1, 0, 0) };
        assert_eq!(evaluate(&gate, untimed).reasons, ["m: p50 is unknown, and so cannot be held to 100 ms"]);
    }
}
