//! Model families. Judges tend to favor models of their own family.

use crate::provider::ModelRef;
use crate::route::Route;

/// Name prefixes, one row per family.
const FAMILY_PREFIXES: [&[&str]; 14] = [
    &["gpt", "chatgpt", "o1", "o3", "o4", "codex"],
    &["claude"],
    &["gemini", "gemma"],
    &["llama"],
    &["mistral", "mixtral", "ministral", "magistral", "codestral", "devstral", "pixtral"],
    &["qwen", "qwq", "qwen2", "qwen3"],
    &["deepseek"],
    &["grok"],
    &["command", "c4ai", "aya"],
    &["nova"],
    &["phi"],
    &["kimi", "moonshot"],
    &["glm"],
    &["minimax"],
];

fn find_family(model: &str) -> Option<usize> {
    let lower = model.to_lowercase();
    let words = || lower.split(|c: char| !c.is_ascii_alphanumeric());
    FAMILY_PREFIXES.iter().position(|names| {
        words().any(|word| {
            names.iter().any(|name| {
                // Names such as `llama3` and `qwen2` have no separator before the number.
                word.strip_prefix(name).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
            })
        })
    })
}

fn is_same_family(a: &ModelRef, b: &ModelRef) -> bool {
    match (find_family(&a.model), find_family(&b.model)) {
        (Some(a), Some(b)) => a == b,
        // For unknown names, compare providers.
        _ => a.provider == b.provider,
    }
}

pub(crate) fn has_common_family(a: &Route, b: &Route) -> bool {
    a.candidates.iter().any(|a| b.candidates.iter().any(|b| is_same_family(&a.model_ref, &b.model_ref)))
}

#[cfg(test)]
mod tests {

    #[test]
    fn same_family_cases() {
        let related = |a: &str, b: &str| super::is_same_family(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(related("openai/gpt-6-luna", "azure/gpt-5"));
        assert!(related("openai/o3", "openrouter/openai/gpt-5"));
        assert!(related("anthropic/claude-haiku-4-5", "bedrock/us.anthropic.claude-sonnet-4-5-v1:0"));
        assert!(related("groq/llama3-70b", "together/meta-llama/Llama-4-Scout"));
        assert!(!related("openrouter/openai/gpt-5", "openrouter/anthropic/claude-opus-5"));
        assert!(!related("gemini/gemini-3.7-flash", "mistral/mistral-large"));
        assert!(related("sim-openai/good", "sim-openai/judge"));
        assert!(!related("sim-openai/good", "sim-anthropic/good"));
        assert!(!related("vllm/gptq-model", "openai/gpt-5"));
    }
}
