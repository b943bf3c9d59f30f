//! OpenRouter's `/api/v1/models`. Prices are strings, in dollars per token.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{Capabilities, Capability, ModelFacts, Price, Pricing};
use super::{ImportError, parse, price, without_zeros};
use crate::chat::Parameter;

#[derive(Deserialize)]
struct List {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    context_length: Option<u64>,
    architecture: Option<Architecture>,
    pricing: Prices,
    top_provider: Option<TopProvider>,
    supported_parameters: Option<Vec<String>>,
    expiration_date: Option<String>,
}

#[derive(Deserialize)]
struct Architecture {
    input_modalities: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TopProvider {
    max_completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Prices {
    prompt: Option<Box<RawValue>>,
    completion: Option<Box<RawValue>>,
    input_cache_read: Option<Box<RawValue>>,
    input_cache_write: Option<Box<RawValue>>,
    input_cache_write_1h: Option<Box<RawValue>>,
    internal_reasoning: Option<Box<RawValue>>,
    #[serde(default)]
    overrides: Option<Vec<Override>>,
}

/// Prices that hold under a condition: above so many tokens of prompt, or between two hours of the day.
#[derive(Deserialize)]
struct Override {
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
const POWER: i32 = 15;

pub(super) fn read(text: &str) -> Result<Vec<ModelFacts>, ImportError> {
    let list: List = parse(text)?;
    list.data.into_iter().enumerate().map(|(at, model)| facts(model, at)).collect()
}

/// What a prompt costs above each bound: of all entries that hold there, the later ones win part by part, and what none
/// of them says costs what it costs below.
fn tiers(longer: &[(u64, Price)], base: Price) -> Vec<(u64, Price)> {
    let mut bounds: Vec<u64> = longer.iter().map(|(above, _)| *above).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let at = |bound: u64| {
        let holding = longer.iter().filter(|(above, _)| *above <= bound);
        holding.fold(base, |under, (_, price)| price.over(under))
    };
    bounds.into_iter().map(|bound| (bound, at(bound))).collect()
}

fn facts(model: Model, at: usize) -> Result<ModelFacts, ImportError> {
    let said = &model.pricing;
    let of = |raw: &Option<Box<RawValue>>, name: &str| {
        price(raw.as_deref(), POWER, &format!("data[{at}].pricing.{name}"))
    };
    let base = Price {
        input: of(&said.prompt, "prompt")?,
        cached_input: of(&said.input_cache_read, "input_cache_read")?,
        cache_write: of(&said.input_cache_write, "input_cache_write")?,
        cache_write_1h: of(&said.input_cache_write_1h, "input_cache_write_1h")?,
        output: of(&said.completion, "completion")?,
        reasoning: of(&said.internal_reasoning, "internal_reasoning")?,
    };
    let mut longer: Vec<(u64, Price)> = Vec::new();
    for tier in said.overrides.iter().flatten() {
        // A price that holds on another condition than length is not one that a row can say.
        let by_hour = tier.utc_start.or(tier.utc_end).is_some();
        let Some(above) = tier.min_prompt_tokens.filter(|least| *least >= 0.0 && !by_hour) else { continue };
        let price = Price {
            input: of(&tier.prompt, "overrides.prompt")?,
            cached_input: of(&tier.input_cache_read, "overrides.input_cache_read")?,
            cache_write: of(&tier.input_cache_write, "overrides.input_cache_write")?,
            cache_write_1h: of(&tier.input_cache_write_1h, "overrides.input_cache_write_1h")?,
            output: of(&tier.completion, "overrides.completion")?,
            reasoning: None,
        };
        // A whole number of tokens, which the list writes as a number of any kind.
        longer.push((above as u64, without_zeros(price)));
    }
    let tiers = tiers(&longer, without_zeros(base));
    let mut capabilities = Capabilities::default();
    let mut refuses = Vec::new();
    if let Some(parameters) = &model.supported_parameters {
        let takes = |name: &str| parameters.iter().any(|parameter| parameter == name);
        capabilities.set(Capability::Tools, takes("tools"));
        capabilities.set(Capability::JsonSchema, takes("structured_outputs"));
        capabilities.set(Capability::Reasoning, takes("reasoning"));
        let sampling = [(Parameter::Temperature, "temperature"), (Parameter::TopP, "top_p")];
        refuses.extend(sampling.into_iter().filter(|(_, name)| !takes(name)).map(|(parameter, _)| parameter));
    }
    if let Some(inputs) = model.architecture.and_then(|architecture| architecture.input_modalities) {
        let reads = |name: &str| inputs.iter().any(|input| input == name);
        capabilities.set(Capability::Vision, reads("image"));
        capabilities.set(Capability::Pdf, reads("file"));
        capabilities.set(Capability::Audio, reads("audio"));
    }
    let deprecated = model.expiration_date.filter(|date| date.parse::<jiff::civil::Date>().is_ok());
    Ok(ModelFacts {
        provider: "openrouter".to_owned(),
        model: model.id,
        context_tokens: model.context_length.filter(|tokens| *tokens > 0),
        max_output_tokens: model.top_provider.and_then(|top| top.max_completion_tokens),
        price: Pricing { base: without_zeros(base), tiers },
        refuses,
        capabilities,
        deprecated,
        ..ModelFacts::default()
    })
}
