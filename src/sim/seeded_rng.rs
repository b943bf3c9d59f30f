/// A generator that depends only on the seed and these words, so that every choice is reproducible.
pub(super) fn seeded_rng(seed: u64, words: &[&str]) -> fastrand::Rng {
    // FNV-1a: small, stable across versions and platforms, and good enough to distinguish prompts.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    for word in words {
        for byte in word.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    fastrand::Rng::with_seed(hash)
}
