//! The catalogue as a table.

use serde_json::{Value, json};

use super::table::table;
use crate::catalog::ModelFacts;

/// A model with whether it could be called now.
#[derive(Clone, Debug)]
pub struct ModelRow {
    /// What is known of it.
    pub facts: ModelFacts,
    /// Whether its provider's key is set, or it needs none.
    pub ready: bool,
    /// Whether it is the simulator's.
    pub simulated: bool,
}

/// Models with windows and prices in dollars per million tokens.
pub fn models_table(rows: &[ModelRow], width: usize) -> String {
    let header = ["model", "window", "most out", "$ in", "$ cached", "$ out", "key"];
    let mut table = table(width, &header, &[1, 2, 3, 4, 5]);
    for row in rows {
        let facts = &row.facts;
        let count = |tokens: Option<u64>| tokens.map_or_else(|| "?".to_owned(), thousands);
        let price =
            |nano: Option<u64>| nano.map_or_else(|| "?".to_owned(), |nano| format!("{}", nano as f64 / 1e9));
        let key = match (row.simulated, row.ready) {
            (true, _) => "simulated",
            (false, true) => "ready",
            (false, false) => "not set",
        };
        table.add_row([
            format!("{}/{}", facts.provider, facts.model),
            count(facts.context_tokens),
            count(facts.max_output_tokens),
            price(facts.price.base.input),
            price(facts.price.base.cached_input),
            price(facts.price.base.output),
            key.to_owned(),
        ]);
    }
    format!("{table}\n")
}

/// The same as JSON.
pub fn models_json(rows: &[ModelRow], date: &str) -> Value {
    let usd = |nano: Option<u64>| nano.map(|nano| nano as f64 / 1e9);
    let models: Vec<Value> = rows
        .iter()
        .map(|row| {
            let facts = &row.facts;
            json!({
                "provider": facts.provider, "model": facts.model, "context_tokens": facts.context_tokens,
                "max_output_tokens": facts.max_output_tokens, "reasoning": facts.supports(crate::catalog::Capability::Reasoning) == Some(true),
                "price_usd_per_million": {"input": usd(facts.price.base.input), "cached_input": usd(facts.price.base.cached_input),
                    "cache_write": usd(facts.price.base.cache_write), "output": usd(facts.price.base.output)},
                "tiers": facts.price.tiers.iter().map(|(above, price)| json!({"above_input_tokens": above,
                    "input": usd(price.input), "cached_input": usd(price.cached_input),
                    "cache_write": usd(price.cache_write), "output": usd(price.output)})).collect::<Vec<_>>(),
                "refuses": facts.refuses.iter().map(|p| p.name()).collect::<Vec<_>>(), "deprecated": facts.deprecated,
                "ready": row.ready, "simulated": row.simulated,
            })
        })
        .collect();
    json!({"schema": "slalom.models/1", "catalogue_date": date, "models": models})
}

/// `1,048,576`.
fn thousands(number: u64) -> String {
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
