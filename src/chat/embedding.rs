//! Requests and responses for embeddings.

use super::Usage;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddingRequest {
    pub texts: Vec<String>,
    /// Ignored by providers that do not distinguish purposes.
    pub purpose: EmbeddingPurpose,
    /// Requested vector length; `None` is the model's default.
    pub dimensions: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmbeddingPurpose {
    /// To compare texts with each other.
    #[default]
    Similarity,
    /// The text is a query that searches documents.
    SearchQuery,
    /// The text is a document to be found by queries.
    SearchDocument,
}

/// Embeddings in the order of the request's texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingResponse {
    pub embeddings: Vec<Vec<f32>>,
    /// Only input tokens are counted.
    pub usage: Usage,
}
