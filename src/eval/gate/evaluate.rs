//! Applies a gate to the results of a run.

use super::Gate;
use super::report::{ComparedFigures, GateReport, GateViolation, InconclusiveReason, LimitedFigure};
use crate::catalog::Cost;
use crate::eval::statistics::{ComparisonMetric, ComparisonVerdict};
use crate::eval::{BaselineComparison, BaselineOrigin, SubjectSummary};

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
        report.violations.extend(check_floors(gate, summary));
        // A comparison with a baseline or a history replaces the minimum.
        if !gate.has_floor() && !is_challenger(&summary.subject) && summary.failed > 0 {
            report.violations.push(GateViolation::CasesFailed {
                subject: summary.subject.clone(),
                failed: summary.failed,
                cases: summary.passed + summary.failed + summary.unscored,
            });
        }
    }
    for comparison in comparisons {
        check_comparison(gate, comparison, &mut report);
    }
    report
}

fn check_unscored(gate: &Gate, summary: &SubjectSummary) -> Option<InconclusiveReason> {
    let cases = summary.passed + summary.failed + summary.unscored;
    let (subject, allowed) = (summary.subject.clone(), gate.max_unscored_cases(cases));
    if summary.passed + summary.failed == 0 {
        return Some(InconclusiveReason::NothingScored { subject, cases });
    }
    let unscored = summary.unscored;
    (unscored > allowed).then_some(InconclusiveReason::TooManyUnscored { subject, unscored, cases, allowed })
}

/// The minimums and limits that a subject violates.
fn check_floors(gate: &Gate, summary: &SubjectSummary) -> Vec<GateViolation> {
    let subject = || summary.subject.clone();
    let lower_end = |interval: Option<(f64, f64)>| interval.filter(|_| gate.strict).map(|(low, _)| low);
    let check_minimum = |metric, value: Option<f64>, low: Option<f64>, minimum: Option<f64>| {
        let (value, minimum) = value.zip(minimum)?;
        // Minimums are decimal; a rate that equals one as a fraction must not fail due to rounding. NaN never
        // passes.
        let misses = |value: f64| value.is_nan() || value < minimum - 1e-12;
        if misses(value) {
            return Some(GateViolation::BelowMinimum { subject: subject(), metric, value, minimum });
        }
        let low = low.filter(|low| misses(*low))?;
        Some(GateViolation::PossiblyBelowMinimum { subject: subject(), metric, value, low, minimum })
    };
    let spent = Cost::sum([summary.cost, summary.cached_cost]).usd();
    let check_limit = |figure, value: Option<f64>, limit: Option<f64>| match (value, limit?) {
        // `check_unscored` already reports that.
        (None, _) if summary.passed + summary.failed == 0 => None,
        (None, limit) => Some(GateViolation::FigureUnknown { subject: subject(), figure, limit }),
        (Some(value), limit) if value > limit * (1.0 + 1e-12) => {
            Some(GateViolation::LimitExceeded { subject: subject(), figure, value, limit })
        }
        _ => None,
    };
    let [p50, p95] = [0, 1].map(|index| summary.latency_ms.map(|latency| latency[index]));
    [
        check_minimum(
            ComparisonMetric::PassRate,
            summary.pass_rate,
            lower_end(summary.pass_rate_interval),
            gate.min_pass_rate,
        ),
        check_minimum(
            ComparisonMetric::Score,
            summary.mean_score,
            lower_end(summary.score_interval),
            gate.min_score,
        ),
        check_limit(LimitedFigure::Cost, spent, gate.max_cost_usd),
        check_limit(LimitedFigure::P50, p50, gate.max_p50_ms),
        check_limit(LimitedFigure::P95, p95, gate.max_p95_ms),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Fails a challenger that is worse than the baseline, else one whose observed drop exceeds the limit, else,
/// with `strict`, one whose drop cannot be ruled out.
fn check_comparison(gate: &Gate, comparison: &BaselineComparison, report: &mut GateReport) {
    let names = || (comparison.challenger.clone(), comparison.baseline.clone());
    let found = match &comparison.result {
        Ok(found) => found,
        Err(error) => {
            let ((challenger, baseline), error) = (names(), error.clone());
            report.inconclusive.push(InconclusiveReason::NotComparable { challenger, baseline, error });
            return;
        }
    };
    let (cases, left_out) = ((found.pairs + found.left_out) as u64, found.left_out as u64);
    let allowed = gate.max_unscored_cases(cases);
    if left_out > allowed {
        let (challenger, baseline) = names();
        report.inconclusive.push(InconclusiveReason::TooManyUnpaired {
            challenger,
            baseline,
            left_out,
            cases,
            allowed,
        });
    }
    let figures = ComparedFigures {
        metric: comparison.metric,
        challenger: found.challenger,
        baseline: found.baseline,
        difference: found.difference,
        interval: found.interval,
    };
    let drop = -found.difference;
    let is_history = matches!(comparison.origin, BaselineOrigin::History(_));
    // `max_drop` applies to a change of models, not to the drift of one model.
    let max_drop = gate.max_drop.filter(|_| !is_history);
    let (challenger, baseline) = names();
    if found.verdict == ComparisonVerdict::Worse {
        report.violations.push(match is_history {
            true => GateViolation::Drifted { subject: challenger, figures },
            false => GateViolation::Worse { challenger, baseline, figures },
        });
    } else if let Some(allowed) = max_drop.filter(|allowed| drop > allowed + 1e-12) {
        report.violations.push(GateViolation::DropExceeded { challenger, baseline, figures, allowed });
    } else if let Some(allowed) = max_drop.filter(|allowed| {
        // A self-comparison has no drop.
        gate.strict && !comparison.is_self_comparison() && found.largest_drop > allowed + 1e-12
    }) {
        report.violations.push(GateViolation::DropPossible {
            challenger,
            baseline,
            largest_drop: found.largest_drop,
            clearable_margin: found.clearable_margin,
            allowed,
        });
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
        assert_eq!(evaluate(&gate, summary(5, 5, 0)).violations.len(), 1);
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
        let unknown_figure =
            |figure, limit| GateViolation::FigureUnknown { subject: "m".into(), figure, limit };
        assert_eq!(evaluate(&gate, unknown).violations, [unknown_figure(LimitedFigure::Cost, 1.0)]);
        let untimed = SubjectSummary { latency_ms: None, ..summary(1, 0, 0) };
        assert_eq!(evaluate(&gate, untimed).violations, [unknown_figure(LimitedFigure::P50, 100.0)]);
    }
}
