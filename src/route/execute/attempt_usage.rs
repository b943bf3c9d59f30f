use crate::catalog::{Cost, CostSource, estimate_usage};
use crate::chat::{FailureClass, FailurePhase, Request, Usage};
use crate::provider::{ExchangeRecord, Target};

/// The tokens that an attempt used, as reported, or estimated if it was cut off. `None` if it was refused or
/// used none.
pub(super) fn attempt_usage(exchanged: &ExchangeRecord, request: &Request) -> Option<Usage> {
    match &exchanged.outcome {
        Ok(response) => Some(response.usage),
        Err(failure) if failure.status.is_some() || failure.phase == FailurePhase::Connect => None,
        // The provider completed its own count, so it bills this usage as reported.
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

/// Cost of a usage; for the simulator, the cost is marked as simulated.
pub(crate) fn usage_cost(target: &Target, usage: &Usage) -> Cost {
    let cost = Cost::from_usage(usage, target.facts.as_ref().map(|facts| &facts.pricing));
    let is_simulated = target.provider.simulated && cost.nano_dollars.is_some();
    if is_simulated { Cost { source: CostSource::Simulated, ..cost } } else { cost }
}
