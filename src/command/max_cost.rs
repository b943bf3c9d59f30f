//! Limits on money that were typed.

use super::outcome::CommandError;
use crate::catalog::{cost_at_list_price, parse_usd};
use crate::chat::Usage;
use crate::provider::Target;
use crate::route::{Plan, RunBudget};

/// What one run may cost, as `--max-cost` says it.
pub(super) fn parse_max_cost(max_cost: Option<&str>) -> Result<Option<RunBudget>, CommandError> {
    let Some(text) = max_cost else { return Ok(None) };
    let hint = "write dollars as a decimal above 0, for example 0.05, to nine places at most";
    match parse_usd(text) {
        Some(0) => Err(CommandError::usage("--max-cost must be more than 0").with_hint(hint)),
        Some(nano) => Ok(Some(RunBudget::new(nano))),
        None => {
            Err(CommandError::usage(format!("`--max-cost {text}` is no amount of dollars")).with_hint(hint))
        }
    }
}

/// A limit on cost cannot be held against a model whose price nobody knows: where that is everybody, it is said before
/// anything is sent.
pub(super) fn check_price_known(plan: &Plan, purse: Option<&RunBudget>) -> Result<(), CommandError> {
    let unpriced = plan.targets().next().filter(|_| purse.is_some() && !plan.targets().any(has_price));
    unpriced.map_or(Ok(()), |target| Err(unknown_price_error(target)))
}

/// The same of a model that makes vectors, out of which nothing comes that has a price.
pub(super) fn check_embedding_price_known(
    target: &Target,
    purse: Option<&RunBudget>,
) -> Result<(), CommandError> {
    let some = Usage { input_tokens: Some(1), output_tokens: Some(0), ..Usage::default() };
    match purse {
        Some(_) if !has_price_for(target, &some) => Err(unknown_price_error(target)),
        _ => Ok(()),
    }
}

fn unknown_price_error(target: &Target) -> CommandError {
    let model = &target.model_ref;
    CommandError::usage(format!("--max-cost cannot be held: the price of {model} is unknown")).with_hint(format!(
        "say it in routes.yaml, in dollars per million tokens: `models: {{{model}: {{price: {{input: 1, output: 2}}}}}}`"
    ))
}

fn has_price(target: &Target) -> bool {
    let some = Usage { input_tokens: Some(1), output_tokens: Some(1), ..Usage::default() };
    has_price_for(target, &some)
}

fn has_price_for(target: &Target, usage: &Usage) -> bool {
    target.facts.as_ref().is_some_and(|facts| cost_at_list_price(usage, &facts.pricing).is_some())
}
