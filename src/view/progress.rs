//! Progress bars, on stderr and only where a person looks on.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Console;
use super::format::dollars;
use crate::eval::{CaseResult, Progress, Verdict};

/// One bar a subject.
pub struct EvalProgress {
    bars: MultiProgress,
    shows: bool,
}

/// The bar of one subject.
pub struct SubjectBar {
    bar: ProgressBar,
    passed: u64,
    nano_dollars: u64,
}

impl EvalProgress {
    /// Bars on stderr, or none where it is no terminal.
    pub fn new(console: &Console) -> Self {
        let shows = console.shows_progress();
        let target = if shows { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), shows }
    }

    /// A bar for a subject with that many cases.
    pub fn subject(&self, name: &str, cases: usize) -> SubjectBar {
        let bar =
            if self.shows { self.bars.add(ProgressBar::new(cases as u64)) } else { ProgressBar::hidden() };
        let template = "{prefix:24!} {bar:14} {pos}/{len}  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        SubjectBar { bar, passed: 0, nano_dollars: 0 }
    }

    /// Takes all bars away, to make room for the table.
    pub fn clear(&self) {
        // A terminal that cannot be cleared keeps its bars, and that is all.
        let _ = self.bars.clear();
    }
}

impl Progress for SubjectBar {
    fn done(&mut self, result: &CaseResult) {
        self.passed += u64::from(result.verdict == Verdict::Pass);
        self.nano_dollars += result.cost.nano_dollars.unwrap_or(0);
        self.bar.inc(1);
        self.bar.set_message(format!("{} passed  ${}", self.passed, dollars(self.nano_dollars as f64 / 1e9)));
    }
}
