//! What grading cost.

use crate::catalog::Cost;

/// Calls, cost, and votes spent on grading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct GraderUsage {
    pub calls: u64,
    pub cost: Cost,
    /// Readable votes of judges that vote several times.
    pub votes: u64,
    /// Votes that agree with the decision.
    pub agreed: u64,
}

impl Default for GraderUsage {
    fn default() -> Self {
        Self { calls: 0, cost: Cost::ZERO, votes: 0, agreed: 0 }
    }
}

impl GraderUsage {
    pub(crate) fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), |sum, one| Self {
            calls: sum.calls + one.calls,
            cost: Cost::sum([sum.cost, one.cost]),
            votes: sum.votes + one.votes,
            agreed: sum.agreed + one.agreed,
        })
    }

    /// Share of votes that agree with the decision; `None` when no judge votes several times.
    pub(crate) fn agreement(&self) -> Option<f64> {
        (self.votes > 0).then(|| self.agreed as f64 / self.votes as f64)
    }
}
