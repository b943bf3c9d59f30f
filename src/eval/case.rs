use std::sync::Arc;

use super::{Assertion, Digest};
use crate::chat::Request;

/// The parts of a case that are known without rendering it.
#[derive(Clone, Debug)]
pub struct CaseMetadata {
    pub id: Box<str>,
    /// SHA-256 of the rendered prompt, request, reference, and assertions. It still identifies
    /// the case after it is renamed or its file changes.
    pub digest: Digest,
    pub tags: Vec<String>,
    /// Cases in the same cluster are not independent; `None` for an independent case.
    pub cluster: Option<Box<str>>,
}

/// One input with the assertions that its answer must pass.
#[derive(Clone, Debug)]
pub struct Case {
    pub metadata: CaseMetadata,
    pub request: Request,
    /// A correct answer, if the case has one.
    pub reference: Option<String>,
    pub assertions: Vec<Assertion>,
    pub location: Option<SourceLocation>,
}

/// The prompt of a case, without its assertions.
#[derive(Clone, Debug)]
pub(crate) struct CasePrompt {
    pub metadata: CaseMetadata,
    pub request: Request,
    /// A correct answer, if the case has one.
    pub reference: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The path as shown to the user.
    pub path: Arc<str>,
    /// 1-based.
    pub line: u64,
}

/// A minimal case for tests.
#[cfg(test)]
pub(crate) fn case(id: &str) -> Case {
    let metadata = CaseMetadata { id: id.into(), digest: Digest::of([id]), tags: Vec::new(), cluster: None };
    Case {
        metadata,
        request: Request::from_prompt("q"),
        reference: None,
        assertions: Vec::new(),
        location: None,
    }
}
