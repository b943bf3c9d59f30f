//! Sends frames over time, and ends the connection in the way that a fault asks for.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    Closed,
    Reset,
    Stalled,
}

/// Skips the timer for zero, because it waits at least one millisecond.
pub(super) async fn sleep_unless_zero(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Sends the frames spread evenly over `duration`; if it is zero, as one chunk.
pub(super) fn stream_over_time(
    frames: Vec<Vec<u8>>,
    duration: Duration,
    ending: ConnectionEnd,
) -> BoxStream<'static, io::Result<Bytes>> {
    let pieces = if duration.is_zero() { vec![frames.concat()] } else { frames };
    let pause = duration / u32::try_from(pieces.len().max(1)).unwrap_or(u32::MAX);
    let sent = stream::iter(pieces).then(move |piece| async move {
        sleep_unless_zero(pause).await;
        Ok(Bytes::from(piece))
    });
    let last = match ending {
        ConnectionEnd::Closed => stream::empty().boxed(),
        ConnectionEnd::Stalled => stream::pending().boxed(),
        // The pause lets the sent bytes arrive before the connection is reset.
        ConnectionEnd::Reset => stream::once(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Err(io::Error::other("cut on purpose"))
        })
        .boxed(),
    };
    sent.chain(last).boxed()
}
