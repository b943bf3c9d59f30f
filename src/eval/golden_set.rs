//! A golden set: cases with what each answer must show.

use std::sync::Arc;

use super::{Cases, Gate};

/// A versioned file of cases, read and checked.
#[derive(Clone, Debug)]
pub struct GoldenSet {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// The file it came from, as the user would name it.
    pub path: String,
    /// That file, and those beside it that have more of its cases.
    pub files: Vec<Arc<str>>,
    /// SHA-256 over its cases' digests; where it compares prompts, over one such digest for each of them.
    pub digest: String,
    /// The subjects that it names itself.
    pub default_subjects: Vec<String>,
    /// Its cases, in the file's order; where it compares prompts, as the first of these asks them.
    pub cases: Cases,
    /// The names of the prompts that it compares; none where it has just one, which needs no name.
    pub prompts: Vec<String>,
    /// How often each case is asked, where that is said.
    pub repeat: Option<u32>,
    /// How many of a case's repeats must pass for the case to pass.
    pub min_pass: Option<u32>,
    /// What it demands of a run, if anything.
    pub gate: Option<Gate>,
}

/// A subject's name in its two halves: a model or route, and the prompt behind `#`, where there is one.
pub fn split_subject_name(name: &str) -> (&str, Option<&str>) {
    name.rsplit_once('#').map_or((name, None), |(model, prompt)| (model, Some(prompt)))
}

impl GoldenSet {
    /// The names of the subjects that one name stands for: itself, or, where the set compares prompts and the name says none
    /// of them, one for each.
    ///
    /// # Errors
    /// In words, when it says a prompt that the set does not have.
    pub fn expand_subject(&self, name: &str) -> Result<Vec<String>, String> {
        let (model, prompt) = split_subject_name(name);
        match prompt {
            None if self.prompts.is_empty() => Ok(vec![name.to_owned()]),
            None => Ok(self.prompts.iter().map(|prompt| format!("{model}#{prompt}")).collect()),
            Some(prompt) if self.prompts.iter().any(|known| known == prompt) => Ok(vec![name.to_owned()]),
            Some(prompt) if self.prompts.is_empty() => {
                Err(format!("{} has no `prompts`, so there is no `{prompt}` to ask `{model}` by", self.path))
            }
            Some(prompt) => {
                let known = self.prompts.join(", ");
                Err(format!("{} has no prompt `{prompt}`; it has {known}", self.path))
            }
        }
    }

    /// Cases of the set as a subject is asked them: by the prompt that its name says.
    pub fn cases_for_subject(&self, subject: &str, cases: &Cases) -> Cases {
        let prompt = split_subject_name(subject).1;
        let place = prompt.and_then(|prompt| self.prompts.iter().position(|known| known == prompt));
        cases.with_prompt(place.unwrap_or(0))
    }
}
