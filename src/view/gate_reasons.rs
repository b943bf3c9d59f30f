//! Words for the reasons why a gate does not pass.

use super::format::pluralize;
use crate::eval::{ComparedFigures, GateReport, GateViolation, InconclusiveReason, LimitedFigure};

/// All reasons not to pass, in the order of [`GateReport::codes`].
pub(super) fn gate_messages(report: &GateReport) -> impl Iterator<Item = String> + use<'_> {
    let violations = report.violations.iter().map(describe_violation);
    report.inconclusive.iter().map(describe_inconclusive).chain(violations)
}

fn describe_violation(violation: &GateViolation) -> String {
    match violation {
        GateViolation::CasesFailed { subject, failed, cases } => {
            let failed = match cases {
                1 => "the only case".to_owned(),
                _ => format!("{failed} of {cases} cases"),
            };
            format!("{subject}: {failed} failed (no minimum is set, so every case must pass)")
        }
        GateViolation::BelowMinimum { subject, metric, value, minimum } => {
            format!("{subject}: {} {value:.3} is below the minimum of {minimum}", metric.name())
        }
        GateViolation::PossiblyBelowMinimum { subject, metric, value, low, minimum } => format!(
            "{subject}: {} {value:.3} may be as low as {low:.3}, below the minimum of {minimum} (strict)",
            metric.name()
        ),
        GateViolation::FigureUnknown { subject, figure, limit } => format!(
            "{subject}: {} is unknown, so the limit of {} cannot be checked",
            figure_name(*figure),
            format_figure(*figure, *limit)
        ),
        GateViolation::LimitExceeded { subject, figure, value, limit } => format!(
            "{subject}: {} {} exceeds the limit of {}",
            figure_name(*figure),
            format_figure(*figure, *value),
            format_figure(*figure, *limit)
        ),
        GateViolation::Worse { challenger, baseline, figures } => {
            format!("{challenger} is worse than {baseline}: {}", describe_difference(figures, ""))
        }
        GateViolation::Drifted { subject, figures } => {
            format!("{subject} has drifted: {}", describe_difference(figures, " in earlier runs"))
        }
        GateViolation::DropExceeded { challenger, baseline, figures, allowed } => format!(
            "{challenger}: {} {:.3} is {:.3} below {baseline}'s {:.3}, which exceeds the allowed drop of {allowed}",
            figures.metric.name(),
            figures.challenger,
            -figures.difference,
            figures.baseline
        ),
        GateViolation::DropPossible { challenger, baseline, largest_drop, clearable_margin, allowed } => {
            format!(
                "{challenger}: a drop of up to {largest_drop:.3} vs. {baseline} cannot be ruled out, but only {allowed} is allowed (strict); the smallest `max_drop` that this set can pass is {clearable_margin:.3}"
            )
        }
    }
}

fn describe_difference(figures: &ComparedFigures, baseline_note: &str) -> String {
    let (low, high) = figures.interval;
    format!(
        "{} {:.3} vs. {:.3}{baseline_note}, difference {:+.3} [{low:+.3}, {high:+.3}]",
        figures.metric.name(),
        figures.challenger,
        figures.baseline,
        figures.difference
    )
}

fn figure_name(figure: LimitedFigure) -> &'static str {
    match figure {
        LimitedFigure::Cost => "cost",
        LimitedFigure::P50 => "p50",
        LimitedFigure::P95 => "p95",
    }
}

fn format_figure(figure: LimitedFigure, value: f64) -> String {
    match figure {
        LimitedFigure::Cost => format!("${value}"),
        LimitedFigure::P50 | LimitedFigure::P95 => format!("{} ms", (value * 10.0).round() / 10.0),
    }
}

fn describe_inconclusive(reason: &InconclusiveReason) -> String {
    match reason {
        InconclusiveReason::NothingScored { subject, cases: 1 } => {
            format!("{subject}: the only case could not be scored")
        }
        InconclusiveReason::NothingScored { subject, cases } => {
            format!("{subject}: none of the {cases} cases could be scored")
        }
        InconclusiveReason::TooManyUnscored { subject, unscored, cases, allowed } => {
            format!("{subject}: {unscored} of {} unscored, {allowed} allowed", pluralize(*cases, "case"))
        }
        InconclusiveReason::NotComparable { challenger, baseline, error } => {
            format!("{challenger} vs. {baseline}: {error}")
        }
        InconclusiveReason::TooManyUnpaired { challenger, baseline, left_out, cases, allowed } => format!(
            "{challenger} vs. {baseline}: {left_out} of {} not scored on both sides, {allowed} allowed",
            pluralize(*cases, "case")
        ),
        InconclusiveReason::HistoryUnreadable(error) => format!("cannot read earlier runs: {error}"),
        InconclusiveReason::Incomplete { subject, finished, cases } => {
            format!("{subject}: only {finished} of {cases} cases were run")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::statistics::ComparisonMetric;

    #[test]
    fn limits_have_their_unit() {
        let unknown = |figure, limit| {
            describe_violation(&GateViolation::FigureUnknown { subject: "m".into(), figure, limit })
        };
        assert_eq!(
            unknown(LimitedFigure::Cost, 1.0),
            "m: cost is unknown, so the limit of $1 cannot be checked"
        );
        assert_eq!(
            unknown(LimitedFigure::P50, 100.0),
            "m: p50 is unknown, so the limit of 100 ms cannot be checked"
        );
    }

    #[test]
    fn inconclusive_reasons_come_first() {
        let report = GateReport {
            violations: vec![GateViolation::BelowMinimum {
                subject: "m".into(),
                metric: ComparisonMetric::PassRate,
                value: 0.5,
                minimum: 0.6,
            }],
            inconclusive: vec![InconclusiveReason::NothingScored { subject: "n".into(), cases: 1 }],
        };
        assert_eq!(
            gate_messages(&report).collect::<Vec<_>>(),
            ["n: the only case could not be scored", "m: pass rate 0.500 is below the minimum of 0.6"]
        );
        assert_eq!(report.codes().collect::<Vec<_>>(), ["nothing_scored", "min_pass_rate"]);
    }
}
