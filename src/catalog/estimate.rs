//! Token counts without a tokenizer.

use crate::chat::{Request, Usage};

/// Tokens of framing that a vendor adds to each turn, generously.
const FRAMING: u64 = 16;

/// A bound from above for a request's input tokens. Every token of every tokenizer in use stands for at least one byte
/// of text, so bytes bound tokens; most prompts fit their window by this alone, and no more need be known.
pub fn most_tokens(request: &Request) -> u64 {
    let turns = request.messages.len() as u64 + 1;
    request.text_bytes() as u64 + turns * FRAMING
}

/// A guess at the tokens of a text: four bytes to the token, as English has it. Shown with a `~`.
pub fn estimated_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// What a picture or a document is guessed to count for. A picture at its vendor's full size comes to 260 to 1,600
/// tokens (https://docs.claude.com/en/docs/build-with-claude/vision, https://ai.google.dev/gemini-api/docs/tokens); how
/// many pages a document has is not looked at.
const ATTACHED: u64 = 1500;

/// A guess at the tokens that a request puts in.
pub fn estimated_input(request: &Request) -> u64 {
    let parts = request.messages.iter().flat_map(|turn| &turn.parts);
    let attached = parts.filter(|part| part.is_attachment()).count() as u64;
    estimated_tokens(request.text_bytes()) + attached * ATTACHED
}

/// The usage of an exchange that broke off: its whole input, and the output that was seen.
pub fn estimated_usage(request: &Request, output_bytes: usize) -> Usage {
    Usage {
        input_tokens: Some(estimated_input(request)),
        output_tokens: Some(estimated_tokens(output_bytes)),
        estimated: true,
        ..Usage::default()
    }
}
