//! Simulated embeddings: texts that share words get similar vectors.

use super::seeded_rng::seeded_rng;
use crate::chat::{EmbeddingResponse, TokenCount, Usage};

const DEFAULT_DIMENSIONS: usize = 64;

/// One vector per text: the normalized sum of one seeded direction per word.
pub(super) fn simulate_embeddings(texts: &[String], seed: u64) -> EmbeddingResponse {
    let bytes: usize = texts.iter().map(String::len).sum();
    let usage = Usage { input_tokens: Some(TokenCount::new((bytes as u64).div_ceil(4))), ..Usage::default() };
    EmbeddingResponse { embeddings: texts.iter().map(|text| simulate_embedding(text, seed)).collect(), usage }
}

fn simulate_embedding(text: &str, seed: u64) -> Vec<f32> {
    let mut sum = vec![0.0_f32; DEFAULT_DIMENSIONS];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut direction = seeded_rng(seed, &["vector", &word.to_lowercase()]);
        sum.iter_mut().for_each(|component| *component += direction.f32() - 0.5);
    }
    let length = sum.iter().map(|component| component * component).sum::<f32>().sqrt();
    if length > 0.0 {
        sum.iter_mut().for_each(|component| *component /= length);
    } else {
        // A text without words gets a fixed direction, because a zero vector cannot be normalized.
        sum[0] = 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_words_raise_similarity() {
        let texts = ["the cat sat", "The cat sat!", "a cat sat down", "stock markets fell", "…"];
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let all = simulate_embeddings(&texts, 1).embeddings;
        let similarity = |a: usize, b: usize| all[a].iter().zip(&all[b]).map(|(a, b)| a * b).sum::<f32>();
        assert!(
            similarity(0, 1) > 0.999 && similarity(0, 2) > similarity(0, 3),
            "{} {}",
            similarity(0, 2),
            similarity(0, 3)
        );
        assert!(all.iter().flatten().all(|component| component.is_finite()));
    }
}
