//! Builds cases from their entries: request, assertions, and identities.
//!
//! This happens twice, once when the set is loaded, to find all errors before the first call, and again when
//! the case runs. In between, only a compact row is kept.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::assertions::{AssertionCaches, AssertionDiagnostic, AssertionEntry, CaseResources};
use super::case_entries::CaseEntry;
use super::diagnostic::Diagnostic;
use super::prompt_templates::{AttachmentCache, PromptTemplate};
use super::request_entry::{CaseRequestBuilder, RequestEntry};
use super::set_folder::SetFolder;
use super::yaml::Spanned;
use crate::chat::{Request, Tool};
use crate::eval::{
    AssertionContext, BuiltAssertion, Case, CaseMetadata, CasePrompt, CaseRenderer, SourceLocation,
};

pub(super) struct CaseBuilder {
    pub(super) folder: SetFolder,
    /// Files that contain cases, as the user names them.
    pub(super) files: Vec<Arc<str>>,
    pub(super) prompts: Vec<PromptTemplate>,
    pub(super) request_defaults: RequestEntry,
    /// Applied to every case.
    pub(super) shared_assertions: Vec<AssertionEntry>,
    /// The default judge.
    pub(super) judge: Option<String>,
    /// The default embedding model.
    pub(super) embedding: Option<String>,
    /// Request settings of single cases; rows refer to them by index.
    case_requests: Vec<RequestEntry>,
    caches: Mutex<CaseCaches>,
}

/// Files and compiled patterns, shared by all cases.
struct CaseCaches {
    requests: CaseRequestBuilder,
    files: AttachmentCache,
    assertions: AssertionCaches,
}

pub(super) struct BuiltCase {
    /// One request per selected prompt.
    pub(super) requests: Vec<Request>,
    /// The set's assertions come before the case's own.
    pub(super) assertions: Vec<BuiltAssertion>,
}

/// The serialized form of a case in the row store.
#[derive(Serialize, Deserialize)]
struct StoredCase {
    vars: Map<String, Value>,
    reference: Option<String>,
    #[serde(deserialize_with = "AssertionEntry::deserialize_stored")]
    assert: Vec<AssertionEntry>,
    settings: Option<usize>,
    file: usize,
    line: Option<u64>,
}

/// The fields of a [`StoredCase`] that its prompt is rendered from.
#[derive(Deserialize)]
struct StoredPrompt {
    vars: Map<String, Value>,
    reference: Option<String>,
    settings: Option<usize>,
}

impl CaseBuilder {
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
            caches: Mutex::new(CaseCaches { requests, files, assertions: AssertionCaches::default() }),
        }
    }

    /// Builds a case for a range of prompts. Returns `None` if problems were added. `source` follows the
    /// case's ID in messages.
    pub(super) fn build_case(
        &self,
        entry: &CaseEntry,
        source: &dyn fmt::Display,
        prompts: Range<usize>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<BuiltCase> {
        let problems_before = problems.len();
        let id = &entry.id.value;
        let span = || entry.id.span.clone();
        let caches = &mut *self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let base = self.build_base_request(entry.request.as_deref(), &mut caches.requests, problems);
        let assertions = self.build_assertions(entry, source, &base.tools, &caches.assertions, problems);
        if self.shared_assertions.is_empty() && entry.assert.is_empty() {
            let hint = "add `assert:` (without assertions, every answer passes)";
            problems.push(Diagnostic::new(format!("case `{id}`{source} has no assertions"), span(), hint));
        }
        let mut requests = Vec::with_capacity(prompts.len());
        for prompt in self.prompts.get(prompts)? {
            let prompt_label =
                prompt.name.as_ref().map(|name| format!(", prompt `{name}`")).unwrap_or_default();
            let (system, messages) = match prompt.render(&entry.vars, &mut caches.files) {
                Ok(rendered) => rendered,
                Err(error) => {
                    let message = format!("case `{id}`{source}{prompt_label}: {}", error.message);
                    problems.push(Diagnostic::new(message, span(), error.hint));
                    continue;
                }
            };
            let request = Request { system_prompt: system, messages, ..base.clone() };
            if request.last_user_text().trim().is_empty() {
                let message = format!("case `{id}`{source}{prompt_label}: the prompt is empty");
                let hint = "add text to `prompt:`, or give its variable a value";
                problems.push(Diagnostic::new(message, span(), hint));
            }
            requests.push(request);
        }
        (problems.len() == problems_before).then_some(BuiltCase { requests, assertions })
    }

    /// A request without messages. `settings` are the case's own.
    fn build_base_request(
        &self,
        settings: Option<&RequestEntry>,
        requests: &mut CaseRequestBuilder,
        problems: &mut Vec<Diagnostic>,
    ) -> Request {
        let merged = settings.map(|settings| settings.merge_over(&self.request_defaults));
        requests.build(merged.as_ref().unwrap_or(&self.request_defaults), problems)
    }

    /// Builds the set's shared assertions, then the case's own.
    fn build_assertions(
        &self,
        entry: &CaseEntry,
        source: &dyn fmt::Display,
        tools: &[Tool],
        assertion_caches: &AssertionCaches,
        problems: &mut Vec<Diagnostic>,
    ) -> Vec<BuiltAssertion> {
        let id = &entry.id.value;
        let mut assertions = Vec::with_capacity(self.shared_assertions.len() + entry.assert.len());
        let resources =
            CaseResources { folder: &self.folder, variables: &entry.vars, caches: assertion_caches };
        let context = AssertionContext {
            reference: entry.reference.as_deref(),
            tools,
            judge: self.judge.as_deref(),
            embedding: self.embedding.as_deref(),
            compiled: &assertion_caches.compiled,
            resources: &resources,
        };
        let own = entry.assert.iter().map(|assertion| (assertion, false));
        for (assertion, is_shared) in
            self.shared_assertions.iter().map(|assertion| (assertion, true)).chain(own)
        {
            match assertion.parse(context) {
                Ok(built) => assertions.push(built),
                Err(AssertionDiagnostic { problem, is_case_fault }) => {
                    // Report a wrong shared assertion once. If a case does not fit it, report the case.
                    let span = problem.span.filter(|_| !(is_case_fault && is_shared));
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
        assertions
    }

    /// Serializes a valid case for later; `file` is an index into `files`.
    pub(super) fn encode_row(&mut self, entry: CaseEntry, file: usize, line: Option<u64>) -> Vec<u8> {
        let CaseEntry { vars, reference, request, assert, .. } = entry;
        let settings = request.map(|own| {
            self.case_requests.push(*own);
            self.case_requests.len() - 1
        });
        let row = StoredCase { vars, reference, assert, settings, file, line };
        // Plain data always serializes.
        serde_json::to_vec(&row).unwrap_or_default()
    }
}

impl CaseRenderer for CaseBuilder {
    fn render_case(&self, metadata: CaseMetadata, row: &[u8], prompt: usize) -> Option<Case> {
        let StoredCase { vars, reference, assert, settings, file, line } =
            serde_json::from_slice(row).ok()?;
        let entry = CaseEntry {
            id: Spanned { value: metadata.id.to_string(), span: None },
            vars,
            reference,
            tags: Vec::new(),
            cluster: None,
            request: settings.and_then(|index| self.case_requests.get(index)).cloned().map(Box::new),
            assert,
        };
        let mut built = self.build_case(&entry, &"", prompt..prompt + 1, &mut Vec::new())?;
        Some(Case {
            metadata,
            request: built.requests.pop()?,
            reference: entry.reference,
            assertions: built.assertions.into_iter().map(|built| built.assertion).collect(),
            location: line
                .zip(self.files.get(file))
                .map(|(line, path)| SourceLocation { path: Arc::clone(path), line }),
        })
    }

    fn render_prompt(&self, metadata: CaseMetadata, row: &[u8], prompt: usize) -> Option<CasePrompt> {
        let StoredPrompt { vars, reference, settings } = serde_json::from_slice(row).ok()?;
        let settings = settings.and_then(|index| self.case_requests.get(index));
        let caches = &mut *self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let base = self.build_base_request(settings, &mut caches.requests, &mut Vec::new());
        let (system_prompt, messages) = self.prompts.get(prompt)?.render(&vars, &mut caches.files).ok()?;
        let request = Request { system_prompt, messages, ..base };
        Some(CasePrompt { metadata, request, reference })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::prompt_templates::{PromptEntry, resolve_prompts};
    use std::path::Path;

    use crate::config::{FileAccess, yaml};
    use crate::eval::{Assertion, Digest};

    /// Covers values that could be lost between the two builds: numbers, spans, maps, files, and settings.
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
        let mut builder = CaseBuilder::new(
            &SetFolder::of_set(Path::new("/no/set.yaml"), FileAccess::Unrestricted),
            resolve_prompts(&entry, None, &mut problems),
        );
        builder.files.push("set.yaml".into());
        builder.shared_assertions = yaml::parse("common", "[{length: {max: 100}}]").unwrap();
        (builder.judge, builder.embedding) = (Some("a/judge".into()), Some("a/vectors".into()));
        let entries: Vec<CaseEntry> = yaml::parse("cases", CASES).unwrap();
        let mut lines = 1..;
        for entry in entries {
            let built = builder.build_case(&entry, &"", 0..1, &mut problems);
            let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            let built = built.unwrap_or_else(|| panic!("{messages:?}"));
            let (id, reference, line) = (entry.id.value.clone(), entry.reference.clone(), lines.next());
            let metadata = CaseMetadata {
                id: id.as_str().into(),
                digest: Digest::default(),
                tags: Vec::new(),
                cluster: None,
            };
            let row = builder.encode_row(entry, 0, line);
            let prompt = builder.render_prompt(metadata.clone(), &row, 0).unwrap();
            assert_eq!((&prompt.request, &prompt.reference), (&built.requests[0], &reference), "{id}");
            let again = builder.render_case(metadata, &row, 0).unwrap();
            assert_eq!(again.request, built.requests[0], "{id}");
            let assertions: Vec<&Assertion> = built.assertions.iter().map(|built| &built.assertion).collect();
            assert_eq!(format!("{:?}", again.assertions), format!("{assertions:?}"), "{id}");
            assert_eq!((again.reference, again.location.map(|written| written.line)), (reference, line));
        }
    }
}
