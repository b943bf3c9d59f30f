//! The [`RouteStrategy`] of a route, and the questions that need the whole table of strategies.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::STRATEGIES;
use super::options::{LocatedOption, StrategyOption, StrategyOptions};
use super::strategy_type::{CandidateOrder, StrategyType};
use crate::chat::find_closest;

/// A strategy with its options.
#[derive(Clone, Debug)]
pub struct RouteStrategy {
    row: &'static StrategyType,
    order: Arc<dyn CandidateOrder>,
}

impl RouteStrategy {
    /// Its name in `routes.yaml`.
    pub fn name(&self) -> &'static str {
        self.row.name
    }

    /// Its options in JSON output. Each strategy has only its own.
    pub fn options_json(&self) -> Map<String, Value> {
        self.order.options_json()
    }

    /// Whether the weights of the candidates affect the order.
    pub(crate) fn uses_weights(&self) -> bool {
        self.row.uses_weights
    }

    pub(crate) fn order(&self) -> &dyn CandidateOrder {
        self.order.as_ref()
    }
}

impl Default for RouteStrategy {
    fn default() -> Self {
        let row = STRATEGIES[0];
        Self { row, order: (row.parse)(&mut StrategyOptions::default()) }
    }
}

impl PartialEq for RouteStrategy {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.options_json() == other.options_json()
    }
}

/// Finds a strategy by its name, the default one without a name, and parses its options. Problems are reported
/// in `options`; `None` if the name is unknown.
pub(crate) fn parse_strategy(
    name: Option<&LocatedOption<String>>,
    options: &mut StrategyOptions,
) -> Option<RouteStrategy> {
    let row = match name {
        None => STRATEGIES[0],
        Some(name) => match STRATEGIES.iter().find(|row| row.name == name.value) {
            Some(row) => row,
            None => {
                report_unknown(name, options);
                return None;
            }
        },
    };
    for option in options.untaken() {
        if !row.has_option(option.value) {
            report_misplaced(option, options);
        }
    }
    Some(RouteStrategy { row, order: (row.parse)(options) })
}

fn report_unknown(name: &LocatedOption<String>, options: &mut StrategyOptions) {
    let names = || STRATEGIES.iter().map(|row| row.name);
    let hint = match find_closest(&name.value, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of these values: {}", names().collect::<Vec<_>>().join(", ")),
    };
    options.report(format!("unknown value `{}`", name.value), name.span.clone(), hint);
}

fn report_misplaced(option: LocatedOption<&str>, options: &mut StrategyOptions) {
    let LocatedOption { value: name, span } = option;
    let owners = StrategyNames::of(|row| row.has_option(name));
    let message = format!("`{name}` has no effect in a route that is not {}", owners.joined());
    let hint = format!("add {}, or remove `{name}`", owners.as_settings());
    options.report(message, span, hint);
}

/// The options of all strategies.
pub(crate) fn strategy_options() -> impl Iterator<Item = &'static StrategyOption> {
    STRATEGIES.iter().flat_map(|row| row.options)
}

/// The strategies that use the weights of candidates.
pub(crate) fn strategies_with_weights() -> StrategyNames {
    StrategyNames::of(|row| row.uses_weights)
}

/// Names of strategies, for messages.
pub(crate) struct StrategyNames(Vec<&'static str>);

impl StrategyNames {
    fn of(is_included: impl Fn(&StrategyType) -> bool) -> Self {
        Self(STRATEGIES.iter().filter(|row| is_included(row)).map(|row| row.name).collect())
    }

    /// For example `weighted`.
    pub(crate) fn joined(&self) -> String {
        self.0.join(" or ")
    }

    /// As written in a file, for example `` `strategy: weighted` ``.
    pub(crate) fn as_settings(&self) -> String {
        self.0.iter().map(|name| format!("`strategy: {name}`")).collect::<Vec<_>>().join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parse_by_name(name: &str) -> RouteStrategy {
        let written = LocatedOption { value: name.to_owned(), span: None };
        parse_strategy(Some(&written), &mut StrategyOptions::default()).unwrap()
    }

    #[test]
    fn names_and_options_are_unique() {
        let names: BTreeSet<&str> = STRATEGIES.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), STRATEGIES.len());
        let options: BTreeSet<&str> = strategy_options().map(|option| option.name).collect();
        assert_eq!(options.len(), strategy_options().count(), "a JSON object would repeat the key");
    }

    #[test]
    fn every_strategy_works_without_options() {
        for row in STRATEGIES {
            let strategy = parse_by_name(row.name);
            assert_eq!(strategy, strategy.clone(), "{}", row.name);
            assert!(!strategy.order().summary().is_empty(), "{}", row.name);
            let options = strategy.options_json();
            assert!(options.keys().all(|name| row.has_option(name)), "{}", row.name);
        }
        assert_eq!(RouteStrategy::default(), parse_by_name("priority"));
        assert_ne!(RouteStrategy::default(), parse_by_name("weighted"));
    }
}
