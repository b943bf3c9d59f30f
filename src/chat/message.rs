//! One turn of a conversation.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::ToolCall;

/// Who speaks in a turn. Instructions are not a turn: see [`Request::system`](super::Request::system).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person, or the program that asks; what tools gave back is said by it too.
    User,
    /// The model.
    Assistant,
}

/// One turn: a role and the parts it is made of, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said. Written as a list of parts, or as one text.
    #[serde(rename = "content", deserialize_with = "deserialize_text_or_parts")]
    pub parts: Vec<Part>,
    /// The `provider/model` that said it, where one did. Thought state and a vendor's own parts go back to nobody
    /// else: no other model can read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "from")]
    pub model_ref: Option<String>,
}

/// One part of a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A picture.
    Image(Attachment),
    /// A document, as a rule a PDF.
    Document(Attachment),
    /// What the model thought, with what its vendor needs to take it up again.
    Reasoning {
        /// The thoughts as far as they were shown.
        #[serde(default)]
        text: String,
        /// The vendor's own state, in its own shape: a signature, an encrypted text, a whole item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Value>,
    },
    /// A call that the model wants made.
    ToolCall(ToolCall),
    /// What a call gave back.
    ToolResult(ToolResult),
    /// A part that only one vendor has, as that vendor spells it.
    #[serde(rename = "own")]
    ProviderSpecific {
        /// The part.
        block: Value,
    },
}

impl Part {
    /// Whether it is a picture or a document.
    pub fn is_attachment(&self) -> bool {
        matches!(self, Self::Image(_) | Self::Document(_))
    }
}

/// A picture or a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its media type, for example `image/png`; empty where only a URL is known.
    #[serde(default)]
    pub media_type: String,
    /// Where its bytes are.
    pub source: AttachmentSource,
    /// Its name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Where the bytes of a picture or document are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentSource {
    /// Here, in base64.
    #[serde(rename = "data")]
    Base64(String),
    /// At this URL, from where the provider fetches them.
    Url(String),
}

/// What a tool call gave back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolResult {
    /// The id of the call.
    pub call_id: String,
    /// The tool's name, which some vendors want beside the id.
    #[serde(default)]
    pub name: String,
    /// What came back.
    pub content: String,
    /// Whether it is an error of the tool.
    #[serde(default)]
    pub is_error: bool,
}

impl Message {
    /// A turn of the user with one text part.
    pub fn from_user(text: impl Into<String>) -> Self {
        Self { role: Role::User, parts: vec![Part::from_text(text)], model_ref: None }
    }

    /// A turn with these texts.
    pub fn from_texts(role: Role, texts: impl IntoIterator<Item = String>) -> Self {
        Self { role, parts: texts.into_iter().map(|text| Part::Text { text }).collect(), model_ref: None }
    }

    /// All words as one text, a blank line between the parts.
    pub fn joined_text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().filter_map(Part::as_text).collect();
        texts.join("\n\n")
    }
}

impl Part {
    /// A part of words.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// The words, where the part is words.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            _ => None,
        }
    }

    /// Bytes of text that the part puts into a prompt. Pictures and documents count in tokens of the vendor's own
    /// choosing, and not here.
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
        _ => Err(serde::de::Error::custom("`content` is a text or a list of parts")),
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
