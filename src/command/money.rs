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
    unpriced.map_or(Ok(()), |target| Err(without_price(target)))
}

/// The same of a model that makes vectors, out of which nothing comes that has a price.
pub(super) fn check_vectors_priced(target: &Target, purse: Option<&Purse>) -> Result<(), CommandError> {
    let some = Usage { input_tokens: Some(1), output_tokens: Some(0), ..Usage::default() };
    match purse {
        Some(_) if !is_priced(target, &some) => Err(without_price(target)),
        _ => Ok(()),
    }
}

fn without_price(target: &Target) -> CommandError {
    let model = &target.model_ref;
    CommandError::usage(format!("--max-cost cannot be held: the price of {model} is unknown")).hint(format!(
        "say it in routes.yaml, in dollars per million tokens: `models: {{{model}: {{price: {{input: 1, output: 2}}}}}}`"
    ))
}

fn has_price(target: &Target) -> bool {
    let some = Usage { input_tokens: Some(1), output_tokens: Some(1), ..Usage::default() };
    is_priced(target, &some)
}

fn is_priced(target: &Target, usage: &Usage) -> bool {
    target.facts.as_ref().is_some_and(|facts| price_of(usage, &facts.price).is_some())
}
