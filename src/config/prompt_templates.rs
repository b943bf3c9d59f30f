//! The prompts of a golden set: a single one, or several by name, as templates.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::attachment::load_attachment;
use super::diagnostic::Diagnostic;
use super::set_folder::SetFolder;
use super::template::{Template, TemplateError};
use super::yaml::{Spanned, SpannedMap, StringOrMap};
use crate::chat::{Message, Part, Role};

/// A prompt as written, in the set itself or under `prompts:`.
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

/// Named prompts. Each is a string, or a map with the same keys as a set with one prompt.
pub(super) type PromptEntries = SpannedMap<Spanned<StringOrMap<PromptEntry>>>;

/// The templates that a case's messages are rendered from.
pub(super) struct PromptTemplate {
    /// `None` if the set has a single prompt.
    pub(super) name: Option<String>,
    system: Option<Template>,
    messages: Vec<MessageTemplate>,
}

struct MessageTemplate {
    role: Role,
    text: Template,
    /// File names, which are templates too.
    files: Vec<Template>,
}

pub(super) struct PromptError {
    pub(super) message: String,
    pub(super) hint: String,
}

impl From<TemplateError> for PromptError {
    fn from(error: TemplateError) -> Self {
        let hint = match error.is_undefined {
            true => "add it under the case's `vars:`",
            false if error.is_unknown_function => error.syntax_hint(),
            false => {
                "use Jinja syntax: `{{ name }}` inserts a variable, `{% if name %}…{% endif %}` is a condition"
            }
        };
        Self { message: error.message, hint: hint.to_owned() }
    }
}

/// Caches the files that prompts refer to.
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
        let hint = || "check the path (it is relative to the set)".to_owned();
        let find = |name: &str| self.folder.file(name);
        let part = load_attachment(name, find)
            .map_err(|error| PromptError { message: error.message, hint: error.hint.unwrap_or_else(hint) })?;
        self.known.insert(name.to_owned(), part.clone());
        Ok(part)
    }
}

impl PromptTemplate {
    /// Renders the system prompt and messages. Fails on an undefined variable or an unreadable file.
    pub(super) fn render(
        &self,
        variables: &Map<String, Value>,
        files: &mut AttachmentCache,
    ) -> Result<(Option<String>, Vec<Message>), PromptError> {
        let system = self.system.as_ref().map(|system| system.render(variables)).transpose()?;
        let messages =
            self.messages.iter().map(|message| message.render(variables, files)).collect::<Result<_, _>>()?;
        Ok((system, messages))
    }
}

impl MessageTemplate {
    /// Same layout as `ask -f`: images and documents come before the text, text files after it.
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

/// Resolves the prompts of a set. Named prompts inherit the set's system prompt and files. Returns an empty
/// list only if problems were added.
pub(super) fn resolve_prompts(
    own: &PromptEntry,
    named: Option<&PromptEntries>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<PromptTemplate> {
    let Some(named) = named else { return parse_prompt(None, own, problems).into_iter().collect() };
    let first = own.messages.as_ref().and_then(|messages| messages.first());
    let unnamed = own.prompt.as_ref().or(first.map(|message| &message.content));
    if let Some(unnamed) = unnamed {
        let hint = "move the single prompt under `prompts:` and give it a name";
        problems.push(Diagnostic::new(
            "cannot combine `prompts` with `prompt` or `messages`",
            unnamed.span.clone(),
            hint,
        ));
    }
    if named.0.is_empty() {
        let hint = "add named prompts, as in `prompts: {short: …, long: …}`, or use a single `prompt:`";
        problems.push(Diagnostic::new("`prompts` is empty", None, hint));
    }
    let mut prompts: Vec<PromptTemplate> = Vec::new();
    for (n, (name, entry)) in named.0.iter().enumerate() {
        let is_name_char = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.value.is_empty() || !name.value.chars().all(is_name_char) {
            let message = format!("invalid prompt name `{}`", name.value);
            let hint = "use letters, digits, `-`, `_`, and `.`";
            problems.push(Diagnostic::new(message, name.span.clone(), hint));
        }
        if named.0.iter().take(n).any(|(other, _)| other.value == name.value) {
            let message = format!("duplicate prompt name `{}`", name.value);
            problems.push(Diagnostic::new(message, name.span.clone(), "give each prompt a unique name"));
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
            let hint = error.syntax_hint();
            let problem = Diagnostic::new(error.message, text.span.clone(), hint);
            // Report an invalid shared system prompt once, not once per prompt.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
            None
        }
    };
    let system = entry.system.as_ref().map(&mut template);
    let mut message_template = |keyword, text: &Spanned<String>, files: &[Spanned<String>]| {
        let role = if keyword == RoleKeyword::User { Role::User } else { Role::Assistant };
        let (text, files) = (template(text), files.iter().map(&mut template).collect::<Option<Vec<_>>>());
        Some(MessageTemplate { role, text: text?, files: files? })
    };
    let message_templates: Option<Vec<MessageTemplate>> = match (&entry.prompt, &entry.messages) {
        (Some(prompt), None) => message_template(RoleKeyword::User, prompt, &entry.files)
            .map(|message_template| vec![message_template]),
        (None, Some(messages)) => {
            let message_templates =
                messages.iter().map(|m| message_template(m.role, &m.content, &m.files)).collect();
            let assistant_messages = messages.iter().filter(|message| message.role == RoleKeyword::Assistant);
            let misplaced = assistant_messages.flat_map(|message| &message.files).chain(&entry.files).next();
            if let Some(file) = misplaced {
                let hint = "move `files` to a user message under `messages:`";
                let problem = Diagnostic::new("`files` must be in a user message", file.span.clone(), hint);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            if messages.last().is_none_or(|message| message.role != RoleKeyword::User) {
                let span = messages.last().and_then(|m| m.content.span.clone());
                problems.push(Diagnostic::new(
                    "the last message under `messages:` must be a user message",
                    span,
                    "end with `- {role: user, content: …}`",
                ));
            }
            message_templates
        }
        (Some(prompt), Some(_)) => {
            let message = "cannot combine `prompt` with `messages`";
            problems.push(Diagnostic::new(message, prompt.span.clone(), "keep one of them"));
            None
        }
        (None, None) => {
            let hint = "add `prompt:` with {{ variables }}, or `messages:`";
            problems.push(match name {
                Some(name) => {
                    Diagnostic::new(format!("prompt `{}` is empty", name.value), name.span.clone(), hint)
                }
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
    Some(PromptTemplate { name: name.map(|name| name.value.clone()), system, messages: message_templates? })
}
