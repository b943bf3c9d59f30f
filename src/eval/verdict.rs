//! Verdicts, and the result of one assertion.

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail,
    /// Could not be graded. An error does not count as a score of 0.
    Unscored,
}

impl Verdict {
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pass, Self::Fail, Self::Unscored].into_iter().find(|verdict| verdict.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unscored => "unscored",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionKind {
    /// The form of the answer.
    Format,
    /// What the answer says.
    Content,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AssertionResult {
    /// As written in the set.
    pub name: String,
    pub verdict: Verdict,
    /// 0 to 1.
    pub score: f64,
    pub reason: String,
    pub kind: AssertionKind,
    pub weight: f64,
}
