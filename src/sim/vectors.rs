//! Vectors that mean a little: texts with words in common lie near each other.

use super::seed::draws;
use crate::chat::{Embeddings, Usage};

/// How long a simulated vector is where nobody asks.
const LENGTH: usize = 64;

/// One vector a text: the sum of one direction a word, of length 1.
pub(super) fn vectors(texts: &[String], seed: u64) -> Embeddings {
    let bytes: usize = texts.iter().map(String::len).sum();
    let usage = Usage { input_tokens: Some((bytes as u64).div_ceil(4)), ..Usage::default() };
    Embeddings { vectors: texts.iter().map(|text| vector(text, seed)).collect(), usage }
}

fn vector(text: &str, seed: u64) -> Vec<f32> {
    let mut sum = vec![0.0_f32; LENGTH];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut direction = draws(seed, &["vector", &word.to_lowercase()]);
        sum.iter_mut().for_each(|at| *at += direction.f32() - 0.5);
    }
    let length = sum.iter().map(|at| at * at).sum::<f32>().sqrt();
    if length > 0.0 {
        sum.iter_mut().for_each(|at| *at /= length);
    } else {
        // A text without words lies in a direction of its own.
        sum[0] = 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_words_in_common_are_near() {
        let texts = ["the cat sat", "The cat sat!", "a cat sat down", "stock markets fell", "…"];
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let all = vectors(&texts, 1).vectors;
        let near = |a: usize, b: usize| all[a].iter().zip(&all[b]).map(|(a, b)| a * b).sum::<f32>();
        assert!(near(0, 1) > 0.999 && near(0, 2) > near(0, 3), "{} {}", near(0, 2), near(0, 3));
        assert!(all.iter().flatten().all(|at| at.is_finite()));
    }
}
