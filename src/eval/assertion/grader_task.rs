//! Checks that need a call or a program. They run before the answer is graded; grading looks up their
//! outcomes.

use std::path::PathBuf;
use std::time::Duration;

use super::{Assertion, Check, CheckOutcome};
use crate::eval::GradableAnswer;

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

    fn get(&self, task: &GraderTask) -> Option<&GraderOutcome> {
        self.0.iter().find_map(|(known, outcome)| (known == task).then_some(outcome))
    }
}

impl FromIterator<(GraderTask, GraderOutcome)> for GraderOutcomes {
    fn from_iter<I: IntoIterator<Item = (GraderTask, GraderOutcome)>>(found: I) -> Self {
        Self(found.into_iter().collect())
    }
}

impl GraderTask {
    pub(super) fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        match answer.grader_outcomes.get(self) {
            Some(GraderOutcome::Scored(score, reason)) => CheckOutcome::Scored(*score, reason.clone()),
            Some(GraderOutcome::Unscored(why)) => CheckOutcome::Unscored(why.clone()),
            None => CheckOutcome::Unscored("no judge was called".into()),
        }
    }
}

/// Grader tasks of these assertions, without duplicates.
pub(crate) fn collect_grader_tasks(assertions: &[Assertion]) -> Vec<&GraderTask> {
    let mut found = Vec::new();
    assertions.iter().for_each(|assertion| collect_from(assertion, &mut found));
    found
}

fn collect_from<'a>(assertion: &'a Assertion, found: &mut Vec<&'a GraderTask>) {
    match &assertion.check {
        Check::Grader(task) if !found.contains(&task) => found.push(task),
        Check::Combined(combination) => {
            combination.members.iter().for_each(|member| collect_from(member, found));
        }
        _ => {}
    }
}
