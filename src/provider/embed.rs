//! Texts to vectors, at one model: as many exchanges as its host needs for them.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::body::read_whole;
use super::exchange::{WHOLE_LIMIT, authorize, read_error, seconds, unreachable, unread};
use super::redaction::redacted;
use super::request::addressed;
use super::transport::{Incoming, Transport};
use super::{Hosting, Target};
use crate::chat::{EmbeddingRequest, Embeddings, Failure, FailureClass, Phase, counted};
use crate::dialect::{Dialect, Embedder, Reply, VERTEX_EMBEDDER, account};

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
        let found =
            timeout(limit, once(transport, target, embedder, &part, limit)).await.unwrap_or_else(|_| {
                let message = format!("no vectors within {}", seconds(limit));
                Err(Failure::new(FailureClass::Timeout, Phase::Total, message))
            })?;
        if found.vectors.len() != texts.len() {
            let message = format!(
                "{} came for {}",
                counted(found.vectors.len(), "vector"),
                counted(texts.len(), "text")
            );
            return Err(Failure::new(FailureClass::Malformed, Phase::Body, message));
        }
        let first = all.vectors.is_empty();
        let costs = (all.usage.reported_cost, found.usage.reported_cost);
        all.vectors.extend(found.vectors);
        let tokens = (all.usage.input_tokens, found.usage.input_tokens);
        // One count that is missing makes the sum unknown.
        all.usage.input_tokens = match tokens {
            (_, count) if first => count,
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            _ => None,
        };
        all.usage.reported_cost = match costs {
            (_, cost) if first => cost,
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
    limit: Duration,
) -> Result<Embeddings, Failure> {
    let wire = embedder.encode_request(&target.model_ref.model, request, &target.quirks);
    let mut outgoing = addressed(target, wire, false);
    let secrets = authorize(target, &mut outgoing).await?;
    let Incoming { status, headers, mut body } = transport.send(outgoing).await.map_err(unreachable)?;
    let mut bytes = Vec::new();
    let answered = (200..300).contains(&status);
    if answered {
        read_whole(&mut body, &mut bytes, WHOLE_LIMIT).await.map_err(unread)?;
    } else {
        // The caller's limit is around all of this.
        read_error(&mut body, &mut bytes, Instant::now() + limit).await;
    }
    let reply = Reply { status, headers: &headers, body: &bytes };
    let decoded = if answered {
        embedder.decode_response(reply, &target.quirks)
    } else {
        Err(target.dialect.client().decode_failure(reply))
    };
    let decoded = decoded.map(|mut found| {
        found.usage.reported_cost = found.usage.reported_cost.or(account(&headers).cost);
        found
    });
    decoded.map_err(|failure| redacted(failure, &secrets))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::provider::scripted::{Scene, Scripted};
    use crate::provider::{Auth, ModelRef, built_in_providers};

    async fn ask(scene: Scene, limit: Duration) -> Result<Embeddings, Failure> {
        let mut row = built_in_providers().into_iter().find(|row| row.name == "litellm").unwrap();
        (row.base_url, row.auth) = ("https://a/v1".into(), Auth::None);
        let model_ref = ModelRef { provider: "litellm".into(), model: "m".into() };
        let target =
            Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &|_: &str| None).unwrap();
        let request = EmbeddingRequest { texts: vec!["x".into()], ..EmbeddingRequest::default() };
        embed(&Scripted::new([("a", vec![scene])]), &target, &request, limit).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateways_cost_is_taken_from_its_headers() {
        let body = r#"{"data":[{"index":0,"embedding":[1.0]}],"usage":{"prompt_tokens":1}}"#.to_owned();
        let headers = vec![("x-litellm-response-cost", "0.25".to_owned())];
        let found =
            ask(Scene::Reply { after: Duration::ZERO, status: 200, headers, body }, Duration::from_secs(9));
        assert_eq!(found.await.unwrap().usage.reported_cost, Some(250_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_told_to_the_tenth() {
        let failure = ask(Scene::Stall { status: 200 }, Duration::from_millis(1250)).await.unwrap_err();
        assert_eq!((failure.class, failure.phase), (FailureClass::Timeout, Phase::Total));
        assert_eq!(failure.message, "no vectors within 1.3 s");
        let failure = ask(Scene::Stall { status: 503 }, Duration::from_secs(9)).await.unwrap_err();
        assert_eq!(failure.status, Some(503), "an error's body is not waited for long");
    }
}
