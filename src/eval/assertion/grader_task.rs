//! What only a call or a program can tell of an answer. It is asked before the answer is graded; grading looks up what
//! was found.

use std::path::PathBuf;
use std::time::Duration;

use super::{Assertion, Check, CheckOutcome};
use crate::eval::GradableAnswer;

/// Something to be found out about an answer. Two assertions that want the same share what is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraderTask {
    /// How near the answer's vector is to that of a text.
    Similarity {
        /// The text.
        text: String,
        /// The model that makes the vectors, as it was written.
        model: String,
    },
    /// What a judge says of it.
    Judge {
        /// What the judge is asked.
        question: JudgeQuestion,
        /// The judge, a model or a route, as it was written.
        judge: String,
        /// How often it is asked: an odd number, so that there is a majority.
        votes: u32,
    },
    /// What a program of the user's says of it.
    Program(GraderProgram),
}

/// What a judge is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JudgeQuestion {
    /// How well the answer meets a rubric.
    Rubric {
        /// The rubric.
        rubric: String,
        /// The grades that there are.
        scale: GradeScale,
    },
    /// Whether the answer says what this one says.
    Factuality {
        /// An answer that is right.
        reference: String,
    },
}

/// Whole grades from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradeScale {
    /// The worst.
    pub low: u32,
    /// The best; above the worst.
    pub high: u32,
}

/// A program that scores answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraderProgram {
    /// The program and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// The folder in which it runs.
    pub folder: PathBuf,
    /// How long it may take.
    pub timeout: Duration,
}

/// What was found out about an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum GraderOutcome {
    /// A score, 0 to 1, and why.
    Scored(f64, String),
    /// Nothing, and why.
    Unscored(String),
}

/// What was found out about an answer, task by task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraderOutcomes(Vec<(GraderTask, GraderOutcome)>);

impl GraderOutcomes {
    /// Nobody was asked.
    pub const NONE: &Self = &Self(Vec::new());

    fn get(&self, task: &GraderTask) -> Option<&GraderOutcome> {
        self.0.iter().find_map(|(own, finding)| (own == task).then_some(finding))
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
            None => CheckOutcome::Unscored("nobody was asked".into()),
        }
    }
}

/// What has to be found out before these assertions can be graded, each thing once.
pub fn collect_grader_tasks(assertions: &[Assertion]) -> Vec<&GraderTask> {
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
