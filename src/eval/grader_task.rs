//! Tasks of assertions that need a call or a program, and their outcomes. They run before the answer is
//! graded; grading looks up their outcomes.

use std::path::PathBuf;
use std::time::Duration;

/// A task for a grader. Equal tasks of a case run once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraderTask {
    /// Embedding similarity to a text.
    Similarity {
        text: String,
        /// Embedding model, as written.
        model: String,
    },
    Judge {
        question: JudgeQuestion,
        /// A model or route, as written.
        judge: String,
        /// Odd, so that there is a majority.
        votes: u32,
    },
    Program(GraderProgram),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JudgeQuestion {
    Rubric {
        rubric: String,
        scale: GradeScale,
    },
    /// Whether the answer agrees with the facts of a reference.
    Factuality {
        reference: String,
    },
}

/// Integer grades, from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradeScale {
    pub low: u32,
    /// Greater than `low`.
    pub high: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraderProgram {
    /// Program and arguments, run without a shell.
    pub command: Vec<String>,
    /// The golden set's folder.
    pub folder: PathBuf,
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub enum GraderOutcome {
    /// Score from 0 to 1, and the reason.
    Scored(f64, String),
    Unscored(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraderOutcomes(Vec<(GraderTask, GraderOutcome)>);

impl GraderOutcomes {
    pub const NONE: &Self = &Self(Vec::new());

    pub(super) fn get(&self, task: &GraderTask) -> Option<&GraderOutcome> {
        self.0.iter().find_map(|(known, outcome)| (known == task).then_some(outcome))
    }
}

impl FromIterator<(GraderTask, GraderOutcome)> for GraderOutcomes {
    fn from_iter<I: IntoIterator<Item = (GraderTask, GraderOutcome)>>(found: I) -> Self {
        Self(found.into_iter().collect())
    }
}
