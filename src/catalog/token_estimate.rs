//! Token counts without a tokenizer.

use crate::chat::{Request, TokenCount, Usage};

/// Upper bound of the tokens that a provider adds to each message.
const FRAMING_TOKENS_PER_MESSAGE: TokenCount = TokenCount::new(16);

/// An upper bound of a request's input tokens. In every tokenizer in use, a token covers at least one byte,
/// so the number of bytes is a bound. For most prompts this is enough to know that they fit.
pub(crate) fn max_input_tokens(request: &Request) -> TokenCount {
    let turns = request.messages.len() as u64 + 1;
    let text = TokenCount::new(request.prompt_text_len() as u64);
    text.saturating_add(FRAMING_TOKENS_PER_MESSAGE.saturating_mul(turns))
}

/// Estimates tokens as four bytes each, the average for English. Displayed with a `~`.
pub(crate) fn estimate_tokens(bytes: usize) -> TokenCount {
    TokenCount::new((bytes as u64).div_ceil(4))
}

/// Estimate for an image or document. A full-size image is 260 to 1,600 tokens; the number of pages of a
/// document is not considered. Sources: <https://docs.claude.com/en/docs/build-with-claude/vision> and
/// <https://ai.google.dev/gemini-api/docs/tokens>.
const TOKENS_PER_ATTACHMENT: TokenCount = TokenCount::new(1500);

pub(crate) fn estimate_input_tokens(request: &Request) -> TokenCount {
    let parts = request.messages.iter().flat_map(|turn| &turn.parts);
    let attached = parts.filter(|part| part.is_attachment()).count() as u64;
    estimate_tokens(request.prompt_text_len()).saturating_add(TOKENS_PER_ATTACHMENT.saturating_mul(attached))
}

/// The usage of an interrupted exchange: its whole input and the output received.
pub(crate) fn estimate_usage(request: &Request, output_bytes: usize) -> Usage {
    Usage {
        input_tokens: Some(estimate_input_tokens(request)),
        output_tokens: Some(estimate_tokens(output_bytes)),
        is_estimated: true,
        ..Usage::default()
    }
}
