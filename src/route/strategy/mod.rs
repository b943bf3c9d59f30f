//! Strategies: how a route orders its candidates. Each strategy has a file with its row of the table, its
//! options, what it needs to know, how it ranks, and its words in plans and lists of routes. This file has
//! the table. Depends on the estimates of the parent module.

mod balanced;
mod cheapest;
mod exploration;
mod fastest;
mod least_busy;
mod options;
mod priority;
mod ranking;
mod route_strategy;
mod strategy_type;
#[cfg(test)]
mod test_ranking;
mod weighted;

pub(crate) use options::{
    LocatedOption, OptionContent, OptionForm, OptionProblem, OptionValue, StrategyOption, StrategyOptions,
    WEIGHT_HINT, is_valid_weight,
};
pub(super) use ranking::{Ranking, RankingContext, RankingEntry};
pub use route_strategy::RouteStrategy;
pub(crate) use route_strategy::{parse_strategy, strategies_with_weights, strategy_options};

use strategy_type::StrategyType;

/// The table of all strategies, in the same order as the documentation.
static STRATEGIES: &[&StrategyType] = &[
    // The default.
    &priority::PRIORITY,
    &cheapest::CHEAPEST,
    &fastest::FASTEST,
    &least_busy::LEAST_BUSY,
    &balanced::BALANCED,
    &weighted::WEIGHTED,
];
