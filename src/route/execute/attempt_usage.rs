//! What an attempt used and cost.

use crate::catalog::{Cost, CostSource, estimate_usage};
use crate::chat::{FailureClass, FailurePhase, Request, Usage};
use crate::provider::{ExchangeRecord, Target};

/// The tokens that an attempt used: as reported, else, where it was cut off, estimated. A refusal used none.
pub(super) fn attempt_usage(exchanged: &ExchangeRecord, request: &Request) -> Option<Usage> {
    match &exchanged.outcome {
        Ok(response) => Some(response.usage),
        Err(failure) if failure.status.is_some() || failure.phase == FailurePhase::Connect => None,
        // The provider closed its own account of it: that is what it bills.
        Err(failure)
            if matches!(failure.class, FailureClass::Empty)
                && exchanged.partial_usage.output_tokens.is_some() =>
        {
            Some(exchanged.partial_usage)
        }
        Err(_) if exchanged.partial_usage.output_tokens.is_some() => {
            let estimate = estimate_usage(request, exchanged.output_bytes);
            let output = exchanged.partial_usage.output_tokens.max(estimate.output_tokens);
            Some(Usage { output_tokens: output, is_estimated: true, ..exchanged.partial_usage })
        }
        Err(failure) if exchanged.output_bytes > 0 || failure.class == FailureClass::Timeout => {
            let mut usage = estimate_usage(request, exchanged.output_bytes);
            usage.input_tokens = exchanged.partial_usage.input_tokens.or(usage.input_tokens);
            Some(usage)
        }
        Err(_) => None,
    }
}

/// What tokens of a model cost, marked where it is the simulator's.
pub fn usage_cost(target: &Target, usage: &Usage) -> Cost {
    let cost = Cost::from_usage(usage, target.facts.as_ref().map(|facts| &facts.pricing));
    let fictional = target.provider.simulated && cost.nano_dollars.is_some();
    if fictional { Cost { source: CostSource::Simulated, ..cost } } else { cost }
}
