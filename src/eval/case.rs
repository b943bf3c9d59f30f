//! One case of a golden set.

use std::sync::Arc;

use super::{Assertion, Digest};
use crate::chat::Request;

/// What tells a case from the others.
#[derive(Clone, Debug)]
pub struct CaseMetadata {
    /// Its name within the set.
    pub id: Box<str>,
    /// The digest of its rendered prompt, request, reference and assertions: its identity across edits of the file.
    pub digest: Digest,
    /// Words to choose cases by.
    pub tags: Vec<String>,
    /// What it stands or falls with: cases of one cluster are no independent trials.
    pub cluster: Option<Box<str>>,
}

/// One input with what its answer must show.
#[derive(Clone, Debug)]
pub struct Case {
    /// What tells it from the others.
    pub metadata: CaseMetadata,
    /// What is asked.
    pub request: Request,
    /// A right answer.
    pub reference: Option<String>,
    /// What the answer must show.
    pub assertions: Vec<Assertion>,
    /// Where it is written, if that is known.
    pub location: Option<SourceLocation>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file, as the user would name it.
    pub path: Arc<str>,
    /// The line, from 1.
    pub line: u64,
}

/// A case of that name which asks nothing in particular.
#[cfg(test)]
pub(crate) fn case(id: &str) -> Case {
    let head = CaseMetadata { id: id.into(), digest: Digest::of([id]), tags: Vec::new(), cluster: None };
    Case {
        metadata: head,
        request: Request::from_prompt("q"),
        reference: None,
        assertions: Vec::new(),
        location: None,
    }
}
