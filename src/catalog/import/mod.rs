//! Catalogues from elsewhere: a file in the shipped columns, OpenRouter's list of models, a models.dev file.
//!
//! All or nothing: a file that is wrong anywhere changes nothing, and the error says where. What a list does not say of
//! a model that is known already (which parameters it refuses, how it is told to think) stays as it was.

mod catalog_change;
mod catalog_csv;
mod models_dev;
mod openrouter;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub use catalog_change::{CatalogChange, diff_catalog};

use super::decimal::parse_scaled_decimal;
use super::{Catalog, ModelFacts, NanoDollars, TokenPrices};

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportedCatalog {
    /// Its models.
    pub models: Vec<ModelFacts>,
    /// Models that were left out: of providers not known here, or with names that no row can hold.
    pub skipped: usize,
}

/// Why a file is no catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {message}")]
pub struct ImportError {
    /// Line, column or path within the file.
    pub location: String,
    /// What is wrong there.
    pub message: String,
}

impl ImportError {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { location: place.into(), message: message.into() }
    }
}

/// Reads a catalogue in any of the three shapes. `known` tells which providers there are, and `catalog` what is known
/// of their models so far.
///
/// # Errors
/// At the first thing that is wrong: its place, and what it is.
pub fn import_catalog(
    text: &str,
    known: &dyn Fn(&str) -> bool,
    catalog: &Catalog,
) -> Result<ImportedCatalog, ImportError> {
    #[derive(serde::Deserialize)]
    struct FormatProbe {
        data: Option<Box<RawValue>>,
    }
    if !text.trim_start().starts_with('{') {
        return catalog_csv::parse(text, known, catalog);
    }
    let top: FormatProbe = parse_json(text)?;
    let all = if top.data.is_some() { openrouter::parse(text)? } else { models_dev::parse(text)? };
    let count = all.len();
    let kept = all.into_iter().filter(|facts| known(&facts.provider) && is_csv_safe(facts));
    let models: Vec<ModelFacts> = kept.map(|facts| fill_from_catalog(facts, catalog)).collect();
    if models.is_empty() {
        return Err(ImportError::new("the whole file", "it holds no model of a provider that is known here"));
    }
    Ok(ImportedCatalog { skipped: count - models.len(), models })
}

fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, ImportError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (line, column) = (error.inner().line(), error.inner().column());
        let said = error.inner().to_string();
        let message = said.rsplit_once(" at line ").map_or(said.as_str(), |(message, _)| message);
        ImportError::new(format!("line {line}, column {column}, at `{}`", error.path()), message)
    })
}

/// Rows have neither commas nor quotes nor line breaks.
fn is_csv_safe(facts: &ModelFacts) -> bool {
    let fits = |name: &str| {
        !name.is_empty() && !name.contains(|c: char| c.is_control() || matches!(c, ',' | '"' | '#'))
    };
    fits(&facts.provider) && fits(&facts.model)
}

/// A price as JSON has it, a number or a string of one, in nano-dollars after `power` decimals. What is below zero
/// (OpenRouter's word for a price that varies) is unknown.
fn parse_price(raw: Option<&RawValue>, power: i32, place: &str) -> Result<Option<NanoDollars>, ImportError> {
    let text = raw.map_or("null", RawValue::get).trim_matches('"').trim();
    if matches!(text, "null" | "") || text.starts_with('-') {
        return Ok(None);
    }
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    if !is_number {
        return Err(ImportError::new(format!("`{place}`"), format!("`{text}` is no price")));
    }
    // Finer than a nano-dollar per million tokens is no price that can be kept exactly.
    Ok(parse_scaled_decimal(text, power))
}

/// Nothing for everything is an unknown price: lists say so of what they cannot price. A part that costs nothing is
/// unknown too.
fn zero_prices_to_unknown(price: TokenPrices) -> TokenPrices {
    let real = |nano: Option<NanoDollars>| nano.filter(|nano| *nano > 0);
    TokenPrices {
        input: real(price.input),
        cached_input: real(price.cached_input),
        cache_write: real(price.cache_write),
        cache_write_1h: real(price.cache_write_1h),
        output: real(price.output),
        reasoning: real(price.reasoning).filter(|nano| price.output != Some(*nano)),
    }
}

/// What a list leaves open, filled from what is known: of the price only where input and output still cost the same.
fn fill_from_catalog(mut facts: ModelFacts, catalog: &Catalog) -> ModelFacts {
    let Some(known) = catalog.find(&facts.provider, &facts.model) else { return facts };
    facts.mode = known.mode;
    facts.context_tokens = facts.context_tokens.or(known.context_tokens);
    facts.max_output_tokens = facts.max_output_tokens.or(known.max_output_tokens);
    facts.reasoning_control = facts.reasoning_control.or(known.reasoning_control);
    facts.retirement_date = facts.retirement_date.or(known.retirement_date);
    if facts.efforts.is_empty() {
        facts.efforts = known.efforts;
    }
    for parameter in known.rejected_parameters {
        if !facts.rejected_parameters.contains(&parameter) {
            facts.rejected_parameters.push(parameter);
        }
    }
    for capability in super::Capability::ALL {
        if let (None, Some(can)) = (facts.capabilities.get(capability), known.capabilities.get(capability)) {
            facts.capabilities.set(capability, can);
        }
    }
    let (new, old) = (facts.pricing.base, known.pricing.base);
    if (new.input, new.output) == (None, None) {
        facts.pricing = known.pricing;
    } else if (new.input, new.output) == (old.input, old.output) {
        facts.pricing.base = new.or(old);
        if facts.pricing.tiers.is_empty() {
            facts.pricing.tiers = known.pricing.tiers;
        }
    }
    facts
}

#[cfg(test)]
mod tests;
