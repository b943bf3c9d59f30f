//! Reads a request's body within the limits.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::ServerLimits;

/// How long the rest of a rejected body is read and discarded. Without this, closing the connection could discard
/// the reply before the client reads it.
const DISCARD_TIME: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) enum RequestBodyError {
    TooLarge,
    TimedOut,
    /// The client stopped sending or broke the protocol.
    Broken,
}

/// `announced_bytes` is the length that the client announced, if it did.
pub(super) async fn read_body(
    body: Body,
    announced_bytes: Option<u64>,
    limits: &ServerLimits,
) -> Result<Bytes, RequestBodyError> {
    let mut pieces = body.into_data_stream();
    let max = limits.max_body_bytes;
    if announced_bytes.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |bytes| bytes > max)) {
        discard_rest(pieces).await;
        return Err(RequestBodyError::TooLarge);
    }
    let Some(first) = next_piece(&mut pieces, limits.read_timeout).await? else { return Ok(Bytes::new()) };
    let Some(mut next) = next_piece(&mut pieces, limits.read_timeout).await? else {
        return if first.len() > max { Err(RequestBodyError::TooLarge) } else { Ok(first) };
    };
    let mut whole = Vec::from(first);
    loop {
        if whole.len() + next.len() > max {
            discard_rest(pieces).await;
            return Err(RequestBodyError::TooLarge);
        }
        whole.extend_from_slice(&next);
        match next_piece(&mut pieces, limits.read_timeout).await? {
            Some(piece) => next = piece,
            None => return Ok(whole.into()),
        }
    }
}

async fn next_piece(pieces: &mut BodyDataStream, limit: Duration) -> Result<Option<Bytes>, RequestBodyError> {
    let piece = timeout(limit, pieces.next()).await.map_err(|_| RequestBodyError::TimedOut)?;
    piece.transpose().map_err(|_| RequestBodyError::Broken)
}

async fn discard_rest(mut pieces: BodyDataStream) {
    let read_all = async { while let Some(Ok(_)) = pieces.next().await {} };
    // A client that sends even longer may lose the reply.
    let _ = timeout(DISCARD_TIME, read_all).await;
}
