//! A golden set, from its file to its rendered cases.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::assertions::AssertionEntry;
use super::cases::{CaseEntry, Ids, Source, from_file};
use super::diagnostic::{ConfigError, Problem, version_problem};
use super::gate::GateEntry;
use super::identity::case_digest;
use super::prompts::{MessageEntry, PromptEntries, PromptEntry, prompts_of};
use super::rendering::Rendering;
use super::set_folder::{FileAccess, SetFolder};
use super::set_request::RequestEntry;
use super::yaml::{self, Located};
use crate::eval::{CasesWriter, Digest, Digester, NewCase, Set};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    version: Located<u32>,
    name: String,
    description: Option<String>,
    #[serde(default)]
    models: Vec<Located<String>>,
    system: Option<Located<String>>,
    prompt: Option<Located<String>>,
    messages: Option<Vec<MessageEntry>>,
    prompts: Option<PromptEntries>,
    #[serde(default)]
    files: Vec<Located<String>>,
    #[serde(default)]
    request: RequestEntry,
    judge: Option<String>,
    embedding: Option<String>,
    #[serde(default)]
    assert: Vec<AssertionEntry>,
    repeat: Option<Located<u32>>,
    min_pass: Option<Located<u32>>,
    gate: Option<GateEntry>,
    #[serde(default)]
    cases: Vec<CaseEntry>,
    #[serde(default)]
    cases_from: Vec<Located<String>>,
}

/// Reads a golden set and everything it names.
///
/// # Errors
/// The first mistake of syntax or type; else all others together, each at its place.
pub fn load_set(path: &Path, access: FileAccess) -> Result<Set, ConfigError> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(name.as_str(), &error))?;
    let file: SetFile = yaml::parse(&name, &text)?;
    let mut problems = Vec::new();
    match read(path, access, &text, file, &mut problems) {
        Some(set) if problems.is_empty() => Ok(set),
        _ => Err(ConfigError { path: name, text, problems }),
    }
}

fn read(
    path: &Path,
    access: FileAccess,
    text: &str,
    mut file: SetFile,
    problems: &mut Vec<Problem>,
) -> Option<Set> {
    problems.extend(version_problem(&file.version));
    let own =
        PromptEntry { system: file.system, prompt: file.prompt, messages: file.messages, files: file.files };
    let prompts = prompts_of(&own, file.prompts.as_ref(), problems);
    let names: Vec<String> = prompts.iter().filter_map(|prompt| prompt.name.clone()).collect();
    let folder = SetFolder::of_set(path, access);
    let name = path.display().to_string();
    let digesters = vec![Digester::default(); prompts.len()];
    let mut rendering = Rendering::new(&folder, prompts);
    rendering.files.push(name.as_str().into());
    (rendering.settings, rendering.common) = (file.request, file.assert);
    (rendering.judge, rendering.embedding) = (file.judge, file.embedding);
    let mut reading = Reading {
        digesters,
        rendering,
        cases: CasesWriter::default(),
        full: None,
        ids: Ids::default(),
        problems,
    };
    let breaks: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    for entry in std::mem::take(&mut file.cases) {
        let line = |start| breaks.partition_point(|at| *at < start) as u64 + 1;
        let line = entry.id.span.as_ref().map(|span| line(span.start));
        reading.take(entry, &Source::Set, line);
    }
    for listed in &file.cases_from {
        reading.rendering.files.push(folder.path().join(&listed.value).to_string_lossy().into());
        let rows = from_file(&folder, &listed.value, &mut |entry, source, line| {
            reading.take(entry, &source, Some(line));
        });
        if let Err(problem) = rows {
            reading.problems.push(Problem { span: listed.span.clone(), ..problem });
        }
    }
    let Reading { rendering, cases, full, digesters, problems, .. } = reading;
    if file.cases_from.is_empty() && cases.is_empty() && problems.is_empty() {
        let hint = "add cases under `cases:`, or name a CSV or JSONL file under `cases_from:`";
        problems.push(Problem::new("the golden set has no cases", None, hint));
    }
    let answers = cases.len() * file.repeat.as_ref().map_or(1, |repeat| repeat.value.max(1) as usize);
    let gate = file.gate.map(|gate| gate.read(answers, problems));
    for (name, number) in [("repeat", &file.repeat), ("min_pass", &file.min_pass)] {
        if let Some(zero) = number.as_ref().filter(|number| number.value == 0) {
            let message = format!("`{name}` must be at least 1");
            problems.push(Problem::new(message, zero.span.clone(), "write a number of answers"));
        }
    }
    if !problems.is_empty() {
        return None;
    }
    let digests: Vec<Digest> = digesters.into_iter().map(Digester::digest).collect();
    let digest = match digests.as_slice() {
        [only] => *only,
        several => Digest::of(several.iter().map(Digest::to_string)),
    };
    let files = rendering.files.clone();
    let cases = match full {
        Some(error) => Err(error),
        None => cases.finish(rendering),
    };
    let cases = cases.map_err(|error| problems.push(no_room(&error))).ok()?;
    Some(Set {
        name: file.name,
        description: file.description,
        path: name,
        files,
        digest: digest.to_string(),
        models: file.models.into_iter().map(|m| m.value).collect(),
        cases,
        prompts: names,
        repeat: file.repeat.map(|repeat| repeat.value),
        min_pass: file.min_pass.map(|min_pass| min_pass.value),
        gate,
    })
}

fn no_room(error: &io::Error) -> Problem {
    let message = format!("the cases are too many for memory, and no temporary file takes them: {error}");
    Problem::new(message, None, "make room in the folder for temporary files, or name another one in $TMPDIR")
}

/// A set whose cases are read one after the other.
struct Reading<'a> {
    rendering: Rendering,
    cases: CasesWriter,
    /// Why there is no room for more of them, if there is none.
    full: Option<io::Error>,
    /// Of the set, by prompt.
    digesters: Vec<Digester>,
    ids: Ids,
    problems: &'a mut Vec<Problem>,
}

impl Reading<'_> {
    /// Takes in a case that stands on this line of the last of the files.
    fn take(&mut self, mut entry: CaseEntry, source: &Source, line: Option<u64>) {
        let id = entry.id.value.clone();
        if self.ids.has(&id) {
            let message = format!("two cases have the id `{id}`{source}");
            let hint = "give each case an id of its own";
            self.problems.push(Problem::new(message, entry.id.span.clone(), hint));
        }
        let prompts = 0..self.rendering.prompts.len();
        let Some(made) = self.rendering.make(&entry, source, prompts, self.problems) else { return };
        let reference = entry.reference.as_deref();
        let digest = |request| case_digest(request, reference, &made.identities);
        let digests: Vec<Digest> = made.requests.iter().map(digest).collect();
        for (digester, digest) in self.digesters.iter_mut().zip(&digests) {
            digester.add(digest.to_string());
        }
        let (tags, cluster) = (std::mem::take(&mut entry.tags), entry.cluster.take().map(Into::into));
        let row = self.rendering.row(entry, self.rendering.files.len() - 1, line);
        let new = NewCase { id: id.into(), digests, tags, cluster, assertions: &made.assertions, row: &row };
        if self.full.is_none() {
            self.full = self.cases.put(new).err();
        }
    }
}
