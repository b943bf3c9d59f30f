//! A golden set, from its file to its rendered cases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::assertions::{AssertionEntry, Refused, Schemas, Surroundings, build};
use super::cases::{CaseEntry, Ids, Source, from_file};
use super::diagnostic::{ConfigError, Problem, version_problem};
use super::gate::GateEntry;
use super::identity::case_digest;
use super::prompts::{Files, MessageEntry, Prompt, PromptEntries, PromptEntry, prompts_of};
use super::set_request::{RequestEntry, Requests};
use super::yaml::{self, Located};
use crate::chat::{Request, Tool};
use crate::eval::{Assertion, Case, Digest, Set, SetPrompt, Sharing, Written};

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
pub fn load_set(path: &Path) -> Result<Set, ConfigError> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(name.as_str(), &error))?;
    let file: SetFile = yaml::parse(&name, &text)?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut reader = Reader {
        path: name.as_str().into(),
        breaks: text.match_indices('\n').map(|(at, _)| at).collect(),
        requests: Requests::new(&folder),
        files: Files::new(&folder),
        schemas: Schemas::default(),
        judge: file.judge.clone(),
        embedding: file.embedding.clone(),
        sharing: Sharing::default(),
        latest: Arc::default(),
        latest_written: Vec::new(),
        paths: HashMap::new(),
        folder,
        problems: Vec::new(),
    };
    let set = reader.read(file, name.clone())?;
    match set {
        Some(set) if reader.problems.is_empty() => Ok(set),
        _ => Err(ConfigError { path: name, text, problems: reader.problems }),
    }
}

struct Reader {
    path: Arc<str>,
    /// Where the lines of the set's file end, in bytes.
    breaks: Vec<usize>,
    /// The files with more cases, as the user would name them.
    paths: HashMap<Arc<str>, Arc<str>>,
    folder: PathBuf,
    requests: Requests,
    files: Files,
    schemas: Schemas,
    /// Who judges, where an assertion does not say.
    judge: Option<String>,
    /// Who makes vectors, where an assertion does not say.
    embedding: Option<String>,
    sharing: Sharing,
    /// The assertions of the case that was read last, with what identifies each.
    latest: Arc<Vec<Arc<Assertion>>>,
    latest_written: Vec<Value>,
    problems: Vec<Problem>,
}

impl Reader {
    fn read(&mut self, file: SetFile, path: String) -> Result<Option<Set>, ConfigError> {
        self.problems.extend(version_problem(&file.version));
        let own = PromptEntry {
            system: file.system,
            prompt: file.prompt,
            messages: file.messages,
            files: file.files,
        };
        let prompts = prompts_of(&own, file.prompts.as_ref(), &mut self.problems);
        let mut by_prompt: Vec<Vec<Case>> = prompts.iter().map(|_| Vec::new()).collect();
        let mut ids = Ids::default();
        let mut read = |reader: &mut Self, entry: CaseEntry, source: Source| {
            if ids.has(&entry.id.value) {
                let message = format!("two cases have the id `{}`{source}", entry.id.value);
                let hint = "give each case an id of its own";
                reader.problems.push(Problem::new(message, entry.id.span.clone(), hint));
            }
            let asked = reader.case(&entry, &source, &prompts, &file.request, &file.assert);
            by_prompt.iter_mut().zip(asked).for_each(|(cases, case)| cases.push(case));
        };
        let none = file.cases.is_empty() && file.cases_from.is_empty();
        file.cases.into_iter().for_each(|entry| read(self, entry, Source::Set));
        for listed in &file.cases_from {
            let folder = self.folder.clone();
            let rows = from_file(&folder, &listed.value, &mut |entry, source| read(self, entry, source));
            if let Err(problem) = rows {
                self.problems.push(Problem { span: listed.span.clone(), ..problem });
            }
        }
        if none && self.problems.is_empty() {
            let hint = "add cases under `cases:`, or name a CSV or JSONL file under `cases_from:`";
            self.problems.push(Problem::new("the golden set has no cases", None, hint));
        }
        let answers = by_prompt.first().map_or(0, Vec::len)
            * file.repeat.as_ref().map_or(1, |repeat| repeat.value.max(1) as usize);
        let gate = file.gate.map(|gate| gate.read(answers, &mut self.problems));
        for (name, number) in [("repeat", &file.repeat), ("min_pass", &file.min_pass)] {
            if let Some(zero) = number.as_ref().filter(|number| number.value == 0) {
                let message = format!("`{name}` must be at least 1");
                self.problems.push(Problem::new(message, zero.span.clone(), "write a number of answers"));
            }
        }
        if !self.problems.is_empty() {
            return Ok(None);
        }
        let digest = Digest::of(by_prompt.iter().flatten().map(|case| case.digest.to_string())).to_string();
        let cases = match file.prompts {
            None => by_prompt.pop().unwrap_or_default(),
            Some(_) => by_prompt.first().cloned().unwrap_or_default(),
        };
        let named = prompts.into_iter().zip(by_prompt);
        let prompts =
            named.filter_map(|(prompt, cases)| Some(SetPrompt { name: prompt.name?, cases })).collect();
        Ok(Some(Set {
            name: file.name,
            description: file.description,
            path,
            digest,
            models: file.models.into_iter().map(|m| m.value).collect(),
            cases,
            prompts,
            repeat: file.repeat.map(|repeat| repeat.value),
            min_pass: file.min_pass.map(|min_pass| min_pass.value),
            gate,
        }))
    }

    /// A case as each of the prompts asks it, in their order; none where something is wrong.
    fn case(
        &mut self,
        entry: &CaseEntry,
        source: &Source,
        prompts: &[Prompt],
        settings: &RequestEntry,
        common: &[AssertionEntry],
    ) -> Vec<Case> {
        let id = &entry.id.value;
        let span = || entry.id.span.clone();
        let settings = entry.request.as_ref().map_or_else(|| settings.clone(), |own| own.over(settings));
        let base = self.requests.read(&settings, &mut self.problems);
        let (assertions, written) = self.assertions(entry, source, common, &base.tools);
        if common.is_empty() && entry.assert.is_empty() {
            let hint = "an answer that nothing is asked of would always pass; add `assert:`";
            self.problems.push(Problem::new(format!("case `{id}`{source} has no assertion"), span(), hint));
        }
        let tags = self.sharing.tags(entry.tags.clone());
        let assertions = self.shared(assertions, &written);
        let written_at = self.written(entry, source);
        let mut cases = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let by = prompt.name.as_ref().map(|name| format!(", prompt `{name}`")).unwrap_or_default();
            let (system, messages) = match prompt.render(&entry.vars, &mut self.files) {
                Ok(rendered) => rendered,
                Err(error) => {
                    let message = format!("case `{id}`{source}{by}: {}", error.message);
                    self.problems.push(Problem::new(message, span(), error.hint));
                    continue;
                }
            };
            let request = Request { system, messages, ..base.clone() };
            if request.last_user_text().trim().is_empty() {
                let message = format!("case `{id}`{source}{by}: the prompt is empty");
                let hint = "say something in `prompt:`, or give its variable a value";
                self.problems.push(Problem::new(message, span(), hint));
            }
            cases.push(Case {
                id: id.as_str().into(),
                digest: case_digest(&request, entry.reference.as_deref(), &written),
                asked: self.sharing.asked(request),
                reference: entry.reference.as_deref().map(Into::into),
                tags: Arc::clone(&tags),
                cluster: entry.cluster.as_deref().map(Into::into),
                assertions: Arc::clone(&assertions),
                written: written_at.clone(),
            });
        }
        cases
    }

    fn written(&mut self, entry: &CaseEntry, source: &Source) -> Option<Written> {
        match source {
            Source::Set => {
                let start = entry.id.span.as_ref()?.start;
                let line = self.breaks.partition_point(|at| *at < start) as u64 + 1;
                Some(Written { path: Arc::clone(&self.path), line })
            }
            Source::Line(name, line) => {
                let folder = &self.folder;
                let path = self
                    .paths
                    .entry(name.clone())
                    .or_insert_with(|| folder.join(&**name).to_string_lossy().into());
                Some(Written { path: Arc::clone(path), line: *line })
            }
        }
    }

    /// A case's assertions, the set's before its own, with what identifies each.
    fn assertions(
        &mut self,
        entry: &CaseEntry,
        source: &Source,
        common: &[AssertionEntry],
        tools: &[Tool],
    ) -> (Vec<Assertion>, Vec<Value>) {
        let id = &entry.id.value;
        let (mut assertions, mut written) = (Vec::new(), Vec::new());
        let own = entry.assert.iter().map(|assertion| (assertion, false));
        for (assertion, is_common) in common.iter().map(|assertion| (assertion, true)).chain(own) {
            let around = Surroundings {
                reference: entry.reference.as_deref(),
                folder: &self.folder,
                tools,
                schemas: &self.schemas,
                variables: &entry.vars,
                judge: self.judge.as_deref(),
                embedding: self.embedding.as_deref(),
            };
            match build(assertion, around) {
                Ok(built) => {
                    assertions.push(built.assertion);
                    written.push(built.identity);
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
                    if !self.problems.contains(&problem) {
                        self.problems.push(problem);
                    }
                }
            }
        }
        (assertions, written)
    }

    /// The assertions of a case, each the same as that of the case before where it means the same.
    fn shared(&mut self, assertions: Vec<Assertion>, written: &[Value]) -> Arc<Vec<Arc<Assertion>>> {
        if written != self.latest_written {
            let same = |n: usize| {
                (self.latest_written.get(n) == written.get(n)).then(|| self.latest.get(n)).flatten()
            };
            let shared = assertions.into_iter().enumerate();
            self.latest =
                Arc::new(shared.map(|(n, own)| same(n).map_or_else(|| Arc::new(own), Arc::clone)).collect());
            self.latest_written = written.to_vec();
        }
        Arc::clone(&self.latest)
    }
}
