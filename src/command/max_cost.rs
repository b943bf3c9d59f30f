//! Parses `--max-cost` and checks that it can be enforced.

use super::outcome::CommandError;
use crate::catalog::{cost_at_list_price, parse_usd};
use crate::chat::{NanoDollars, TokenCount, Usage};
use crate::provider::Target;
use crate::route::{Plan, RunBudget};

pub(super) fn parse_max_cost(max_cost: Option<&str>) -> Result<Option<RunBudget>, CommandError> {
    let Some(text) = max_cost else { return Ok(None) };
    let hint = "use an amount in USD above 0, with up to nine decimal places, for example 0.05";
    let is_negative = text.trim().strip_prefix('-').is_some_and(|amount| parse_usd(amount).is_some());
    match parse_usd(text) {
        None if is_negative => {
            Err(CommandError::usage(format!("invalid --max-cost `{text}`: must be above 0")).with_hint(hint))
        }
        Some(NanoDollars::ZERO) => {
            Err(CommandError::usage(format!("invalid --max-cost `{text}`: must be above 0")).with_hint(hint))
        }
        Some(limit) => Ok(Some(RunBudget::new(limit))),
        None => Err(CommandError::usage(format!("invalid --max-cost `{text}`: expected an amount in USD"))
            .with_hint(hint)),
    }
}

/// Fails if there is a cost limit and no candidate has a known price, so that the limit cannot be enforced.
pub(super) fn check_price_known(plan: &Plan<'_>) -> Result<(), CommandError> {
    let has_budget = plan.options.run_budget.is_some();
    let unpriced = plan.targets().next().filter(|_| has_budget && !plan.targets().any(has_price));
    unpriced.map_or(Ok(()), |target| Err(unknown_price_error(target)))
}

/// Like [`check_price_known`], for an embedding model, which has no output tokens.
pub(super) fn check_embedding_price_known(
    target: &Target,
    run_budget: Option<&RunBudget>,
) -> Result<(), CommandError> {
    let sample = Usage {
        input_tokens: Some(TokenCount::new(1)),
        output_tokens: Some(TokenCount::ZERO),
        ..Usage::default()
    };
    match run_budget {
        Some(_) if !has_price_for(target, &sample) => Err(unknown_price_error(target)),
        _ => Ok(()),
    }
}

fn unknown_price_error(target: &Target) -> CommandError {
    let model = &target.model_ref;
    CommandError::usage(format!("cannot enforce --max-cost: the price of {model} is unknown")).with_hint(format!(
        "set it in routes.yaml, in USD per million tokens: `models: {{{model}: {{price: {{input: 1, output: 2}}}}}}`"
    ))
}

fn has_price(target: &Target) -> bool {
    let sample = Usage {
        input_tokens: Some(TokenCount::new(1)),
        output_tokens: Some(TokenCount::new(1)),
        ..Usage::default()
    };
    has_price_for(target, &sample)
}

fn has_price_for(target: &Target, usage: &Usage) -> bool {
    target.facts.as_ref().is_some_and(|facts| cost_at_list_price(usage, &facts.pricing).is_some())
}
