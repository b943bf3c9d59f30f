//! Tools that a model may call, and structured output.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Tool {
    Function(FunctionTool),
    /// A tool that only one provider has (web search, code sandbox), in that provider's format.
    ProviderSpecific(Value),
}

/// A function that the caller runs when the model requests it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionTool {
    /// Letters, digits, `_`, and `-`; at most 64 characters.
    pub name: String,
    /// What the function does and when to use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of the arguments; its type must be an object.
    pub parameters: Value,
    /// Whether the provider must enforce the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// The model must not call a tool.
    None,
    /// The model must call at least one tool.
    Required,
    /// The model must call this tool.
    Named(String),
}

/// The structured output that a request requires.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFormat {
    /// Any valid JSON.
    JsonObject,
    /// JSON that matches a JSON Schema.
    JsonSchema(JsonSchema),
}

/// A JSON Schema with the name that providers require.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonSchema {
    /// Letters, digits, `_`, and `-`; at most 64 characters.
    pub name: String,
    pub description: Option<String>,
    pub schema: Value,
    /// Whether the provider must enforce the schema; `None` leaves its default.
    pub strict: Option<bool>,
}

impl JsonSchema {
    pub const DEFAULT_NAME: &str = "answer";
}

impl Tool {
    /// Bytes of text that the tool adds to a prompt.
    pub fn prompt_text_len(&self) -> usize {
        match self {
            Self::Function(function) => {
                function.name.len()
                    + function.description.as_ref().map_or(0, String::len)
                    + function.parameters.to_string().len()
            }
            Self::ProviderSpecific(tool) => tool.to_string().len(),
        }
    }

    pub fn as_function(&self) -> Option<&FunctionTool> {
        match self {
            Self::Function(function) => Some(function),
            Self::ProviderSpecific(_) => None,
        }
    }
}
