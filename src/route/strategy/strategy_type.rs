//! Rows of the table of strategies, and what a strategy decides.

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::options::{StrategyOption, StrategyOptions};
use super::ranking::{Ranking, RankingContext, RankingEntry};

#[derive(Debug)]
pub(super) struct StrategyType {
    /// In `routes.yaml` and in JSON output.
    pub name: &'static str,
    pub options: &'static [StrategyOption],
    /// Whether the weights of the candidates affect the order.
    pub uses_weights: bool,
    /// Takes the options and reports the problems in them.
    pub parse: fn(&mut StrategyOptions) -> Arc<dyn CandidateOrder>,
}

impl StrategyType {
    pub(super) fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| option.name == name)
    }
}

/// A strategy with its options: how it orders candidates, and what it needs to know for that. Its words for
/// people are data here, as help strings are in clap, so that a strategy is complete in its file.
pub(crate) trait CandidateOrder: Debug + Send + Sync {
    /// Ties and unknown values keep the file's order.
    fn rank(&self, entries: &[RankingEntry<'_>], context: &RankingContext<'_>) -> Ranking;

    /// How the candidates are ordered, for example "by expected cost".
    fn summary(&self) -> String;

    /// The options in short, for a list of routes.
    fn options_summary(&self) -> Option<String> {
        None
    }

    /// The options in JSON output, by name.
    fn options_json(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Whether the order depends on the expected cost or time.
    fn needs_estimates(&self) -> bool {
        false
    }

    /// Whether the order depends on how busy the providers are.
    fn needs_load(&self) -> bool {
        false
    }

    /// Whether a candidate with an unknown price is skipped.
    fn is_cost_based(&self) -> bool {
        false
    }

    /// Whether all candidates stay where the file lists them, including skipped ones, which otherwise come
    /// last.
    fn keeps_file_order(&self) -> bool {
        false
    }

    /// Whether the route remembers its first choice, to pass it as [`RankingContext::leader`] to the next
    /// call.
    fn keeps_leader(&self) -> bool {
        false
    }

    /// The prompt variable whose value is the sticky key.
    fn sticky_variable(&self) -> Option<&str> {
        None
    }
}
