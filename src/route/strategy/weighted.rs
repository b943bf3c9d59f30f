//! `weighted`: random, in proportion to the candidates' weights. The same sticky key always gets the same
//! order; without `sticky_by`, the order is random for each call.

use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::options::{OptionForm, StrategyOption, StrategyOptions};
use super::ranking::{Ranking, RankingContext, RankingEntry};
use super::strategy_type::{CandidateOrder, StrategyType};

pub(super) static WEIGHTED: StrategyType = StrategyType {
    name: "weighted",
    options: &[StrategyOption { name: "sticky_by", form: OptionForm::Text }],
    uses_weights: true,
    parse: |options| Arc::new(WeightedOrder { sticky_by: parse_variable(options) }),
};

#[derive(Debug)]
struct WeightedOrder {
    /// Prompt variable whose value is the sticky key.
    sticky_by: Option<String>,
}

/// Parses `var:NAME`.
fn parse_variable(options: &mut StrategyOptions) -> Option<String> {
    let written = options.take_text("sticky_by")?;
    let name = written.value.strip_prefix("var:").map(str::trim);
    let name =
        name.filter(|name| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '='));
    if name.is_none() {
        let hint = "use `var:NAME`, for example `var:customer` for the value of `-p customer=…`";
        options.report(format!("invalid variable reference `{}`", written.value), written.span, hint);
    }
    name.map(str::to_owned)
}

impl CandidateOrder for WeightedOrder {
    fn rank(&self, entries: &[RankingEntry<'_>], context: &RankingContext<'_>) -> Ranking {
        Ranking::by_key(entries, |entry| rendezvous_key(entry, context))
    }

    fn summary(&self) -> String {
        match &self.sticky_by {
            Some(variable) => format!("by weight, sticky: the same `{variable}` always gets the same order"),
            None => "by weight, at random for each call".to_owned(),
        }
    }

    fn options_summary(&self) -> Option<String> {
        self.sticky_by.as_ref().map(|variable| format!("sticky by var:{variable}"))
    }

    fn options_json(&self) -> Map<String, Value> {
        Map::from_iter([("sticky_by".to_owned(), self.sticky_by.clone().into())])
    }

    fn sticky_variable(&self) -> Option<&str> {
        self.sticky_by.as_deref()
    }
}

/// Weighted rendezvous hashing: −ln(u) / weight, with u from a hash of the sticky key and the candidate. Each
/// candidate comes first with a probability proportional to its weight, a key always gets the same order, and
/// a changed weight moves as few keys as possible. (Efraimidis & Spirakis 2006; Schindelhauer & Schomaker
/// 2005.)
fn rendezvous_key(entry: &RankingEntry<'_>, context: &RankingContext<'_>) -> f64 {
    if entry.weight <= 0.0 {
        return f64::INFINITY;
    }
    let hash = Sha256::new()
        .chain_update(context.route_name)
        .chain_update([0])
        .chain_update(context.sticky_key)
        .chain_update([0])
        .chain_update(entry.model)
        .finalize();
    let bits = hash.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)) >> 11;
    let u = (bits as f64 + 0.5) / 2_f64.powi(53);
    -u.ln() / entry.weight
}

#[cfg(test)]
mod tests {
    use super::super::test_ranking::ranking_entry;
    use super::*;

    #[test]
    fn sticky_keys_follow_weights() {
        let mut entries = [ranking_entry("a", 1, 1), ranking_entry("b", 1, 1), ranking_entry("c", 1, 1)];
        (entries[0].weight, entries[1].weight, entries[2].weight) = (95.0, 5.0, 0.0);
        let first = |entries: &[RankingEntry<'_>], key: &str| {
            let context = RankingContext { route_name: "canary", sticky_key: key, leader: "", random: 0.0 };
            let indices = WeightedOrder { sticky_by: None }.rank(entries, &context).indices;
            assert_eq!(indices[2], 2, "weight 0 comes last");
            indices[0]
        };
        let keys: Vec<String> = (0..20_000).map(|n| format!("customer {n}")).collect();
        let before: Vec<usize> = keys.iter().map(|key| first(&entries, key)).collect();
        let share = before.iter().filter(|index| **index == 1).count();
        // 1,000 expected, with a standard deviation of 31.
        assert!((880..=1120).contains(&share), "{share}");
        assert_eq!(before, keys.iter().map(|key| first(&entries, key)).collect::<Vec<_>>());
        // A larger canary weight keeps every key that the canary had.
        entries[1].weight = 20.0;
        let kept = keys.iter().zip(&before).all(|(key, index)| *index == 0 || first(&entries, key) == 1);
        assert!(kept);
    }
}
