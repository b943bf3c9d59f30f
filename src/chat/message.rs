//! Messages of a conversation.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::ToolCall;

/// The author of a message. A system prompt is not a message: see
/// [`Request::system_prompt`](super::Request::system_prompt).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The user or the calling program. Tool results are user messages too.
    User,
    Assistant,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub role: Role,
    /// Deserialized from one string or a list of parts.
    #[serde(rename = "content", deserialize_with = "deserialize_text_or_parts")]
    pub parts: Vec<Part>,
    /// The `provider/model` that wrote the message, if a model did. Reasoning state and provider-specific
    /// parts go back only to that model, because no other model can read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "from")]
    pub model_ref: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    Text {
        text: String,
    },
    Image(Attachment),
    /// Usually a PDF.
    Document(Attachment),
    /// Reasoning, with the state that its provider needs back to continue it.
    Reasoning {
        /// May be empty if the provider hides the reasoning.
        #[serde(default)]
        text: String,
        /// Opaque provider data: a signature, encrypted text, or a complete item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Value>,
    },
    ToolCall(ToolCall),
    ToolResult(ToolResult),
    /// A part that only one provider has, kept verbatim.
    #[serde(rename = "own")]
    ProviderSpecific {
        block: Value,
    },
}

impl Part {
    pub fn is_attachment(&self) -> bool {
        matches!(self, Self::Image(_) | Self::Document(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// For example `image/png`; empty if only a URL is known.
    #[serde(default)]
    pub media_type: String,
    pub source: AttachmentSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentSource {
    #[serde(rename = "data")]
    Base64(String),
    /// The provider fetches the bytes from this URL.
    Url(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolResult {
    pub call_id: String,
    /// The tool's name. Some dialects need it in addition to the call ID.
    #[serde(default)]
    pub name: String,
    pub content: String,
    #[serde(default)]
    pub is_error: bool,
}

impl Message {
    pub fn from_user(text: impl Into<String>) -> Self {
        Self { role: Role::User, parts: vec![Part::from_text(text)], model_ref: None }
    }

    pub fn from_texts(role: Role, texts: impl IntoIterator<Item = String>) -> Self {
        Self { role, parts: texts.into_iter().map(|text| Part::Text { text }).collect(), model_ref: None }
    }

    /// All text parts, separated by blank lines.
    pub fn joined_text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().filter_map(Part::as_text).collect();
        texts.join("\n\n")
    }
}

impl Part {
    pub fn from_text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            _ => None,
        }
    }

    /// Bytes of text that the part adds to a prompt. Attachments count as zero, because each provider counts
    /// their tokens differently.
    pub fn prompt_text_len(&self) -> usize {
        match self {
            Self::Text { text } | Self::Reasoning { text, .. } => text.len(),
            Self::ToolCall(call) => call.name.len() + call.arguments.to_string().len(),
            Self::ToolResult(result) => result.content.len(),
            Self::Image(_) | Self::Document(_) | Self::ProviderSpecific { .. } => 0,
        }
    }
}

fn deserialize_text_or_parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Part>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(vec![Part::Text { text }]),
        Value::Array(parts) => parts
            .into_iter()
            .map(|part| serde_json::from_value(part).map_err(serde::de::Error::custom))
            .collect(),
        _ => Err(serde::de::Error::custom("`content` must be a string or a list of parts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_accepts_text_or_parts() {
        let short: Message = serde_json::from_str(r#"{"role":"user","content":"hi"}"#).unwrap();
        assert_eq!(short, Message::from_user("hi"));
        let long = r#"{"role":"assistant","content":[{"type":"reasoning","text":"hm","state":{"signature":"s"}},
            {"type":"tool_call","id":"c","name":"n","arguments":{"a":1}}],"from":"anthropic/m"}"#;
        let long: Message = serde_json::from_str(long).unwrap();
        assert_eq!(long.parts.len(), 2);
        assert_eq!(serde_json::from_value::<Message>(serde_json::to_value(&long).unwrap()).unwrap(), long);
        assert!(serde_json::from_str::<Message>(r#"{"role":"user","content":"hi","form":"x"}"#).is_err());
    }
}
