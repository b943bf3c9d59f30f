//! Reads a body up to a size limit.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyError<E> {
    ConnectionLost(E),
    TooLong,
}

/// Reads a body up to `limit` bytes. After an error or a timeout, `bytes` contains what was read so far.
pub(super) async fn read_up_to<E>(
    body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    bytes: &mut Vec<u8>,
    limit: usize,
) -> Result<(), BodyError<E>> {
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(BodyError::ConnectionLost)?);
        if bytes.len() > limit {
            return Err(BodyError::TooLong);
        }
    }
    Ok(())
}
