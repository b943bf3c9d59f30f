//! Texts as vectors.

use super::Usage;

/// Texts that are to become vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddingRequest {
    /// The texts.
    pub texts: Vec<String>,
    /// What the vectors are for, where a vendor tells purposes apart.
    pub purpose: EmbeddingPurpose,
    /// How long the vectors should be, where a vendor leaves the choice.
    pub dimensions: Option<u64>,
}

/// What vectors are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmbeddingPurpose {
    /// To be held against each other.
    #[default]
    Similarity,
    /// To find documents with.
    SearchQuery,
    /// To be found.
    SearchDocument,
}

/// The vectors of texts, in the texts' order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingResponse {
    /// One vector a text.
    pub embeddings: Vec<Vec<f32>>,
    /// Token counts: there is input only.
    pub usage: Usage,
}
