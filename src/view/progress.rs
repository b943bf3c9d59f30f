//! Progress bars on stderr, only in a terminal.

use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Console;
use super::format::{format_cost, format_duration};
use crate::catalog::Cost;
use crate::eval::{CaseResult, Verdict};

/// One bar per subject.
pub(crate) struct EvalProgress {
    bars: MultiProgress,
    is_visible: bool,
    /// By the subject's name.
    subjects: Mutex<Vec<(String, SubjectBar)>>,
}

struct SubjectBar {
    bar: ProgressBar,
    passed: u64,
    cost: Cost,
}

impl EvalProgress {
    pub(crate) fn new(console: &Console) -> Self {
        let is_visible = console.can_show_progress();
        let target = if is_visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), is_visible, subjects: Mutex::default() }
    }

    pub(crate) fn add_subject(&self, name: &str, cases: usize) {
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
        let bar = SubjectBar { bar, passed: 0, cost: Cost::ZERO };
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), bar));
    }

    pub(crate) fn add_result(&self, subject: &str, result: &CaseResult) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bar)) = subjects.iter_mut().find(|(name, _)| name == subject) {
            bar.add_result(result);
        }
    }

    /// Removes all bars before the table is printed.
    pub(crate) fn clear(&self) {
        // If the terminal cannot be cleared, the bars stay.
        let _ = self.bars.clear();
    }
}

impl SubjectBar {
    fn add_result(&mut self, result: &CaseResult) {
        self.passed += u64::from(result.verdict == Verdict::Pass);
        self.cost = Cost::sum([self.cost, result.cost]);
        self.bar.inc(1);
        self.bar.set_message(format!("{} passed  {}", self.passed, format_cost(self.cost)));
    }
}

/// Remaining time at the average pace so far. Cases finish in bursts, so a moving average would fluctuate.
fn write_time_left(state: &ProgressState, writer: &mut dyn std::fmt::Write) {
    let left = match (state.pos(), state.len()) {
        (0, _) | (_, None) => "?".to_owned(),
        (done, Some(all)) => {
            format_duration(state.elapsed().mul_f64(all.saturating_sub(done) as f64 / done as f64))
        }
    };
    // Writing to a string cannot fail.
    let _ = writer.write_str(&left);
}
