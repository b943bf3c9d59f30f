//! A golden set: cases with what each answer must show.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Asked, Assertion, Digest, Gate};
use crate::chat::Request;

/// A versioned file of cases, read and rendered.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// The file it came from, as the user would name it.
    pub path: String,
    /// SHA-256 over its cases' digests.
    pub digest: String,
    /// The subjects that it names itself.
    pub models: Vec<String>,
    /// Its cases, in the file's order; where it compares prompts, as the first of these asks them.
    pub cases: Vec<Case>,
    /// The prompts that it compares; none where it has just one, which needs no name.
    pub prompts: Vec<SetPrompt>,
    /// How often each case is asked, where that is said.
    pub repeat: Option<u32>,
    /// How many of a case's repeats must pass for the case to pass.
    pub min_pass: Option<u32>,
    /// What it demands of a run, if anything.
    pub gate: Option<Gate>,
}

/// One of several prompts that a set compares.
#[derive(Clone, Debug)]
pub struct SetPrompt {
    /// Its name.
    pub name: String,
    /// The set's cases as it asks them, in the same order, with the same ids and other digests.
    pub cases: Vec<Case>,
}

/// A subject's name in its two halves: a model or route, and the prompt behind `#`, where there is one.
pub fn subject_halves(name: &str) -> (&str, Option<&str>) {
    name.rsplit_once('#').map_or((name, None), |(model, prompt)| (model, Some(prompt)))
}

impl Set {
    /// The names of the subjects that one name stands for: itself, or, where the set compares prompts and the name says none
    /// of them, one for each.
    ///
    /// # Errors
    /// In words, when it says a prompt that the set does not have.
    pub fn subjects(&self, name: &str) -> Result<Vec<String>, String> {
        let (model, prompt) = subject_halves(name);
        match prompt {
            None if self.prompts.is_empty() => Ok(vec![name.to_owned()]),
            None => Ok(self.prompts.iter().map(|prompt| format!("{model}#{}", prompt.name)).collect()),
            Some(prompt) if self.prompts.iter().any(|known| known.name == prompt) => {
                Ok(vec![name.to_owned()])
            }
            Some(prompt) if self.prompts.is_empty() => {
                Err(format!("{} has no `prompts`, so there is no `{prompt}` to ask `{model}` by", self.path))
            }
            Some(prompt) => {
                let known: Vec<&str> = self.prompts.iter().map(|prompt| prompt.name.as_str()).collect();
                Err(format!("{} has no prompt `{prompt}`; it has {}", self.path, known.join(", ")))
            }
        }
    }

    /// These cases as a prompt of the set asks them.
    pub fn asked_by(&self, prompt: &str, cases: &[Case]) -> Vec<Case> {
        let Some(prompt) = self.prompts.iter().find(|known| known.name == prompt) else { return Vec::new() };
        let wanted: HashSet<&str> = cases.iter().map(|case| &*case.id).collect();
        prompt.cases.iter().filter(|case| wanted.contains(&*case.id)).cloned().collect()
    }
}

/// One input with what its answer must show. A set may have very many of them: each holds its own words, and shares the rest.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name within the set.
    pub id: Box<str>,
    /// The digest of its rendered prompt, request, reference and assertions: its identity across edits of the file.
    pub digest: Digest,
    /// What is asked.
    pub asked: Asked,
    /// A right answer.
    pub reference: Option<Box<str>>,
    /// Words to choose cases by.
    pub tags: Arc<Vec<String>>,
    /// What it stands or falls with: cases of one cluster are no independent trials.
    pub cluster: Option<Box<str>>,
    /// What the answer must show.
    pub assertions: Arc<Vec<Arc<Assertion>>>,
    /// Where it is written, if that is known.
    pub written: Option<Written>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file, as the user would name it.
    pub path: Arc<str>,
    /// The line, from 1.
    pub line: u64,
}

impl Case {
    /// What is asked.
    pub fn request(&self) -> Request {
        self.asked.request()
    }
}

/// A case of that name which asks nothing in particular.
#[cfg(test)]
pub(super) fn case(id: &str) -> Case {
    Case {
        id: id.into(),
        digest: Digest::of([id]),
        asked: super::Sharing::default().asked(Request::prompt("q")),
        reference: None,
        tags: Arc::default(),
        cluster: None,
        assertions: Arc::default(),
        written: None,
    }
}
