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

/// Prices under a condition.
#[derive(Deserialize)]
struct Override {
    /// They hold for prompts of strictly more tokens.
    min_prompt_tokens: Option<f64>,
    /// They hold at some hours only.
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
    let base = without_zeros(base);
    let mut conditional = Vec::new();
    for entry in said.overrides.iter().flatten() {
        // A price that holds on another condition than length is not one that a row can say.
        let timed = entry.utc_start.is_some() || entry.utc_end.is_some();
        let Some(above) = entry.min_prompt_tokens.filter(|_| !timed) else { continue };
        conditional.push((above.max(0.0).floor() as u64, entry));
    }
    let mut thresholds: Vec<u64> = conditional.iter().map(|(above, _)| *above).collect();
    thresholds.sort_unstable();
    thresholds.dedup();
    let mut tiers = Vec::new();
    for threshold in thresholds {
        // All entries that hold there, in their order: a later one stands before an earlier one, key by key.
        let mut price = base;
        for (_, entry) in conditional.iter().filter(|(above, _)| *above <= threshold) {
            for (written, name, known) in [
                (&entry.prompt, "prompt", &mut price.input),
                (&entry.input_cache_read, "input_cache_read", &mut price.cached_input),
                (&entry.input_cache_write, "input_cache_write", &mut price.cache_write),
                (&entry.input_cache_write_1h, "input_cache_write_1h", &mut price.cache_write_1h),
                (&entry.completion, "completion", &mut price.output),
            ] {
                if written.is_some() {
                    *known = of(written, &format!("overrides.{name}"))?.filter(|nano| *nano > 0);
                }
            }
        }
        tiers.push((threshold, price));
    }
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
        price: Pricing { base, tiers },
        refuses,
        capabilities,
        deprecated,
        ..ModelFacts::default()
    })
}
