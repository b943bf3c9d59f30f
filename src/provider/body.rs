//! Reading a body whole.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// Why a body is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyError<E> {
    /// The connection broke.
    ConnectionLost(E),
    /// It is longer than anybody wants it.
    TooLong,
}

/// Reads a body up to a limit, in bytes. What had come by an error, or by the end of a caller's patience, is in `bytes`.
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
