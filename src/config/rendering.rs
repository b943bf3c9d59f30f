//! A case, from how it is written to what is asked and held against the answer.
//!
//! That is done twice: when the set is read, so that everything wrong is found before the first call, and again when the
//! case's turn has come. Between the two only what was written is kept.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::assertions::{AssertionEntry, FilesRead, Refused, Surroundings, build};
use super::cases::CaseEntry;
use super::diagnostic::Problem;
use super::prompts::{Files, Prompt};
use super::set_folder::SetFolder;
use super::set_request::{RequestEntry, Requests};
use super::yaml::Located;
use crate::chat::{Request, Tool};
use crate::eval::{Assertion, Case, CaseHead, Render, Written};

/// What cases are made with.
pub(super) struct Rendering {
    /// The set's folder.
    pub(super) folder: SetFolder,
    /// The files that have cases, as the user would name them.
    pub(super) files: Vec<Arc<str>>,
    /// What the set asks, each prompt in its turn.
    pub(super) prompts: Vec<Prompt>,
    /// The request settings of the set.
    pub(super) settings: RequestEntry,
    /// What every answer must show.
    pub(super) common: Vec<AssertionEntry>,
    /// Who judges, where an assertion does not say.
    pub(super) judge: Option<String>,
    /// Who makes vectors, where an assertion does not say.
    pub(super) embedding: Option<String>,
    /// Request settings of single cases, which rows name by their place.
    own_settings: Vec<RequestEntry>,
    read: RefCell<Read>,
}

/// What was read of the files that prompts, requests and assertions name.
struct Read {
    requests: Requests,
    files: Files,
    assertion_files: FilesRead,
}

/// A case as it was made.
pub(super) struct Made {
    /// What is asked, by each of the prompts that were wanted.
    pub(super) requests: Vec<Request>,
    /// What the answer must show, the set's assertions before the case's own.
    pub(super) assertions: Vec<Assertion>,
    /// What identifies each of these.
    pub(super) identities: Vec<Value>,
}

/// What a row keeps of a case.
#[derive(Serialize, Deserialize)]
struct Row {
    vars: Map<String, Value>,
    reference: Option<String>,
    assert: Vec<Value>,
    settings: Option<usize>,
    file: usize,
    line: Option<u64>,
}

impl Rendering {
    /// What a set asks, with nothing said that a set may leave out.
    pub(super) fn new(folder: &SetFolder, prompts: Vec<Prompt>) -> Self {
        let (requests, files) = (Requests::new(folder), Files::new(folder));
        Self {
            folder: folder.clone(),
            files: Vec::new(),
            prompts,
            settings: RequestEntry::default(),
            common: Vec::new(),
            judge: None,
            embedding: None,
            own_settings: Vec::new(),
            read: RefCell::new(Read { requests, files, assertion_files: FilesRead::default() }),
        }
    }

    /// Makes a case as some of the prompts ask it; `None` where something is wrong with it. The source stands behind its name
    /// in what is told.
    pub(super) fn make(
        &self,
        entry: &CaseEntry,
        source: &dyn fmt::Display,
        prompts: Range<usize>,
        problems: &mut Vec<Problem>,
    ) -> Option<Made> {
        let known = problems.len();
        let id = &entry.id.value;
        let span = || entry.id.span.clone();
        let read = &mut *self.read.borrow_mut();
        let own = entry.request.as_ref().map(|own| own.over(&self.settings));
        let base = read.requests.read(own.as_ref().unwrap_or(&self.settings), problems);
        let (assertions, identities) =
            self.assertions(entry, source, &base.tools, &read.assertion_files, problems);
        if self.common.is_empty() && entry.assert.is_empty() {
            let hint = "an answer that nothing is asked of would always pass; add `assert:`";
            problems.push(Problem::new(format!("case `{id}`{source} has no assertion"), span(), hint));
        }
        let mut requests = Vec::with_capacity(prompts.len());
        for prompt in self.prompts.get(prompts)? {
            let by = prompt.name.as_ref().map(|name| format!(", prompt `{name}`")).unwrap_or_default();
            let (system, messages) = match prompt.render(&entry.vars, &mut read.files) {
                Ok(rendered) => rendered,
                Err(error) => {
                    let message = format!("case `{id}`{source}{by}: {}", error.message);
                    problems.push(Problem::new(message, span(), error.hint));
                    continue;
                }
            };
            let request = Request { system, messages, ..base.clone() };
            if request.last_user_text().trim().is_empty() {
                let message = format!("case `{id}`{source}{by}: the prompt is empty");
                let hint = "say something in `prompt:`, or give its variable a value";
                problems.push(Problem::new(message, span(), hint));
            }
            requests.push(request);
        }
        (problems.len() == known).then_some(Made { requests, assertions, identities })
    }

    /// A case's assertions, the set's before its own, with what identifies each.
    fn assertions(
        &self,
        entry: &CaseEntry,
        source: &dyn fmt::Display,
        tools: &[Tool],
        files_read: &FilesRead,
        problems: &mut Vec<Problem>,
    ) -> (Vec<Assertion>, Vec<Value>) {
        let id = &entry.id.value;
        let (mut assertions, mut identities) = (Vec::new(), Vec::new());
        let own = entry.assert.iter().map(|assertion| (assertion, false));
        for (assertion, is_common) in self.common.iter().map(|assertion| (assertion, true)).chain(own) {
            let around = Surroundings {
                reference: entry.reference.as_deref(),
                folder: &self.folder,
                tools,
                files_read,
                variables: &entry.vars,
                judge: self.judge.as_deref(),
                embedding: self.embedding.as_deref(),
            };
            match build(assertion, around) {
                Ok(built) => {
                    assertions.push(built.assertion);
                    identities.push(built.identity);
                }
                Err(Refused { problem, of_case }) => {
                    // One in the set's common list is wrong once; a case that it does not fit is wrong itself.
                    let span = problem.span.filter(|_| !(of_case && is_common));
                    let message = match span {
                        Some(_) => problem.message,
                        None => format!("case `{id}`{source}: {}", problem.message),
                    };
                    let span = span.or(entry.id.span.clone());
                    let problem = Problem::new(message, span, problem.hint);
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                }
            }
        }
        (assertions, identities)
    }

    /// What is to be kept of a case that was made, and stands on this line of one of the files.
    pub(super) fn row(&mut self, entry: CaseEntry, file: usize, line: Option<u64>) -> Vec<u8> {
        let settings = entry.request.map(|own| {
            self.own_settings.push(own);
            self.own_settings.len() - 1
        });
        let assert = entry.assert.iter().map(AssertionEntry::value).collect();
        let row = Row { vars: entry.vars, reference: entry.reference, assert, settings, file, line };
        // What is plain data always serialises.
        serde_json::to_vec(&row).unwrap_or_default()
    }
}

impl Render for Rendering {
    fn case(&self, head: CaseHead, row: &[u8], prompt: usize) -> Option<Case> {
        let Row { vars, reference, assert, settings, file, line } = serde_json::from_slice(row).ok()?;
        let entry = CaseEntry {
            id: Located { value: head.id.to_string(), span: None },
            vars,
            reference,
            tags: Vec::new(),
            cluster: None,
            request: settings.and_then(|place| self.own_settings.get(place)).cloned(),
            assert: assert.into_iter().map(AssertionEntry::without_place).collect(),
        };
        let mut made = self.make(&entry, &"", prompt..prompt + 1, &mut Vec::new())?;
        Some(Case {
            head,
            request: made.requests.pop()?,
            reference: entry.reference,
            assertions: made.assertions,
            written: line
                .zip(self.files.get(file))
                .map(|(line, path)| Written { path: Arc::clone(path), line }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::prompts::{PromptEntry, prompts_of};
    use std::path::Path;

    use crate::config::{FileAccess, yaml};
    use crate::eval::Digest;

    /// Numbers that are easily misread, places, maps, files and settings: nothing is lost between the two times.
    const CASES: &str = r#"
- {id: plain, vars: {q: "é \"x\"\n{{ q }}"}, assert: [contains: Paris, not-is-refusal]}
- {id: numbers, vars: {q: [0.1, 1e-7, 5e-324, 123456789.12345679, -0.0, 9007199254740993, 18446744073709551615]}, assert: [{numeric: {equals: 0.30000000000000004, tolerance: 1%}}, {json-path: {path: $.city, equals: {a: [1.5, null]}}}]}
- {id: settings, vars: {q: 1}, request: {temperature: 0.7, seed: 3, stop: [a]}, reference: " right ", assert: [equals, {token-f1: {threshold: 0.8, weight: 2}}]}
- {id: nested, vars: {q: {a: [1, {b: null}]}}, reference: "{}", assert: [any-of: [is-json, {all-of: [{regex: "^a+$"}, {not-contains-any: {value: [b, c], kind: format}}]}]]}
- {id: judged, vars: {q: x}, reference: r, assert: [factuality, {llm-rubric: {value: "Is {{ q }} kind?", votes: 3}}, similar]}
"#;

    #[test]
    fn a_case_is_made_the_same_again() {
        let entry = PromptEntry {
            prompt: Some(Located { value: "Say {{ q }}".into(), span: None }),
            ..PromptEntry::default()
        };
        let mut problems = Vec::new();
        let mut rendering = Rendering::new(
            &SetFolder::of_set(Path::new("/no/set.yaml"), FileAccess::Unrestricted),
            prompts_of(&entry, None, &mut problems),
        );
        rendering.files.push("set.yaml".into());
        rendering.common = yaml::parse("common", "[{length: {max: 100}}]").unwrap();
        (rendering.judge, rendering.embedding) = (Some("a/judge".into()), Some("a/vectors".into()));
        let entries: Vec<CaseEntry> = yaml::parse("cases", CASES).unwrap();
        let mut lines = 1..;
        for entry in entries {
            let made = rendering.make(&entry, &"", 0..1, &mut problems);
            let told: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            let made = made.unwrap_or_else(|| panic!("{told:?}"));
            let (id, reference, line) = (entry.id.value.clone(), entry.reference.clone(), lines.next());
            let head = CaseHead {
                id: id.as_str().into(),
                digest: Digest::default(),
                tags: Vec::new(),
                cluster: None,
            };
            let row = rendering.row(entry, 0, line);
            let again = rendering.case(head, &row, 0).unwrap();
            assert_eq!(again.request, made.requests[0], "{id}");
            assert_eq!(format!("{:?}", again.assertions), format!("{:?}", made.assertions), "{id}");
            assert_eq!((again.reference, again.written.map(|written| written.line)), (reference, line));
        }
    }
}
