use std::sync::Arc;

use super::{Cases, Gate};

/// A golden set, loaded and validated.
#[derive(Clone, Debug)]
pub struct GoldenSet {
    pub name: String,
    pub description: Option<String>,
    /// The path as shown to the user.
    pub path: String,
    /// `path` and the other files that contain cases.
    pub files: Vec<Arc<str>>,
    /// SHA-256 over the digests of its cases; with several prompts, over one such digest per prompt.
    pub digest: String,
    /// The subjects to run if the command names none.
    pub default_subjects: Vec<String>,
    /// In file order, with the first prompt selected.
    pub cases: Cases,
    /// Names of the prompts to compare; empty if the set has a single prompt.
    pub prompts: Vec<String>,
    /// How often each case runs; `None` means once.
    pub repeat: Option<u32>,
    /// How many repeats must pass for a case to pass; `None` counts each repeat separately.
    pub min_pass: Option<u32>,
    pub gate: Option<Gate>,
}

/// Splits a subject name into the model or route and the prompt after `#`, if any.
pub(crate) fn split_subject_name(name: &str) -> (&str, Option<&str>) {
    name.rsplit_once('#').map_or((name, None), |(model, prompt)| (model, Some(prompt)))
}

impl GoldenSet {
    /// Expands a subject name to one name per prompt, if the set compares prompts and the name selects none.
    /// Fails for an unknown prompt.
    pub fn expand_subject(&self, name: &str) -> Result<Vec<String>, String> {
        let (model, prompt) = split_subject_name(name);
        match prompt {
            None if self.prompts.is_empty() => Ok(vec![name.to_owned()]),
            None => Ok(self.prompts.iter().map(|prompt| format!("{model}#{prompt}")).collect()),
            Some(prompt) if self.prompts.iter().any(|known| known == prompt) => Ok(vec![name.to_owned()]),
            Some(prompt) if self.prompts.is_empty() => {
                Err(format!("{} has no `prompts`: unknown prompt `{prompt}` for `{model}`", self.path))
            }
            Some(prompt) => {
                let known = self.prompts.join(", ");
                Err(format!("{} has no prompt `{prompt}`: expected one of {known}", self.path))
            }
        }
    }

    /// The given cases with the subject's prompt selected.
    pub fn cases_for_subject(&self, subject: &str, cases: &Cases) -> Cases {
        let prompt = split_subject_name(subject).1;
        let index = prompt.and_then(|prompt| self.prompts.iter().position(|known| known == prompt));
        cases.with_prompt(index.unwrap_or(0))
    }
}
