//! SHA-256, as it is written: `sha256:` and hexadecimal digits.

use sha2::{Digest, Sha256};

/// The digest of some pieces, in order.
pub(super) fn sha256(pieces: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
