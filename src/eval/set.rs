//! A golden set: cases with what each answer must show.

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
    /// Its cases, in the file's order.
    pub cases: Vec<Case>,
    /// How often each case is asked, where that is said.
    pub repeat: Option<u32>,
    /// How many of a case's repeats must pass for the case to pass.
    pub min_pass: Option<u32>,
    /// What it demands of a run, if anything.
    pub gate: Option<Gate>,
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
    }
}
