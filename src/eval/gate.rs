//! The rule that turns a run into an exit code.

use super::Summary;

/// What is demanded of every subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gate {
    /// The least pass rate, 0 to 1.
    pub min_pass_rate: Option<f64>,
    /// The least mean score, 0 to 1.
    pub min_score: Option<f64>,
    /// The most cases that may go unscored; none, where nothing is said.
    pub max_unscored: Option<Limit>,
}

/// A number of cases, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// So many.
    Count(u64),
    /// That share, 0 to 1.
    Share(f64),
}

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number of cases nor a share as `1%`");
        match text.trim().strip_suffix('%') {
            None => text.trim().parse().map(Self::Count).map_err(|_| wrong()),
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Share(percent / 100.0)),
                _ => Err(wrong()),
            },
        }
    }
}

/// What the gate says of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GateReport {
    /// Why it fails; empty when it passes.
    pub reasons: Vec<String>,
    /// Subjects of whom too many cases could not be scored: no judgement on them is sound.
    pub unsound: Vec<String>,
}

impl GateReport {
    /// Whether every subject passes.
    pub fn passed(&self) -> bool {
        self.reasons.is_empty() && self.unsound.is_empty()
    }
}

/// Judges every subject. Without a floor, any failed case fails the run.
pub fn judge(gate: Option<&Gate>, summaries: &[Summary]) -> GateReport {
    let gate = gate.cloned().unwrap_or_default();
    let has_floor = gate.min_pass_rate.is_some() || gate.min_score.is_some();
    let mut report = GateReport::default();
    for summary in summaries {
        let cases = summary.passed + summary.failed + summary.unscored;
        let allowed = match gate.max_unscored {
            None => 0,
            Some(Limit::Count(count)) => count,
            Some(Limit::Share(share)) => (share * cases as f64 + 1e-9).floor() as u64,
        };
        let name = &summary.subject;
        if summary.passed + summary.failed == 0 {
            report.unsound.push(format!("{name}: not one of {cases} cases could be scored"));
        } else if summary.unscored > allowed {
            report.unsound.push(format!(
                "{name}: {} of {cases} cases could not be scored, {allowed} allowed",
                summary.unscored
            ));
        }
        floor(&mut report, name, "pass rate", summary.pass_rate, gate.min_pass_rate);
        floor(&mut report, name, "mean score", summary.mean_score, gate.min_score);
        if !has_floor && summary.failed > 0 {
            report.reasons.push(format!(
                "{name}: {} of {cases} cases failed, and the set sets no floor",
                summary.failed
            ));
        }
    }
    report
}

fn floor(report: &mut GateReport, name: &str, what: &str, figure: Option<f64>, floor: Option<f64>) {
    if let (Some(figure), Some(floor)) = (figure, floor)
        // Floors are written in decimals; a rate that equals one as a fraction must not fail by a rounding.
        // What is no number clears no floor.
        && (figure.is_nan() || figure < floor - 1e-12)
    {
        report.reasons.push(format!("{name}: {what} {figure:.3} is under {floor}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(passed: u64, failed: u64, unscored: u64) -> Summary {
        let base = Summary::of("m", false, &[], None);
        let pass_rate = (passed + failed > 0).then(|| passed as f64 / (passed + failed) as f64);
        Summary { passed, failed, unscored, pass_rate, mean_score: pass_rate, ..base }
    }

    #[test]
    fn floors_and_unscored() {
        let gate = Gate { min_pass_rate: Some(0.6), ..Gate::default() };
        assert!(judge(Some(&gate), &[summary(6, 4, 0)]).passed());
        assert_eq!(judge(Some(&gate), &[summary(5, 5, 0)]).reasons.len(), 1);
        assert_eq!(judge(Some(&gate), &[summary(10, 0, 1)]).unsound.len(), 1);
        let lenient = Gate { max_unscored: Some(Limit::Share(0.1)), ..gate };
        assert!(judge(Some(&lenient), &[summary(9, 0, 1)]).passed());
        assert_eq!(
            judge(Some(&lenient), &[summary(0, 0, 10)]).unsound.len(),
            1,
            "nothing scored is never green"
        );
        assert!(!judge(None, &[summary(9, 1, 0)]).passed());
        assert!(judge(None, &[summary(9, 0, 0)]).passed());
    }
}
