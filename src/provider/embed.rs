//! Texts to vectors, at one model: as many exchanges as its host needs for them.

use std::time::Duration;

use tokio::time::timeout;

use super::body::read_whole;
use super::exchange::{WHOLE_LIMIT, authorize, redacted, refusal, seconds, unreachable, unread};
use super::request::addressed;
use super::transport::{Incoming, Transport};
use super::{Hosting, Target};
use crate::chat::{EmbeddingRequest, Embeddings, Failure, FailureClass, Phase};
use crate::dialect::{Dialect, Embedder, Reply, VERTEX_EMBEDDER};

impl Target {
    /// How this model's host makes vectors; `None` where it does not.
    fn embedder(&self) -> Option<&'static dyn Embedder> {
        match (self.provider.hosting, self.dialect) {
            (Hosting::Vertex, Dialect::Gemini) => Some(VERTEX_EMBEDDER),
            (_, dialect) => dialect.embedder(),
        }
    }

    /// Whether there is a way to ask this model's host for vectors.
    pub fn embeds(&self) -> bool {
        self.embedder().is_some()
    }
}

/// Turns texts into vectors, in their order. `limit` bounds each exchange.
///
/// # Errors
/// The first failure, by its class; `bad_request` where the host has no vectors.
pub async fn embed(
    transport: &dyn Transport,
    target: &Target,
    request: &EmbeddingRequest,
    limit: Duration,
) -> Result<Embeddings, Failure> {
    let Some(embedder) = target.embedder() else {
        let message = format!("{} has no way to make vectors", target.provider.name);
        return Err(Failure::new(FailureClass::BadRequest, Phase::Connect, message));
    };
    // Nothing comes out but vectors, which nobody counts in tokens.
    let mut all = Embeddings::default();
    all.usage.output_tokens = Some(0);
    for texts in request.texts.chunks(embedder.most_texts(&target.model_ref.model)) {
        let part = EmbeddingRequest { texts: texts.to_vec(), ..request.clone() };
        let found = timeout(limit, once(transport, target, embedder, &part)).await.unwrap_or_else(|_| {
            let message = format!("no vectors within {}", seconds(limit));
            Err(Failure::new(FailureClass::Timeout, Phase::Total, message))
        })?;
        if found.vectors.len() != texts.len() {
            let message = format!("{} vectors came for {} texts", found.vectors.len(), texts.len());
            return Err(Failure::new(FailureClass::Malformed, Phase::Body, message));
        }
        let first = all.vectors.is_empty();
        all.vectors.extend(found.vectors);
        let tokens = (all.usage.input_tokens, found.usage.input_tokens);
        // One count that is missing makes the sum unknown.
        all.usage.input_tokens = match tokens {
            (_, count) if first => count,
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            _ => None,
        };
    }
    Ok(all)
}

async fn once(
    transport: &dyn Transport,
    target: &Target,
    embedder: &dyn Embedder,
    request: &EmbeddingRequest,
) -> Result<Embeddings, Failure> {
    let wire = embedder.encode_request(&target.model_ref.model, request, &target.quirks);
    let mut outgoing = addressed(target, wire, false);
    let secrets = authorize(target, &mut outgoing).await?;
    let Incoming { status, headers, mut body } = transport.send(outgoing).await.map_err(unreachable)?;
    let mut bytes = Vec::new();
    read_whole(&mut body, &mut bytes, WHOLE_LIMIT).await.map_err(unread)?;
    let reply = Reply { status, headers: &headers, body: &bytes };
    let decoded = if (200..300).contains(&status) {
        embedder.decode_response(reply, &target.quirks)
    } else {
        Err(refusal(target, reply))
    };
    decoded.map_err(|failure| redacted(failure, &secrets))
}
