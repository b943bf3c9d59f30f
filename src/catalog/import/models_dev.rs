//! A models.dev file: an object of providers, each with its `models`. Prices are in dollars per million tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{Capabilities, Capability, ModelFacts, Price, Pricing};
use super::{ImportError, parse, price, without_zeros};
use crate::chat::Parameter;

/// Providers that models.dev calls otherwise.
const OTHER_NAMES: [(&str, &str); 9] = [
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
struct Provider {
    models: BTreeMap<String, Model>,
}

#[derive(Deserialize)]
struct Model {
    reasoning: Option<bool>,
    tool_call: Option<bool>,
    structured_output: Option<bool>,
    temperature: Option<bool>,
    modalities: Option<Modalities>,
    limit: Option<Limit>,
    cost: Option<Prices>,
}

#[derive(Deserialize)]
struct Modalities {
    input: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Limit {
    context: Option<u64>,
    output: Option<u64>,
}

#[derive(Deserialize)]
struct Prices {
    input: Option<Box<RawValue>>,
    output: Option<Box<RawValue>>,
    reasoning: Option<Box<RawValue>>,
    cache_read: Option<Box<RawValue>>,
    cache_write: Option<Box<RawValue>>,
    context_over_200k: Option<Box<Prices>>,
}

/// From dollars per million tokens to nano-dollars.
const POWER: i32 = 9;

pub(super) fn read(text: &str) -> Result<Vec<ModelFacts>, ImportError> {
    let providers: BTreeMap<String, Provider> = parse(text)?;
    let mut all = Vec::new();
    for (name, provider) in providers {
        let ours = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name.as_str(), |(_, o)| o);
        for (id, model) in provider.models {
            let place = format!("{name}.models.{id}.cost");
            all.push(facts(ours, id, model, &place)?);
        }
    }
    Ok(all)
}

fn facts(provider: &str, id: String, model: Model, place: &str) -> Result<ModelFacts, ImportError> {
    let mut pricing = Pricing::default();
    if let Some(cost) = &model.cost {
        pricing.base = prices(cost, place)?;
        if let Some(long) = &cost.context_over_200k {
            pricing.tiers.push((200_000, prices(long, &format!("{place}.context_over_200k"))?));
        }
    }
    let mut capabilities = Capabilities::default();
    let said = [
        (Capability::Tools, model.tool_call),
        (Capability::JsonSchema, model.structured_output),
        (Capability::Reasoning, model.reasoning),
    ];
    for (capability, can) in said {
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
        Some(false) => vec![Parameter::Temperature, Parameter::TopP],
        Some(true) | None => Vec::new(),
    };
    let limit = |read: fn(&Limit) -> Option<u64>| model.limit.as_ref().and_then(read).filter(|n| *n > 0);
    Ok(ModelFacts {
        provider: provider.to_owned(),
        model: id,
        context_tokens: limit(|limit| limit.context),
        max_output_tokens: limit(|limit| limit.output),
        price: pricing,
        refuses,
        capabilities,
        ..ModelFacts::default()
    })
}

fn prices(cost: &Prices, place: &str) -> Result<Price, ImportError> {
    let of =
        |raw: &Option<Box<RawValue>>, name: &str| price(raw.as_deref(), POWER, &format!("{place}.{name}"));
    Ok(without_zeros(Price {
        input: of(&cost.input, "input")?,
        cached_input: of(&cost.cache_read, "cache_read")?,
        cache_write: of(&cost.cache_write, "cache_write")?,
        cache_write_1h: None,
        output: of(&cost.output, "output")?,
        reasoning: of(&cost.reasoning, "reasoning")?,
    }))
}
