//! What only a call or a program can tell of an answer. It is asked before the answer is graded; grading looks up what
//! was found.

use std::path::PathBuf;
use std::time::Duration;

use super::{Assertion, Check, Found};
use crate::eval::Graded;

/// Something to be found out about an answer. Two assertions that want the same share what is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// How near the answer's vector is to that of a text.
    Similar {
        /// The text.
        text: String,
        /// The model that makes the vectors, as it was written.
        model: String,
    },
    /// What a judge says of it.
    Ask {
        /// What the judge is asked.
        question: Question,
        /// The judge, a model or a route, as it was written.
        judge: String,
        /// How often it is asked: an odd number, so that there is a majority.
        votes: u32,
    },
    /// What a program of the user's says of it.
    Run(Program),
}

/// What a judge is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How well the answer meets a rubric.
    Rubric {
        /// The rubric.
        rubric: String,
        /// The grades that there are.
        scale: Scale,
    },
    /// Whether the answer says what this one says.
    Factuality {
        /// An answer that is right.
        reference: String,
    },
}

/// Whole grades from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The worst.
    pub low: u32,
    /// The best; above the worst.
    pub high: u32,
}

/// A program that scores answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// The folder in which it runs.
    pub folder: PathBuf,
    /// How long it may take.
    pub timeout: Duration,
}

/// What was found out about an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A score, 0 to 1, and why.
    Scored(f64, String),
    /// Nothing, and why.
    Unknown(String),
}

/// What was found out about an answer, task by task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings(Vec<(Task, Finding)>);

impl Findings {
    /// Nobody was asked.
    pub const NONE: &Self = &Self(Vec::new());

    fn of(&self, task: &Task) -> Option<&Finding> {
        self.0.iter().find_map(|(own, finding)| (own == task).then_some(finding))
    }
}

impl FromIterator<(Task, Finding)> for Findings {
    fn from_iter<I: IntoIterator<Item = (Task, Finding)>>(found: I) -> Self {
        Self(found.into_iter().collect())
    }
}

impl Task {
    pub(super) fn look(&self, answer: &Graded<'_>) -> Found {
        match answer.findings.of(self) {
            Some(Finding::Scored(score, reason)) => Found::Scored(*score, reason.clone()),
            Some(Finding::Unknown(why)) => Found::Unknown(why.clone()),
            None => Found::Unknown("nobody was asked".into()),
        }
    }
}

/// What has to be found out before these assertions can be graded, each thing once.
pub fn tasks(assertions: &[Assertion]) -> Vec<&Task> {
    let mut found = Vec::new();
    assertions.iter().for_each(|assertion| collect(assertion, &mut found));
    found
}

fn collect<'a>(assertion: &'a Assertion, found: &mut Vec<&'a Task>) {
    match &assertion.check {
        Check::Judged(task) if !found.contains(&task) => found.push(task),
        Check::Combined(combination) => combination.members.iter().for_each(|member| collect(member, found)),
        _ => {}
    }
}
