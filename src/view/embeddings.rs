//! Vectors, as lines and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::format::{counted, milliseconds, money, seconds};
use crate::catalog::Cost;
use crate::chat::Embeddings;
use crate::provider::Target;

/// A vector a line.
pub fn embeddings_lines(embeddings: &Embeddings) -> String {
    let line = |vector: &Vec<f32>| format!("{}\n", json!(vector));
    embeddings.vectors.iter().map(line).collect()
}

/// The object `slalom.embeddings/1`.
pub fn embeddings_json(target: &Target, embeddings: &Embeddings, cost: Cost, latency: Duration) -> Value {
    json!({
        "schema": "slalom.embeddings/1", "provider": target.model_ref.provider, "model": target.model_ref.model,
        "vectors": embeddings.vectors, "input_tokens": embeddings.usage.input_tokens, "cost_usd": cost.usd(),
        "cost_source": cost.source.name(), "latency_ms": milliseconds(latency),
        "simulated": target.provider.simulated,
    })
}

/// The one line after the vectors.
pub fn embeddings_footer(target: &Target, embeddings: &Embeddings, cost: Cost, latency: Duration) -> String {
    let length = embeddings.vectors.first().map_or(0, Vec::len);
    let tokens = embeddings.usage.input_tokens.map_or_else(|| "?".to_owned(), |tokens| tokens.to_string());
    let simulated = if target.provider.simulated { " (simulated)" } else { "" };
    format!(
        "{}{simulated} · {} of {length} · {tokens} in · {} · {}",
        target.model_ref,
        counted(embeddings.vectors.len(), "vector"),
        money(cost),
        seconds(latency)
    )
}
