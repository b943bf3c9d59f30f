//! OpenRouter's `/api/v1/models`. Prices are strings, in dollars per token.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{Capabilities, Capability, ModelFacts, Pricing, TokenPrices};
use super::{ImportError, parse_json, parse_price, zero_prices_to_unknown};
use crate::chat::{RequestParameter, TokenCount};

#[derive(Deserialize)]
struct OpenRouterList {
    data: Vec<OpenRouterModel>,
}

#[derive(Deserialize)]
struct OpenRouterModel {
    id: String,
    context_length: Option<TokenCount>,
    architecture: Option<OpenRouterArchitecture>,
    pricing: OpenRouterPrices,
    top_provider: Option<OpenRouterTopProvider>,
    supported_parameters: Option<Vec<String>>,
    expiration_date: Option<String>,
}

#[derive(Deserialize)]
struct OpenRouterArchitecture {
    input_modalities: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct OpenRouterTopProvider {
    max_completion_tokens: Option<TokenCount>,
}

#[derive(Deserialize)]
struct OpenRouterPrices {
    prompt: Option<Box<RawValue>>,
    completion: Option<Box<RawValue>>,
    input_cache_read: Option<Box<RawValue>>,
    input_cache_write: Option<Box<RawValue>>,
    input_cache_write_1h: Option<Box<RawValue>>,
    internal_reasoning: Option<Box<RawValue>>,
    #[serde(default)]
    overrides: Option<Vec<OpenRouterPriceOverride>>,
}

/// Prices that apply above a number of prompt tokens or between two hours of the day.
#[derive(Deserialize)]
struct OpenRouterPriceOverride {
    min_prompt_tokens: Option<f64>,
    utc_start: Option<f64>,
    utc_end: Option<f64>,
    prompt: Option<Box<RawValue>>,
    completion: Option<Box<RawValue>>,
    input_cache_read: Option<Box<RawValue>>,
    input_cache_write: Option<Box<RawValue>>,
    input_cache_write_1h: Option<Box<RawValue>>,
}

/// From dollars per token to nano-dollars per million.
const PRICE_EXPONENT: i32 = 15;

pub(super) fn parse(text: &str) -> Result<Vec<ModelFacts>, ImportError> {
    let list: OpenRouterList = parse_json(text)?;
    list.data.into_iter().enumerate().map(|(at, model)| to_model_facts(model, at)).collect()
}

/// The prices above each bound: of all overrides that apply, later ones win part by part; the rest comes from
/// `base`.
fn merge_tiers(overrides: &[(TokenCount, TokenPrices)], base: TokenPrices) -> Vec<(TokenCount, TokenPrices)> {
    let mut bounds: Vec<TokenCount> = overrides.iter().map(|(above, _)| *above).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let at = |bound: TokenCount| {
        let applicable = overrides.iter().filter(|(above, _)| *above <= bound);
        applicable.fold(base, |under, (_, price)| price.or(under))
    };
    bounds.into_iter().map(|bound| (bound, at(bound))).collect()
}

fn to_model_facts(model: OpenRouterModel, at: usize) -> Result<ModelFacts, ImportError> {
    let prices = &model.pricing;
    let parse_field = |raw: &Option<Box<RawValue>>, name: &str| {
        parse_price(raw.as_deref(), PRICE_EXPONENT, &format!("data[{at}].pricing.{name}"))
    };
    let base = TokenPrices {
        input: parse_field(&prices.prompt, "prompt")?,
        cached_input: parse_field(&prices.input_cache_read, "input_cache_read")?,
        cache_write: parse_field(&prices.input_cache_write, "input_cache_write")?,
        cache_write_1h: parse_field(&prices.input_cache_write_1h, "input_cache_write_1h")?,
        output: parse_field(&prices.completion, "completion")?,
        reasoning: parse_field(&prices.internal_reasoning, "internal_reasoning")?,
    };
    let mut overrides: Vec<(TokenCount, TokenPrices)> = Vec::new();
    for tier in prices.overrides.iter().flatten() {
        // A row can only express prices that depend on the prompt's length.
        let by_hour = tier.utc_start.or(tier.utc_end).is_some();
        let Some(above) = tier.min_prompt_tokens.filter(|tokens| *tokens >= 0.0 && !by_hour) else {
            continue;
        };
        let price = TokenPrices {
            input: parse_field(&tier.prompt, "overrides.prompt")?,
            cached_input: parse_field(&tier.input_cache_read, "overrides.input_cache_read")?,
            cache_write: parse_field(&tier.input_cache_write, "overrides.input_cache_write")?,
            cache_write_1h: parse_field(&tier.input_cache_write_1h, "overrides.input_cache_write_1h")?,
            output: parse_field(&tier.completion, "overrides.completion")?,
            reasoning: None,
        };
        // The list writes this integer as any kind of number.
        overrides.push((TokenCount::new(above as u64), zero_prices_to_unknown(price)));
    }
    let tiers = merge_tiers(&overrides, zero_prices_to_unknown(base));
    let mut capabilities = Capabilities::default();
    let mut refuses = Vec::new();
    if let Some(parameters) = &model.supported_parameters {
        let takes = |name: &str| parameters.iter().any(|parameter| parameter == name);
        capabilities.set(Capability::Tools, takes("tools"));
        capabilities.set(Capability::JsonSchema, takes("structured_outputs"));
        capabilities.set(Capability::Reasoning, takes("reasoning"));
        let sampling = [(RequestParameter::Temperature, "temperature"), (RequestParameter::TopP, "top_p")];
        refuses.extend(sampling.into_iter().filter(|(_, name)| !takes(name)).map(|(parameter, _)| parameter));
    }
    if let Some(inputs) = model.architecture.and_then(|architecture| architecture.input_modalities) {
        let reads = |name: &str| inputs.iter().any(|input| input == name);
        capabilities.set(Capability::Vision, reads("image"));
        capabilities.set(Capability::Pdf, reads("file"));
        capabilities.set(Capability::Audio, reads("audio"));
    }
    // A value that is not a date counts as unknown.
    let deprecated = model.expiration_date.and_then(|date| date.parse().ok());
    Ok(ModelFacts {
        provider: "openrouter".to_owned(),
        model: model.id,
        context_tokens: model.context_length.filter(|tokens| *tokens > TokenCount::ZERO),
        max_output_tokens: model.top_provider.and_then(|top| top.max_completion_tokens),
        pricing: Pricing { base: zero_prices_to_unknown(base), tiers },
        rejected_parameters: refuses,
        capabilities,
        retirement_date: deprecated,
        ..ModelFacts::default()
    })
}
