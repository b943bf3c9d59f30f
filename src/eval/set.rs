//! A golden set: cases with what each answer must show.

use std::sync::Arc;

use super::{Assertion, Gate};
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

/// One input with what its answer must show.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name within the set.
    pub id: String,
    /// SHA-256 over its rendered prompt, request, reference and assertions: its identity across edits of the file.
    pub digest: String,
    /// What is asked.
    pub request: Request,
    /// A right answer.
    pub reference: Option<String>,
    /// Words to choose cases by.
    pub tags: Vec<String>,
    /// What the answer must show.
    pub assertions: Vec<Assertion>,
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
