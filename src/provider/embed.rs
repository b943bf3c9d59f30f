//! Embeds texts with one model, in as many requests as its host's batch size requires.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::exchange::{
    MAX_BODY_BYTES, authorize, body_failure, format_seconds, read_error_body, send_failure,
};
use super::limited_body::read_up_to;
use super::outgoing_request::address_request;
use super::redact_secrets::redact_failure;
use super::transport::{IncomingResponse, Transport};
use super::{Hosting, Target};
use crate::chat::{
    EmbeddingRequest, EmbeddingResponse, Failure, FailureClass, FailurePhase, TokenCount, pluralize,
};
use crate::dialect::{EmbeddingCodec, WireResponse, parse_response_headers};

impl Target {
    /// `None` if this model's host does not offer embeddings.
    fn embedding_codec(&self) -> Option<&'static dyn EmbeddingCodec> {
        let hosted = self.dialect.vertex.embeddings.filter(|_| self.provider.hosting == Hosting::Vertex);
        hosted.or(self.dialect.embedding_codec())
    }

    pub fn can_embed(&self) -> bool {
        self.embedding_codec().is_some()
    }
}

/// Embeds texts, in order. `limit` is the time limit of each request.
///
/// # Errors
/// The first failure; `bad_request` if the host does not offer embeddings.
pub(crate) async fn embed_texts(
    transport: &dyn Transport,
    target: &Target,
    request: &EmbeddingRequest,
    limit: Duration,
) -> Result<EmbeddingResponse, Failure> {
    let Some(codec) = target.embedding_codec() else {
        let message = format!("{} does not offer embeddings", target.provider.name);
        return Err(Failure::new(FailureClass::BadRequest, FailurePhase::Connect, message));
    };
    // Embeddings have no output tokens.
    let mut all = EmbeddingResponse::default();
    all.usage.output_tokens = Some(TokenCount::ZERO);
    for texts in request.texts.chunks(codec.max_batch_size(&target.model_ref.model)) {
        let batch = EmbeddingRequest { texts: texts.to_vec(), ..request.clone() };
        let response = timeout(limit, embed_batch(transport, target, codec, &batch, limit))
            .await
            .unwrap_or_else(|_| {
                let message = format!("no embeddings within {}", format_seconds(limit));
                Err(Failure::new(FailureClass::Timeout, FailurePhase::Total, message))
            })?;
        if response.embeddings.len() != texts.len() {
            let message = format!(
                "got {} for {}",
                pluralize(response.embeddings.len(), "embedding"),
                pluralize(texts.len(), "text")
            );
            return Err(Failure::new(FailureClass::Malformed, FailurePhase::Body, message));
        }
        let first = all.embeddings.is_empty();
        let costs = (all.usage.reported_cost_nano_usd, response.usage.reported_cost_nano_usd);
        all.embeddings.extend(response.embeddings);
        let tokens = (all.usage.input_tokens, response.usage.input_tokens);
        // One missing count makes the sum unknown.
        all.usage.input_tokens = match tokens {
            (_, count) if first => count,
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            _ => None,
        };
        all.usage.reported_cost_nano_usd = match costs {
            (_, cost) if first => cost,
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            _ => None,
        };
    }
    Ok(all)
}

async fn embed_batch(
    transport: &dyn Transport,
    target: &Target,
    codec: &dyn EmbeddingCodec,
    request: &EmbeddingRequest,
    limit: Duration,
) -> Result<EmbeddingResponse, Failure> {
    let wire = codec.encode_request(&target.model_ref.model, request, &target.quirks);
    let mut outgoing = address_request(target, wire, false);
    let secrets = authorize(target, &mut outgoing).await?;
    let IncomingResponse { status, headers, mut body } =
        transport.send(outgoing).await.map_err(send_failure)?;
    let mut bytes = Vec::new();
    let answered = (200..300).contains(&status);
    if answered {
        read_up_to(&mut body, &mut bytes, MAX_BODY_BYTES).await.map_err(body_failure)?;
    } else {
        // The caller's `timeout` already enforces the limit.
        read_error_body(&mut body, &mut bytes, Instant::now() + limit).await;
    }
    let reply = WireResponse { status, headers: &headers, body: &bytes };
    let decoded = if answered {
        codec.decode_response(reply, &target.quirks)
    } else {
        Err(target.dialect.client_codec().decode_failure(reply))
    };
    let decoded = decoded.map(|mut response| {
        response.usage.reported_cost_nano_usd =
            response.usage.reported_cost_nano_usd.or(parse_response_headers(&headers).cost_nano_usd);
        response
    });
    decoded.map_err(|failure| redact_failure(failure, &secrets))
}

#[cfg(test)]
mod tests {
    use crate::chat::NanoDollars;
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::provider::scripted_transport::{ScriptedReply, ScriptedTransport};
    use crate::provider::{AuthScheme, ModelRef, built_in_providers};

    async fn run_embed(reply: ScriptedReply, limit: Duration) -> Result<EmbeddingResponse, Failure> {
        let mut row = built_in_providers().unwrap().into_iter().find(|row| row.name == "litellm").unwrap();
        (row.base_url, row.auth) = ("https://a/v1".into(), AuthScheme::None);
        let model_ref = ModelRef { provider: "litellm".into(), model: "m".into() };
        let target =
            Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &|_: &str| None).unwrap();
        let request = EmbeddingRequest { texts: vec!["x".into()], ..EmbeddingRequest::default() };
        embed_texts(&ScriptedTransport::new([("a", vec![reply])]), &target, &request, limit).await
    }

    #[tokio::test(start_paused = true)]
    async fn gateway_cost_header_sets_reported_cost() {
        let body = r#"{"data":[{"index":0,"embedding":[1.0]}],"usage":{"prompt_tokens":1}}"#.to_owned();
        let headers = vec![("x-litellm-response-cost", "0.25".to_owned())];
        let found = run_embed(
            ScriptedReply::Reply { after: Duration::ZERO, status: 200, headers, body },
            Duration::from_secs(9),
        );
        assert_eq!(found.await.unwrap().usage.reported_cost_nano_usd, Some(NanoDollars::new(250_000_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_message_rounds_to_tenths() {
        let failure =
            run_embed(ScriptedReply::Stall { status: 200 }, Duration::from_millis(1250)).await.unwrap_err();
        assert_eq!((failure.class, failure.phase), (FailureClass::Timeout, FailurePhase::Total));
        assert_eq!(failure.message, "no embeddings within 1.3 s");
        let failure =
            run_embed(ScriptedReply::Stall { status: 503 }, Duration::from_secs(9)).await.unwrap_err();
        assert_eq!(failure.status, Some(503), "reading an error's body times out soon");
    }
}
