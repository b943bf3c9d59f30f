//! Token counts without a tokenizer.

use crate::chat::{Request, Usage};

/// Tokens of framing that a vendor adds to each turn, generously.
const FRAMING_TOKENS_PER_MESSAGE: u64 = 16;

/// A bound from above for a request's input tokens. Every token of every tokenizer in use stands for at least one byte
/// of text, so bytes bound tokens; most prompts fit their window by this alone, and no more need be known.
pub fn max_input_tokens(request: &Request) -> u64 {
    let turns = request.messages.len() as u64 + 1;
    request.prompt_text_len() as u64 + turns * FRAMING_TOKENS_PER_MESSAGE
}

/// A guess at the tokens of a text: four bytes to the token, as English has it. Shown with a `~`.
pub fn estimate_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// What a picture or a document is guessed to count for. A picture at its vendor's full size comes to 260 to 1,600
/// tokens (https://docs.claude.com/en/docs/build-with-claude/vision, https://ai.google.dev/gemini-api/docs/tokens); how
/// many pages a document has is not looked at.
const TOKENS_PER_ATTACHMENT: u64 = 1500;

/// A guess at the tokens that a request puts in.
pub fn estimate_input_tokens(request: &Request) -> u64 {
    let parts = request.messages.iter().flat_map(|turn| &turn.parts);
    let attached = parts.filter(|part| part.is_attachment()).count() as u64;
    estimate_tokens(request.prompt_text_len()) + attached * TOKENS_PER_ATTACHMENT
}

/// The usage of an exchange that broke off: its whole input, and the output that was seen.
pub fn estimate_usage(request: &Request, output_bytes: usize) -> Usage {
    Usage {
        input_tokens: Some(estimate_input_tokens(request)),
        output_tokens: Some(estimate_tokens(output_bytes)),
        is_estimated: true,
        ..Usage::default()
    }
}
