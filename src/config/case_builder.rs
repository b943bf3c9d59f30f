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

use super::assertions::{
    AssertionContext, AssertionDiagnostic, AssertionEntry, AssertionFileCache, build_assertion,
};
use super::case_entries::CaseEntry;
use super::diagnostic::Diagnostic;
use super::prompt_templates::{AttachmentCache, PromptTemplate};
use super::request_entry::{CaseRequestBuilder, RequestEntry};
use super::set_folder::SetFolder;
use super::yaml::Spanned;
use crate::chat::{Request, Tool};
use crate::eval::{Assertion, Case, CaseMetadata, CaseRenderer, SourceLocation};

/// What cases are made with.
pub(super) struct CaseBuilder {
    /// The set's folder.
    pub(super) folder: SetFolder,
    /// The files that have cases, as the user would name them.
    pub(super) files: Vec<Arc<str>>,
    /// What the set asks, each prompt in its turn.
    pub(super) prompts: Vec<PromptTemplate>,
    /// The request settings of the set.
    pub(super) request_defaults: RequestEntry,
    /// What every answer must show.
    pub(super) shared_assertions: Vec<AssertionEntry>,
    /// Who judges, where an assertion does not say.
    pub(super) judge: Option<String>,
    /// Who makes vectors, where an assertion does not say.
    pub(super) embedding: Option<String>,
    /// Request settings of single cases, which rows name by their place.
    case_requests: Vec<RequestEntry>,
    file_caches: RefCell<FileCaches>,
}

/// What was read of the files that prompts, requests and assertions name.
struct FileCaches {
    requests: CaseRequestBuilder,
    files: AttachmentCache,
    assertion_files: AssertionFileCache,
}

/// A case as it was made.
pub(super) struct BuiltCase {
    /// What is asked, by each of the prompts that were wanted.
    pub(super) requests: Vec<Request>,
    /// What the answer must show, the set's assertions before the case's own.
    pub(super) assertions: Vec<Assertion>,
    /// What identifies each of these.
    pub(super) identities: Vec<Value>,
}

/// What a row keeps of a case.
#[derive(Serialize, Deserialize)]
struct StoredCase {
    vars: Map<String, Value>,
    reference: Option<String>,
    assert: Vec<Value>,
    settings: Option<usize>,
    file: usize,
    line: Option<u64>,
}

impl CaseBuilder {
    /// What a set asks, with nothing said that a set may leave out.
    pub(super) fn new(folder: &SetFolder, prompts: Vec<PromptTemplate>) -> Self {
        let (requests, files) = (CaseRequestBuilder::new(folder), AttachmentCache::new(folder));
        Self {
            folder: folder.clone(),
            files: Vec::new(),
            prompts,
            request_defaults: RequestEntry::default(),
            shared_assertions: Vec::new(),
            judge: None,
            embedding: None,
            case_requests: Vec::new(),
            file_caches: RefCell::new(FileCaches {
                requests,
                files,
                assertion_files: AssertionFileCache::default(),
            }),
        }
    }

    /// Makes a case as some of the prompts ask it; `None` where something is wrong with it. The source stands behind its name
    /// in what is told.
    pub(super) fn build_case(
        &self,
        entry: &CaseEntry,
        source: &dyn fmt::Display,
        prompts: Range<usize>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<BuiltCase> {
        let known = problems.len();
        let id = &entry.id.value;
        let span = || entry.id.span.clone();
        let read = &mut *self.file_caches.borrow_mut();
        let own = entry.request.as_ref().map(|own| own.merge_over(&self.request_defaults));
        let base = read.requests.build(own.as_ref().unwrap_or(&self.request_defaults), problems);
        let (assertions, identities) =
            self.build_assertions(entry, source, &base.tools, &read.assertion_files, problems);
        if self.shared_assertions.is_empty() && entry.assert.is_empty() {
            let hint = "an answer that nothing is asked of would always pass; add `assert:`";
            problems.push(Diagnostic::new(format!("case `{id}`{source} has no assertion"), span(), hint));
        }
        let mut requests = Vec::with_capacity(prompts.len());
        for prompt in self.prompts.get(prompts)? {
            let by = prompt.name.as_ref().map(|name| format!(", prompt `{name}`")).unwrap_or_default();
            let (system, messages) = match prompt.render(&entry.vars, &mut read.files) {
                Ok(rendered) => rendered,
                Err(error) => {
                    let message = format!("case `{id}`{source}{by}: {}", error.message);
                    problems.push(Diagnostic::new(message, span(), error.hint));
                    continue;
                }
            };
            let request = Request { system_prompt: system, messages, ..base.clone() };
            if request.last_user_text().trim().is_empty() {
                let message = format!("case `{id}`{source}{by}: the prompt is empty");
                let hint = "say something in `prompt:`, or give its variable a value";
                problems.push(Diagnostic::new(message, span(), hint));
            }
            requests.push(request);
        }
        (problems.len() == known).then_some(BuiltCase { requests, assertions, identities })
    }

    /// A case's assertions, the set's before its own, with what identifies each.
    fn build_assertions(
        &self,
        entry: &CaseEntry,
        source: &dyn fmt::Display,
        tools: &[Tool],
        files_read: &AssertionFileCache,
        problems: &mut Vec<Diagnostic>,
    ) -> (Vec<Assertion>, Vec<Value>) {
        let id = &entry.id.value;
        let (mut assertions, mut identities) = (Vec::new(), Vec::new());
        let own = entry.assert.iter().map(|assertion| (assertion, false));
        for (assertion, is_common) in
            self.shared_assertions.iter().map(|assertion| (assertion, true)).chain(own)
        {
            let around = AssertionContext {
                reference: entry.reference.as_deref(),
                folder: &self.folder,
                tools,
                files_read,
                variables: &entry.vars,
                judge: self.judge.as_deref(),
                embedding: self.embedding.as_deref(),
            };
            match build_assertion(assertion, around) {
                Ok(built) => {
                    assertions.push(built.assertion);
                    identities.push(built.identity);
                }
                Err(AssertionDiagnostic { problem, is_case_fault: of_case }) => {
                    // One in the set's common list is wrong once; a case that it does not fit is wrong itself.
                    let span = problem.span.filter(|_| !(of_case && is_common));
                    let message = match span {
                        Some(_) => problem.message,
                        None => format!("case `{id}`{source}: {}", problem.message),
                    };
                    let span = span.or(entry.id.span.clone());
                    let problem = Diagnostic::new(message, span, problem.hint);
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                }
            }
        }
        (assertions, identities)
    }

    /// What is to be kept of a case that was made, and stands on this line of one of the files.
    pub(super) fn encode_row(&mut self, entry: CaseEntry, file: usize, line: Option<u64>) -> Vec<u8> {
        let settings = entry.request.map(|own| {
            self.case_requests.push(own);
            self.case_requests.len() - 1
        });
        let assert = entry.assert.iter().map(AssertionEntry::to_json).collect();
        let row = StoredCase { vars: entry.vars, reference: entry.reference, assert, settings, file, line };
        // What is plain data always serialises.
        serde_json::to_vec(&row).unwrap_or_default()
    }
}

impl CaseRenderer for CaseBuilder {
    fn render_case(&self, head: CaseMetadata, row: &[u8], prompt: usize) -> Option<Case> {
        let StoredCase { vars, reference, assert, settings, file, line } =
            serde_json::from_slice(row).ok()?;
        let entry = CaseEntry {
            id: Spanned { value: head.id.to_string(), span: None },
            vars,
            reference,
            tags: Vec::new(),
            cluster: None,
            request: settings.and_then(|place| self.case_requests.get(place)).cloned(),
            assert: assert.into_iter().map(AssertionEntry::from_json).collect(),
        };
        let mut made = self.build_case(&entry, &"", prompt..prompt + 1, &mut Vec::new())?;
        Some(Case {
            metadata: head,
            request: made.requests.pop()?,
            reference: entry.reference,
            assertions: made.assertions,
            location: line
                .zip(self.files.get(file))
                .map(|(line, path)| SourceLocation { path: Arc::clone(path), line }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::prompt_templates::{PromptEntry, resolve_prompts};
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
    fn stored_case_rebuilds_identically() {
        let entry = PromptEntry {
            prompt: Some(Spanned { value: "Say {{ q }}".into(), span: None }),
            ..PromptEntry::default()
        };
        let mut problems = Vec::new();
        let mut rendering = CaseBuilder::new(
            &SetFolder::of_set(Path::new("/no/set.yaml"), FileAccess::Unrestricted),
            resolve_prompts(&entry, None, &mut problems),
        );
        rendering.files.push("set.yaml".into());
        rendering.shared_assertions = yaml::parse("common", "[{length: {max: 100}}]").unwrap();
        (rendering.judge, rendering.embedding) = (Some("a/judge".into()), Some("a/vectors".into()));
        let entries: Vec<CaseEntry> = yaml::parse("cases", CASES).unwrap();
        let mut lines = 1..;
        for entry in entries {
            let made = rendering.build_case(&entry, &"", 0..1, &mut problems);
            let told: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            let made = made.unwrap_or_else(|| panic!("{told:?}"));
            let (id, reference, line) = (entry.id.value.clone(), entry.reference.clone(), lines.next());
            let head = CaseMetadata {
                id: id.as_str().into(),
                digest: Digest::default(),
                tags: Vec::new(),
                cluster: None,
            };
            let row = rendering.encode_row(entry, 0, line);
            let again = rendering.render_case(head, &row, 0).unwrap();
            assert_eq!(again.request, made.requests[0], "{id}");
            assert_eq!(format!("{:?}", again.assertions), format!("{:?}", made.assertions), "{id}");
            assert_eq!((again.reference, again.location.map(|written| written.line)), (reference, line));
        }
    }
}
