//! A models.dev file: an object of providers, each with its `models`. Prices are dollars per million tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{Capabilities, Capability, ModelFacts, Pricing, TokenPrices};
use super::{ImportError, parse_json, parse_price, zero_prices_to_unknown};
use crate::chat::{RequestParameter, TokenCount};

/// Providers with another name in models.dev.
const PROVIDER_NAMES: [(&str, &str); 9] = [
    ("google", "gemini"),
    ("google-vertex", "vertex"),
    ("amazon-bedrock", "bedrock"),
    ("togetherai", "together"),
    ("fireworks-ai", "fireworks"),
    ("alibaba", "dashscope"),
    ("moonshotai", "moonshot"),
    ("zhipuai", "zai"),
    ("cloudflare-workers-ai", "cloudflare"),
];

#[derive(Deserialize)]
struct ModelsDevProvider {
    models: BTreeMap<String, ModelsDevModel>,
}

#[derive(Deserialize)]
struct ModelsDevModel {
    reasoning: Option<bool>,
    tool_call: Option<bool>,
    structured_output: Option<bool>,
    temperature: Option<bool>,
    modalities: Option<ModelsDevModalities>,
    limit: Option<ModelsDevLimits>,
    cost: Option<ModelsDevPrices>,
}

#[derive(Deserialize)]
struct ModelsDevModalities {
    input: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ModelsDevLimits {
    context: Option<TokenCount>,
    output: Option<TokenCount>,
}

#[derive(Deserialize)]
struct ModelsDevPrices {
    input: Option<Box<RawValue>>,
    output: Option<Box<RawValue>>,
    reasoning: Option<Box<RawValue>>,
    cache_read: Option<Box<RawValue>>,
    cache_write: Option<Box<RawValue>>,
    context_over_200k: Option<Box<ModelsDevPrices>>,
}

/// From dollars per million tokens to nano-dollars.
const PRICE_EXPONENT: i32 = 9;

pub(super) fn parse(text: &str) -> Result<Vec<ModelFacts>, ImportError> {
    let providers: BTreeMap<String, ModelsDevProvider> = parse_json(text)?;
    let mut all = Vec::new();
    for (name, provider) in providers {
        let ours =
            PROVIDER_NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name.as_str(), |(_, o)| o);
        for (id, model) in provider.models {
            let path = format!("{name}.models.{id}.cost");
            all.push(to_model_facts(ours, id, model, &path)?);
        }
    }
    Ok(all)
}

fn to_model_facts(
    provider: &str,
    id: String,
    model: ModelsDevModel,
    path: &str,
) -> Result<ModelFacts, ImportError> {
    let mut pricing = Pricing::default();
    if let Some(cost) = &model.cost {
        pricing.base = to_token_prices(cost, path)?;
        if let Some(long) = &cost.context_over_200k {
            pricing.tiers.push((
                TokenCount::new(200_000),
                to_token_prices(long, &format!("{path}.context_over_200k"))?,
            ));
        }
    }
    let mut capabilities = Capabilities::default();
    let known = [
        (Capability::Tools, model.tool_call),
        (Capability::JsonSchema, model.structured_output),
        (Capability::Reasoning, model.reasoning),
    ];
    for (capability, can) in known {
        if let Some(can) = can {
            capabilities.set(capability, can);
        }
    }
    if let Some(inputs) = model.modalities.and_then(|modalities| modalities.input) {
        let reads = |name: &str| inputs.iter().any(|input| input == name);
        capabilities.set(Capability::Vision, reads("image"));
        capabilities.set(Capability::Pdf, reads("pdf"));
        capabilities.set(Capability::Audio, reads("audio"));
    }
    let refuses = match model.temperature {
        Some(false) => vec![RequestParameter::Temperature, RequestParameter::TopP],
        Some(true) | None => Vec::new(),
    };
    let limit = |read: fn(&ModelsDevLimits) -> Option<TokenCount>| {
        model.limit.as_ref().and_then(read).filter(|n| *n > TokenCount::ZERO)
    };
    Ok(ModelFacts {
        provider: provider.to_owned(),
        model: id,
        context_tokens: limit(|limit| limit.context),
        max_output_tokens: limit(|limit| limit.output),
        pricing,
        rejected_parameters: refuses,
        capabilities,
        ..ModelFacts::default()
    })
}

fn to_token_prices(cost: &ModelsDevPrices, path: &str) -> Result<TokenPrices, ImportError> {
    let parse_field = |raw: &Option<Box<RawValue>>, name: &str| {
        parse_price(raw.as_deref(), PRICE_EXPONENT, &format!("{path}.{name}"))
    };
    Ok(zero_prices_to_unknown(TokenPrices {
        input: parse_field(&cost.input, "input")?,
        cached_input: parse_field(&cost.cache_read, "cache_read")?,
        cache_write: parse_field(&cost.cache_write, "cache_write")?,
        cache_write_1h: None,
        output: parse_field(&cost.output, "output")?,
        reasoning: parse_field(&cost.reasoning, "reasoning")?,
    }))
}
