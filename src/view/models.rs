//! The catalog as a table and as JSON.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::catalog_changes::format_price;
use super::table::{BORDERLESS_WIDTH, new_table};
use crate::catalog::{Capability, Catalog, Lifecycle, ModelFacts, ModelMode, ReasoningControl, TokenPrices};
use crate::chat::{NanoDollars, TokenCount};

#[derive(Clone, Debug)]
pub(crate) struct ModelRow {
    pub facts: ModelFacts,
    /// Whether the provider's key is set or not needed.
    pub is_ready: bool,
    pub is_simulated: bool,
}

/// From this width on, capabilities are shown.
const CAPABILITIES_WIDTH: usize = 150;

/// Models with context windows and prices in dollars per million tokens. Narrow tables omit columns, so that
/// names are not broken.
pub(crate) fn models_table(rows: &[ModelRow], today: Date, width: usize) -> String {
    let is_wide = width >= BORDERLESS_WIDTH;
    let shows_shutdown = is_wide && rows.iter().any(|row| row.facts.retirement_date.is_some());
    let mut header = vec!["model", "context", "$ in", "$ out"];
    header.extend(is_wide.then_some(["$ cached", "max output"]).into_iter().flatten());
    header.extend(shows_shutdown.then_some("shutdown"));
    header.extend((width >= CAPABILITIES_WIDTH).then_some("capabilities"));
    header.push("key");
    let numbers: &[usize] = if is_wide { &[1, 2, 3, 4, 5] } else { &[1, 2, 3] };
    let mut table = new_table(width, &header, numbers);
    for row in rows {
        let facts = &row.facts;
        let count = |tokens: Option<TokenCount>| tokens.map_or_else(|| "?".to_owned(), format_thousands);
        let key = match (row.is_simulated, row.is_ready) {
            (true, _) => "simulated",
            (false, true) => "ready",
            (false, false) => "not set",
        };
        let mut cells = vec![
            format!("{}/{}", facts.provider, facts.model),
            count(facts.context_tokens),
            format_price(facts.pricing.base.input),
            format_price(facts.pricing.base.output),
        ];
        if is_wide {
            cells.extend([format_price(facts.pricing.base.cached_input), count(facts.max_output_tokens)]);
        }
        cells.extend(shows_shutdown.then(|| format_end_date(facts, today)));
        cells.extend((width >= CAPABILITIES_WIDTH).then(|| describe_capabilities(facts)));
        cells.push(key.to_owned());
        table.add_row(cells);
    }
    format!("{table}\n")
}

/// The retirement date, marked if it is near or past.
fn format_end_date(facts: &ModelFacts, today: Date) -> String {
    let Some(date) = facts.retirement_date else { return String::new() };
    match facts.lifecycle_on(today) {
        Lifecycle::Active => date.to_string(),
        Lifecycle::RetiringSoon => format!("{date} (soon)"),
        Lifecycle::Retired => format!("{date} (past)"),
    }
}

fn describe_capabilities(facts: &ModelFacts) -> String {
    if facts.mode == ModelMode::Embedding {
        return "embeddings".to_owned();
    }
    facts.capabilities.supported().map(Capability::name).collect::<Vec<_>>().join(" ")
}

pub(crate) fn models_json(rows: &[ModelRow], catalog: &Catalog, today: Date) -> Value {
    let models: Vec<Value> = rows.iter().map(|row| model_json(row, today)).collect();
    json!({
        "schema": "slalom.models/1", "catalogue_date": catalog.as_of().to_string(), "count": models.len(),
        "fetched_models": catalog.fetched().map(|updated| updated.all().count()), "models": models,
    })
}

fn model_json(row: &ModelRow, today: Date) -> Value {
    let facts = &row.facts;
    let tier = |(above, price): &(TokenCount, TokenPrices)| {
        let mut tier = price_json(price);
        tier["above_input_tokens"] = json!(above);
        tier
    };
    let known = Capability::ALL.into_iter().filter_map(|capability| {
        Some((capability.name().to_owned(), Value::Bool(facts.supports(capability)?)))
    });
    json!({
        "provider": facts.provider, "model": facts.model, "mode": facts.mode.name(),
        "context_tokens": facts.context_tokens, "max_output_tokens": facts.max_output_tokens,
        "reasoning": facts.supports(Capability::Reasoning), "supports": known.collect::<serde_json::Map<_, _>>(),
        "efforts": facts.efforts.iter().map(|effort| effort.as_str()).collect::<Vec<_>>(),
        "thinking": facts.reasoning_control.map(ReasoningControl::name),
        "price_usd_per_million": price_json(&facts.pricing.base),
        "tiers": facts.pricing.tiers.iter().map(tier).collect::<Vec<_>>(),
        "refuses": facts.rejected_parameters.iter().map(|p| p.flag_name()).collect::<Vec<_>>(),
        "deprecated": facts.retirement_date.map(|date| date.to_string()), "past_deprecation": facts.lifecycle_on(today) == Lifecycle::Retired,
        "ready": row.is_ready, "simulated": row.is_simulated,
    })
}

fn price_json(price: &TokenPrices) -> Value {
    let usd = |amount: Option<NanoDollars>| amount.map(NanoDollars::to_usd);
    json!({
        "input": usd(price.input), "cached_input": usd(price.cached_input), "cache_write": usd(price.cache_write),
        "cache_write_1h": usd(price.cache_write_1h), "output": usd(price.output),
        "reasoning": usd(price.reasoning.or(price.output)),
    })
}

/// `1,048,576`.
fn format_thousands(number: TokenCount) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
