//! Limits on money that were typed.

use super::outcome::CommandError;
use crate::catalog::{price_of, usd_to_nano};
use crate::chat::Usage;
use crate::provider::Target;
use crate::route::{Plan, Purse};

/// What one run may cost, as `--max-cost` says it.
pub(super) fn purse(max_cost: Option<&str>) -> Result<Option<Purse>, CommandError> {
    let Some(text) = max_cost else { return Ok(None) };
    let hint = "write dollars as a decimal above 0, for example 0.05, to nine places at most";
    match usd_to_nano(text) {
        Some(0) => Err(CommandError::usage("--max-cost must be more than 0").hint(hint)),
        Some(nano) => Ok(Some(Purse::new(nano))),
        None => Err(CommandError::usage(format!("`--max-cost {text}` is no amount of dollars")).hint(hint)),
    }
}

/// A limit on cost cannot be held against a model whose price nobody knows: where that is everybody, it is said before
/// anything is sent.
pub(super) fn check_priced(plan: &Plan, purse: Option<&Purse>) -> Result<(), CommandError> {
    let unpriced = plan.targets().next().filter(|_| purse.is_some() && !plan.targets().any(has_price));
    match unpriced {
        None => Ok(()),
        Some(target) => Err(CommandError::usage(format!(
            "--max-cost cannot be held: the price of {} is unknown",
            target.model_ref
        ))
        .hint(format!(
            "say it in routes.yaml, in dollars per million tokens: `models: {{{}: {{price: {{input: 1, output: 2}}}}}}`",
            target.model_ref
        ))),
    }
}

fn has_price(target: &Target) -> bool {
    let some = Usage { input_tokens: Some(1), output_tokens: Some(1), ..Usage::default() };
    target.facts.as_ref().is_some_and(|facts| price_of(&some, &facts.price).is_some())
}
