//! Loads a golden set and checks all of its cases.

use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::assertions::AssertionEntry;
use super::case_builder::CaseBuilder;
use super::case_digest::compute_case_digest;
use super::case_entries::{CaseEntry, CaseIdSet, CaseOrigin, load_case_rows};
use super::diagnostic::{ConfigError, Diagnostic, check_version};
use super::gate_entry::GateEntry;
use super::prompt_templates::{MessageEntry, PromptEntries, PromptEntry, resolve_prompts};
use super::request_entry::RequestEntry;
use super::set_folder::{FileAccess, SetFolder};
use super::yaml::{self, Spanned};
use crate::eval::{Assertion, BuiltAssertion, CasesWriter, Digest, DigestBuilder, GoldenSet, NewCase};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenSetFile {
    version: Spanned<u32>,
    name: String,
    description: Option<String>,
    #[serde(default)]
    models: Vec<Spanned<String>>,
    system: Option<Spanned<String>>,
    prompt: Option<Spanned<String>>,
    messages: Option<Vec<MessageEntry>>,
    prompts: Option<PromptEntries>,
    #[serde(default)]
    files: Vec<Spanned<String>>,
    #[serde(default)]
    request: RequestEntry,
    judge: Option<String>,
    embedding: Option<String>,
    #[serde(default)]
    assert: Vec<AssertionEntry>,
    repeat: Option<Spanned<u32>>,
    min_pass: Option<Spanned<u32>>,
    gate: Option<GateEntry>,
    #[serde(default)]
    cases: Vec<CaseEntry>,
    #[serde(default)]
    cases_from: Vec<Spanned<String>>,
}

/// Loads a golden set and every file it names. Reports only the first syntax or type error, but all other
/// errors together.
pub fn load_golden_set(path: &Path, access: FileAccess) -> Result<GoldenSet, ConfigError> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::cannot_read(name.as_str(), &error))?;
    let file: GoldenSetFile = yaml::parse(&name, &text)?;
    let mut problems = Vec::new();
    match resolve_golden_set(path, access, &text, file, &mut problems) {
        Some(set) if problems.is_empty() => Ok(set),
        _ => Err(ConfigError { path: name, text, diagnostics: problems }),
    }
}

fn resolve_golden_set(
    path: &Path,
    access: FileAccess,
    text: &str,
    mut file: GoldenSetFile,
    problems: &mut Vec<Diagnostic>,
) -> Option<GoldenSet> {
    problems.extend(check_version(&file.version));
    let own =
        PromptEntry { system: file.system, prompt: file.prompt, messages: file.messages, files: file.files };
    let prompts = resolve_prompts(&own, file.prompts.as_ref(), problems);
    let names: Vec<String> = prompts.iter().filter_map(|prompt| prompt.name.clone()).collect();
    let folder = SetFolder::of_set(path, access);
    let name = path.display().to_string();
    let digesters = vec![DigestBuilder::default(); prompts.len()];
    let mut builder = CaseBuilder::new(&folder, prompts);
    builder.files.push(name.as_str().into());
    (builder.request_defaults, builder.shared_assertions) = (file.request, file.assert);
    (builder.judge, builder.embedding) = (file.judge, file.embedding);
    let mut loader = GoldenSetLoader {
        digesters,
        builder,
        cases: CasesWriter::default(),
        storage_error: None,
        ids: CaseIdSet::default(),
        problems,
    };
    let line_breaks: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    for entry in std::mem::take(&mut file.cases) {
        let line = |start| line_breaks.partition_point(|at| *at < start) as u64 + 1;
        let line = entry.id.span.as_ref().map(|span| line(span.start));
        loader.add_case(entry, &CaseOrigin::SetFile, line);
    }
    for listed in &file.cases_from {
        loader.builder.files.push(folder.path().join(&listed.value).to_string_lossy().into());
        let rows = load_case_rows(&folder, &listed.value, &mut |entry, source, line| {
            loader.add_case(entry, &source, Some(line));
        });
        if let Err(problem) = rows {
            loader.problems.push(Diagnostic { span: listed.span.clone(), ..problem });
        }
    }
    let GoldenSetLoader { builder, cases, storage_error, digesters, problems, .. } = loader;
    if file.cases_from.is_empty() && cases.is_empty() && problems.is_empty() {
        let hint = "add cases under `cases:`, or name a CSV or JSONL file under `cases_from:`";
        problems.push(Diagnostic::new("the golden set has no cases", None, hint));
    }
    let answers = cases.len() * file.repeat.as_ref().map_or(1, |repeat| repeat.value.max(1) as usize);
    let gate = file.gate.map(|gate| gate.resolve(answers, problems));
    for (name, number) in [("repeat", &file.repeat), ("min_pass", &file.min_pass)] {
        if let Some(zero) = number.as_ref().filter(|number| number.value == 0) {
            let message = format!("`{name}` must be at least 1");
            problems.push(Diagnostic::new(message, zero.span.clone(), "use a number of 1 or more"));
        }
    }
    if !problems.is_empty() {
        return None;
    }
    let digests: Vec<Digest> = digesters.into_iter().map(DigestBuilder::finish).collect();
    let digest = match digests.as_slice() {
        [only] => *only,
        several => Digest::of(several.iter().map(Digest::to_string)),
    };
    let files = builder.files.clone();
    let cases = match storage_error {
        Some(error) => Err(error),
        None => cases.finish(builder),
    };
    let cases = cases.map_err(|error| problems.push(case_storage_error(&error))).ok()?;
    Some(GoldenSet {
        name: file.name,
        description: file.description,
        path: name,
        files,
        digest: digest.to_string(),
        default_subjects: file.models.into_iter().map(|m| m.value).collect(),
        cases,
        prompts: names,
        repeat: file.repeat.map(|repeat| repeat.value),
        min_pass: file.min_pass.map(|min_pass| min_pass.value),
        gate,
    })
}

fn case_storage_error(error: &io::Error) -> Diagnostic {
    let message = format!("cannot write the cases to a temporary file: {error}");
    Diagnostic::new(message, None, "free up space in the temporary folder, or set $TMPDIR to another one")
}

struct GoldenSetLoader<'a> {
    builder: CaseBuilder,
    cases: CasesWriter,
    /// The first error from the temporary storage of cases, if any.
    storage_error: Option<io::Error>,
    /// Builds the digest of the set for each prompt.
    digesters: Vec<DigestBuilder>,
    ids: CaseIdSet,
    problems: &'a mut Vec<Diagnostic>,
}

impl GoldenSetLoader<'_> {
    /// Adds a case from the given line of the most recently added file.
    fn add_case(&mut self, mut entry: CaseEntry, source: &CaseOrigin, line: Option<u64>) {
        let id = entry.id.value.clone();
        if self.ids.mark_seen(&id) {
            let message = format!("duplicate case ID `{id}`{source}");
            let hint = "give each case a unique ID";
            self.problems.push(Diagnostic::new(message, entry.id.span.clone(), hint));
        }
        let prompts = 0..self.builder.prompts.len();
        let Some(built) = self.builder.build_case(&entry, source, prompts, self.problems) else { return };
        let (assertions, identities): (Vec<Assertion>, Vec<Value>) =
            built.assertions.into_iter().map(BuiltAssertion::into_parts).unzip();
        let reference = entry.reference.as_deref();
        let digest = |request| compute_case_digest(request, reference, &identities);
        let digests: Vec<Digest> = built.requests.iter().map(digest).collect();
        for (digester, digest) in self.digesters.iter_mut().zip(&digests) {
            digester.update(digest.to_string());
        }
        let (tags, cluster) = (std::mem::take(&mut entry.tags), entry.cluster.take().map(Into::into));
        let row = self.builder.encode_row(entry, self.builder.files.len() - 1, line);
        let new = NewCase { id: id.into(), digests, tags, cluster, assertions: &assertions, row: &row };
        if self.storage_error.is_none() {
            self.storage_error = self.cases.add(new).err();
        }
    }
}
