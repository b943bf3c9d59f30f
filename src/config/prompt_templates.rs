//! What a golden set asks: one prompt, or several by name, as templates.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::attachment::load_attachment;
use super::diagnostic::Diagnostic;
use super::set_folder::SetFolder;
use super::template::{Template, TemplateError};
use super::yaml::{Spanned, SpannedMap, StringOrMap};
use crate::chat::{Message, Part, Role};

/// What is asked, as it is written: in the set itself, or as one of its `prompts`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PromptEntry {
    pub(super) system: Option<Spanned<String>>,
    pub(super) prompt: Option<Spanned<String>>,
    pub(super) messages: Option<Vec<MessageEntry>>,
    pub(super) files: Vec<Spanned<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageEntry {
    role: RoleKeyword,
    content: Spanned<String>,
    #[serde(default)]
    files: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleKeyword {
    User,
    Assistant,
}

/// Several prompts by name: each a text, or a map with the keys that a set has for one.
pub(super) type PromptEntries = SpannedMap<Spanned<StringOrMap<PromptEntry>>>;

/// The templates that a case's request is made of.
pub(super) struct PromptTemplate {
    /// Its name, where the set has several.
    pub(super) name: Option<String>,
    system: Option<Template>,
    messages: Vec<MessageTemplate>,
}

struct MessageTemplate {
    role: Role,
    text: Template,
    /// The names of files that go with the words.
    files: Vec<Template>,
}

/// What is wrong with a case's prompt, and what to do.
pub(super) struct PromptError {
    pub(super) message: String,
    pub(super) hint: String,
}

impl From<TemplateError> for PromptError {
    fn from(error: TemplateError) -> Self {
        let hint = match error.is_undefined {
            true => "add it under the case's `vars:`",
            false => {
                "templates are Jinja's: `{{ name }}` takes a variable, `{% if name %}…{% endif %}` decides"
            }
        };
        Self { message: error.message, hint: hint.to_owned() }
    }
}

/// The files that prompts name, each read once.
pub(super) struct AttachmentCache {
    folder: SetFolder,
    known: HashMap<String, Part>,
}

impl AttachmentCache {
    pub(super) fn new(folder: &SetFolder) -> Self {
        Self { folder: folder.clone(), known: HashMap::new() }
    }

    fn load(&mut self, name: &str) -> Result<Part, PromptError> {
        if let Some(part) = self.known.get(name) {
            return Ok(part.clone());
        }
        let hint = || "paths are relative to the set".to_owned();
        let find = |name: &str| self.folder.file(name);
        let part = load_attachment(name, find)
            .map_err(|error| PromptError { message: error.message, hint: error.hint.unwrap_or_else(hint) })?;
        self.known.insert(name.to_owned(), part.clone());
        Ok(part)
    }
}

impl PromptTemplate {
    /// The system prompt and the turns of a case with these variables.
    ///
    /// # Errors
    /// When a variable is not defined, or a file cannot be had.
    pub(super) fn render(
        &self,
        variables: &Map<String, Value>,
        files: &mut AttachmentCache,
    ) -> Result<(Option<String>, Vec<Message>), PromptError> {
        let system = self.system.as_ref().map(|system| system.render(variables)).transpose()?;
        let turns =
            self.messages.iter().map(|turn| turn.render(variables, files)).collect::<Result<_, _>>()?;
        Ok((system, turns))
    }
}

impl MessageTemplate {
    /// As `ask -f` has it: pictures and documents stand before the words, texts behind them.
    fn render(
        &self,
        variables: &Map<String, Value>,
        files: &mut AttachmentCache,
    ) -> Result<Message, PromptError> {
        let (mut parts, mut texts) = (Vec::new(), vec![self.text.render(variables)?]);
        for file in &self.files {
            match files.load(&file.render(variables)?)? {
                Part::Text { text } => texts.push(text),
                other => parts.push(other),
            }
        }
        parts.push(Part::from_text(texts.join("\n\n")));
        Ok(Message { role: self.role, parts, model_ref: None })
    }
}

/// Reads what a set asks: its own prompt, or all of its prompts, each with the set's system prompt where it has none of its own.
/// There is at least one, or a problem.
pub(super) fn resolve_prompts(
    own: &PromptEntry,
    named: Option<&PromptEntries>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<PromptTemplate> {
    let Some(named) = named else { return parse_prompt(None, own, problems).into_iter().collect() };
    let first = own.messages.as_ref().and_then(|messages| messages.first());
    let beside = own.prompt.as_ref().or(first.map(|message| &message.content));
    if let Some(beside) = beside {
        let hint = "move it under `prompts:`, with a name of its own";
        problems.push(Diagnostic::new(
            "`prompts` stands in place of `prompt` and `messages`",
            beside.span.clone(),
            hint,
        ));
    }
    if named.0.is_empty() {
        let hint = "name them, as in `prompts: {short: …, long: …}`, or write one `prompt:`";
        problems.push(Diagnostic::new("`prompts` names no prompt", None, hint));
    }
    let mut prompts: Vec<PromptTemplate> = Vec::new();
    for (n, (name, entry)) in named.0.iter().enumerate() {
        let known = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.value.is_empty() || !name.value.chars().all(known) {
            let message = format!("`{}` is no name for a prompt", name.value);
            let hint = "letters, digits, `-`, `_` and `.` make a name: it stands in `MODEL#NAME`";
            problems.push(Diagnostic::new(message, name.span.clone(), hint));
        }
        if named.0.iter().take(n).any(|(other, _)| other.value == name.value) {
            let message = format!("two prompts have the name `{}`", name.value);
            problems.push(Diagnostic::new(message, name.span.clone(), "give each prompt a name of its own"));
        }
        let entry = match &entry.value {
            StringOrMap::String(text) => PromptEntry {
                prompt: Some(Spanned { value: text.clone(), span: entry.span.clone() }),
                ..PromptEntry::default()
            },
            StringOrMap::Map(entry) => entry.clone(),
        };
        let files = if entry.files.is_empty() { own.files.clone() } else { entry.files };
        let system = entry.system.or_else(|| own.system.clone());
        let entry = PromptEntry { system, files, ..entry };
        prompts.extend(parse_prompt(Some(name), &entry, problems));
    }
    prompts
}

fn parse_prompt(
    name: Option<&Spanned<String>>,
    entry: &PromptEntry,
    problems: &mut Vec<Diagnostic>,
) -> Option<PromptTemplate> {
    let mut template = |text: &Spanned<String>| match Template::new(&text.value) {
        Ok(template) => Some(template),
        Err(error) => {
            let problem = Diagnostic::new(error.message, text.span.clone(), "check the braces there");
            // The set's system prompt is wrong once, however many prompts have it.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
            None
        }
    };
    let system = entry.system.as_ref().map(&mut template);
    let mut turn = |speaker, text: &Spanned<String>, files: &[Spanned<String>]| {
        let role = if speaker == RoleKeyword::User { Role::User } else { Role::Assistant };
        let (text, files) = (template(text), files.iter().map(&mut template).collect::<Option<Vec<_>>>());
        Some(MessageTemplate { role, text: text?, files: files? })
    };
    let turns: Option<Vec<MessageTemplate>> = match (&entry.prompt, &entry.messages) {
        (Some(prompt), None) => turn(RoleKeyword::User, prompt, &entry.files).map(|turn| vec![turn]),
        (None, Some(messages)) => {
            let turns = messages.iter().map(|m| turn(m.role, &m.content, &m.files)).collect();
            let of_assistant = messages.iter().filter(|message| message.role == RoleKeyword::Assistant);
            let misplaced = of_assistant.flat_map(|message| &message.files).chain(&entry.files).next();
            if let Some(file) = misplaced {
                let hint = "write `files` in a turn of the user's under `messages:`";
                let problem = Diagnostic::new("files go with what the user says", file.span.clone(), hint);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            if messages.last().is_none_or(|message| message.role != RoleKeyword::User) {
                let span = messages.last().and_then(|m| m.content.span.clone());
                problems.push(Diagnostic::new(
                    "the last turn under `messages:` must be the user's",
                    span,
                    "end with `- {role: user, content: …}`",
                ));
            }
            turns
        }
        (Some(prompt), Some(_)) => {
            let message = "`prompt` and `messages` cannot stand together";
            problems.push(Diagnostic::new(message, prompt.span.clone(), "keep one of them"));
            None
        }
        (None, None) => {
            let hint = "add `prompt:` with {{ variables }}, or `messages:`";
            problems.push(match name {
                Some(name) => Diagnostic::new(
                    format!("the prompt `{}` asks nothing", name.value),
                    name.span.clone(),
                    hint,
                ),
                None => Diagnostic::new("the golden set has no prompt", None, hint),
            });
            None
        }
    };
    let system = match system {
        Some(None) => return None,
        Some(Some(system)) => Some(system),
        None => None,
    };
    Some(PromptTemplate { name: name.map(|name| name.value.clone()), system, messages: turns? })
}
