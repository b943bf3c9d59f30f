//! Chance that can be had again: every draw comes from the seed and the words it is about.

/// A generator whose draws depend on these words alone.
pub(super) fn seeded_rng(seed: u64, words: &[&str]) -> fastrand::Rng {
    // FNV-1a, by its definition: tiny, stable across versions and machines, and good enough to tell prompts apart.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    for word in words {
        for byte in word.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    fastrand::Rng::with_seed(hash)
}
