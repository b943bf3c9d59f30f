//! Progress bars, on stderr and only where a person looks on.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Console;
use super::format::{format_cost, format_duration};
use crate::catalog::Cost;
use crate::eval::{CaseResult, RunProgress, Verdict};

/// One bar a subject.
pub struct EvalProgress {
    bars: MultiProgress,
    is_visible: bool,
}

/// The bar of one subject.
pub struct SubjectBar {
    bar: ProgressBar,
    passed: u64,
    cost: Cost,
}

impl EvalProgress {
    /// Bars on stderr, or none where it is no terminal.
    pub fn new(console: &Console) -> Self {
        let is_visible = console.can_show_progress();
        let target = if is_visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), is_visible }
    }

    /// A bar for a subject with that many cases.
    pub fn add_subject(&self, name: &str, cases: usize) -> SubjectBar {
        let bar = if self.is_visible {
            self.bars.add(ProgressBar::new(cases as u64))
        } else {
            ProgressBar::hidden()
        };
        let template = "{prefix:24!} {bar:14} {pos}/{len}  {msg}  {left} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("left", write_time_left));
        }
        bar.set_prefix(name.to_owned());
        SubjectBar { bar, passed: 0, cost: Cost::ZERO }
    }

    /// Takes all bars away, to make room for the table.
    pub fn clear(&self) {
        // A terminal that cannot be cleared keeps its bars, and that is all.
        let _ = self.bars.clear();
    }
}

impl RunProgress for SubjectBar {
    fn on_result(&mut self, result: &CaseResult) {
        self.passed += u64::from(result.verdict == Verdict::Pass);
        self.cost = Cost::sum([self.cost, result.cost]);
        self.bar.inc(1);
        self.bar.set_message(format!("{} passed  {}", self.passed, format_cost(self.cost)));
    }
}

/// The time left at the pace so far. Cases come in bursts, which a moving estimate takes for a change of pace.
fn write_time_left(state: &ProgressState, writer: &mut dyn std::fmt::Write) {
    let (done, all) = (state.pos(), state.len().unwrap_or(0));
    let left = match done {
        0 => "?".to_owned(),
        done => format_duration(state.elapsed().mul_f64(all.saturating_sub(done) as f64 / done as f64)),
    };
    // Writing into a line of memory cannot fail.
    let _ = writer.write_str(&left);
}
