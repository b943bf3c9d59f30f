//! Imports a catalog from a file: CSV with the catalog's own columns, OpenRouter's model list, or models.dev.
//! An invalid file changes nothing, and the error says where the problem is. Facts that a list does not
//! contain, such as rejected parameters and reasoning control, keep their known values. Depends on `chat` and
//! the rest of `catalog`.

mod catalog_change;
mod catalog_csv;
mod models_dev;
mod openrouter;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub(crate) use catalog_change::{CatalogChange, diff_catalog};

use super::decimal::parse_scaled_decimal;
use super::{Catalog, ModelFacts, TokenPrices};
use crate::chat::NanoDollars;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ImportedCatalog {
    pub models: Vec<ModelFacts>,
    /// Models of unknown providers, or with names that a row cannot contain.
    pub skipped: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{location}{}{message}", if .location.is_empty() { "" } else { ": " })]
pub(crate) struct ImportError {
    /// Line, column, or path within the file; empty for the whole file.
    pub location: String,
    pub message: String,
}

impl ImportError {
    fn new(location: impl Into<String>, message: impl Into<String>) -> Self {
        Self { location: location.into(), message: message.into() }
    }
}

/// Imports a catalog in any of the three formats. `known` says whether a provider exists; `catalog` supplies
/// facts that the file does not contain.
pub(crate) fn import_catalog(
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
        return Err(ImportError::new("", "no models of a known provider"));
    }
    Ok(ImportedCatalog { skipped: count - models.len(), models })
}

fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, ImportError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (line, column) = (error.inner().line(), error.inner().column());
        let text_with_location = error.inner().to_string();
        let message = text_with_location
            .rsplit_once(" at line ")
            .map_or(text_with_location.as_str(), |(message, _)| message);
        ImportError::new(format!("line {line}, column {column}, at `{}`", error.path()), message)
    })
}

/// Rows cannot contain commas, quotes, or line breaks.
fn is_csv_safe(facts: &ModelFacts) -> bool {
    let fits = |name: &str| {
        !name.is_empty() && !name.contains(|c: char| c.is_control() || matches!(c, ',' | '"' | '#'))
    };
    fits(&facts.provider) && fits(&facts.model)
}

/// A JSON number or string scaled by `10^power` to nano-dollars. Negative prices, which OpenRouter uses for
/// variable ones, are unknown.
fn parse_price(raw: Option<&RawValue>, power: i32, path: &str) -> Result<Option<NanoDollars>, ImportError> {
    let text = raw.map_or("null", RawValue::get).trim_matches('"').trim();
    if matches!(text, "null" | "") || text.starts_with('-') {
        return Ok(None);
    }
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    if !is_number {
        return Err(ImportError::new(format!("`{path}`"), format!("invalid price `{text}`")));
    }
    // A price finer than one nano-dollar per million tokens cannot be stored exactly and becomes unknown.
    Ok(parse_scaled_decimal(text, power).map(NanoDollars::new))
}

/// Lists use zero for prices that they do not know, so zero becomes unknown. A reasoning price equal to the
/// output price is dropped.
fn zero_prices_to_unknown(price: TokenPrices) -> TokenPrices {
    let nonzero = |nano: Option<NanoDollars>| nano.filter(|nano| *nano > NanoDollars::ZERO);
    TokenPrices {
        input: nonzero(price.input),
        cached_input: nonzero(price.cached_input),
        cache_write: nonzero(price.cache_write),
        cache_write_1h: nonzero(price.cache_write_1h),
        output: nonzero(price.output),
        reasoning: nonzero(price.reasoning).filter(|nano| price.output != Some(*nano)),
    }
}

/// Fills missing facts from the catalog. Prices are filled only if input and output prices are unchanged.
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
