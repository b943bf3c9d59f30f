use crate::catalog::{Cost, CostSource, estimate_usage};
use crate::chat::{FailureClass, FailurePhase, Request, Usage};
use crate::provider::{ExchangeRecord, Target};

/// The tokens that an attempt used, as reported, or estimated if it was cut off. `None` if the request was
/// rejected or no tokens were used.
pub(super) fn attempt_usage(record: &ExchangeRecord, request: &Request) -> Option<Usage> {
    match &record.outcome {
        Ok(response) => Some(response.usage),
        Err(failure) if failure.status.is_some() || failure.phase == FailurePhase::Connect => None,
        // The provider completed its own count, so it bills this usage as reported.
        Err(failure)
            if matches!(failure.class, FailureClass::Empty)
                && record.partial_usage.output_tokens.is_some() =>
        {
            Some(record.partial_usage)
        }
        Err(_) if record.partial_usage.output_tokens.is_some() => {
            let estimate = estimate_usage(request, record.output_bytes);
            let output = record.partial_usage.output_tokens.max(estimate.output_tokens);
            Some(Usage { output_tokens: output, is_estimated: true, ..record.partial_usage })
        }
        Err(failure) if record.output_bytes > 0 || failure.class == FailureClass::Timeout => {
            let mut usage = estimate_usage(request, record.output_bytes);
            usage.input_tokens = record.partial_usage.input_tokens.or(usage.input_tokens);
            Some(usage)
        }
        Err(_) => None,
    }
}

/// The cost of a usage, marked as simulated for the simulator.
pub(crate) fn usage_cost(target: &Target, usage: &Usage) -> Cost {
    let cost = Cost::from_usage(usage, target.facts.as_ref().map(|facts| &facts.pricing));
    let is_simulated = target.provider.simulated && cost.nano_dollars.is_some();
    if is_simulated { Cost { source: CostSource::Simulated, ..cost } } else { cost }
}
