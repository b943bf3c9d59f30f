//! A golden set, from its file to its rendered cases.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::assertions::{AssertionEntry, Refused, Schemas, Surroundings, build};
use super::cases::{CaseEntry, Ids, Source, from_file};
use super::diagnostic::{ConfigError, Problem, version_problem};
use super::gate::GateEntry;
use super::identity::case_digest;
use super::set_request::{RequestEntry, Requests};
use super::template::Template;
use super::yaml::{self, Located};
use crate::chat::{Message, Role, Tool};
use crate::eval::{Assertion, Case, Digest, Set, Sharing};

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageEntry {
    role: Speaker,
    content: Located<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Speaker {
    User,
    Assistant,
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
        requests: Requests::new(&folder),
        schemas: Schemas::default(),
        judge: file.judge.clone(),
        embedding: file.embedding.clone(),
        sharing: Sharing::default(),
        latest: Arc::default(),
        latest_written: Vec::new(),
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
    folder: PathBuf,
    requests: Requests,
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

/// The templates that every case's request is made of.
struct Prompt {
    system: Option<Template>,
    turns: Vec<(Role, Template)>,
}

impl Reader {
    fn read(&mut self, file: SetFile, path: String) -> Result<Option<Set>, ConfigError> {
        self.problems.extend(version_problem(&file.version));
        let prompt = self.prompt(&file);
        let mut cases: Vec<Case> = Vec::new();
        let mut ids = Ids::default();
        let mut read = |reader: &mut Self, entry: CaseEntry, source: Source| {
            if ids.has(&entry.id.value) {
                let message = format!("two cases have the id `{}`{source}", entry.id.value);
                let hint = "give each case an id of its own";
                reader.problems.push(Problem::new(message, entry.id.span.clone(), hint));
            }
            if let Some(prompt) = &prompt {
                cases.extend(reader.case(entry, &source, prompt, &file.request, &file.assert));
            }
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
        let answers = cases.len() * file.repeat.as_ref().map_or(1, |repeat| repeat.value.max(1) as usize);
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
        let digest = Digest::of(cases.iter().map(|case| case.digest.to_string())).to_string();
        Ok(Some(Set {
            name: file.name,
            description: file.description,
            path,
            digest,
            models: file.models.into_iter().map(|m| m.value).collect(),
            cases,
            repeat: file.repeat.map(|repeat| repeat.value),
            min_pass: file.min_pass.map(|min_pass| min_pass.value),
            gate,
        }))
    }

    fn prompt(&mut self, file: &SetFile) -> Option<Prompt> {
        let mut template = |text: &Located<String>| match Template::new(&text.value) {
            Ok(template) => Some(template),
            Err(error) => {
                self.problems.push(Problem::new(error.message, text.span.clone(), "check the braces there"));
                None
            }
        };
        let system = file.system.as_ref().map(&mut template);
        let turns: Option<Vec<(Role, Template)>> = match (&file.prompt, &file.messages) {
            (Some(prompt), None) => template(prompt).map(|prompt| vec![(Role::User, prompt)]),
            (None, Some(messages)) => {
                let role =
                    |speaker| if matches!(speaker, Speaker::User) { Role::User } else { Role::Assistant };
                let last_is_user = messages.last().is_some_and(|m| matches!(m.role, Speaker::User));
                let turns = messages.iter().map(|m| Some((role(m.role), template(&m.content)?))).collect();
                if !last_is_user {
                    let span = messages.last().and_then(|m| m.content.span.clone());
                    self.problems.push(Problem::new(
                        "the last turn under `messages:` must be the user's",
                        span,
                        "end with `- {role: user, content: …}`",
                    ));
                }
                turns
            }
            (Some(prompt), Some(_)) => {
                let span = prompt.span.clone();
                self.problems.push(Problem::new(
                    "`prompt` and `messages` cannot stand together",
                    span,
                    "keep one of them",
                ));
                None
            }
            (None, None) => {
                let hint = "add `prompt:` with {{ variables }}, or `messages:`";
                self.problems.push(Problem::new("the golden set has no prompt", None, hint));
                None
            }
        };
        let system = match system {
            Some(None) => return None,
            Some(Some(system)) => Some(system),
            None => None,
        };
        Some(Prompt { system, turns: turns? })
    }

    fn case(
        &mut self,
        entry: CaseEntry,
        source: &Source,
        prompt: &Prompt,
        settings: &RequestEntry,
        common: &[AssertionEntry],
    ) -> Option<Case> {
        let id = &entry.id.value;
        let span = entry.id.span.clone();
        let mut render = |template: &Template| match template.render(&entry.vars) {
            Ok(text) => Some(text),
            Err(error) => {
                let message = format!("case `{id}`{source}: {}", error.message);
                self.problems.push(Problem::new(message, span.clone(), "add it under the case's `vars:`"));
                None
            }
        };
        let system = prompt.system.as_ref().map(&mut render);
        let turns: Option<Vec<Message>> = prompt
            .turns
            .iter()
            .map(|(role, template)| Some(Message::texts(*role, [render(template)?])))
            .collect();
        let settings = entry.request.as_ref().map_or_else(|| settings.clone(), |own| own.over(settings));
        let mut request = self.requests.read(&settings, &mut self.problems);
        let (assertions, written) = self.assertions(&entry, source, common, &request.tools);
        if common.is_empty() && entry.assert.is_empty() {
            let hint = "an answer that nothing is asked of would always pass; add `assert:`";
            self.problems.push(Problem::new(format!("case `{id}`{source} has no assertion"), span, hint));
        }
        request.system = match system {
            Some(system) => Some(system?),
            None => None,
        };
        request.messages = turns?;
        if request.last_user_text().trim().is_empty() {
            let hint = "say something in `prompt:`, or give its variable a value";
            self.problems.push(Problem::new(
                format!("case `{id}`{source}: the prompt is empty"),
                entry.id.span.clone(),
                hint,
            ));
        }
        let digest = case_digest(&request, entry.reference.as_deref(), &written);
        Some(Case {
            id: entry.id.value.into(),
            digest,
            asked: self.sharing.asked(request),
            reference: entry.reference.map(Into::into),
            tags: self.sharing.tags(entry.tags),
            cluster: entry.cluster.map(Into::into),
            assertions: self.shared(assertions, written),
        })
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
    fn shared(&mut self, assertions: Vec<Assertion>, written: Vec<Value>) -> Arc<Vec<Arc<Assertion>>> {
        if written != self.latest_written {
            let same = |n: usize| {
                (self.latest_written.get(n) == written.get(n)).then(|| self.latest.get(n)).flatten()
            };
            let shared = assertions.into_iter().enumerate();
            self.latest =
                Arc::new(shared.map(|(n, own)| same(n).map_or_else(|| Arc::new(own), Arc::clone)).collect());
            self.latest_written = written;
        }
        Arc::clone(&self.latest)
    }
}
