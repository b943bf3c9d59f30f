//! Tools that a model may call, and the shape that an answer must have.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub enum Tool {
    /// A function of the one who asks.
    Function(FunctionTool),
    /// A tool that only one vendor has (its web search, its sandbox), as that vendor spells it.
    ProviderSpecific(Value),
}

/// A function of the one who asks: it is named to the model, and its calls are answered by the caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionTool {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What it does and when to use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments, an object.
    pub parameters: Value,
    /// Whether the vendor is to hold the model to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// Which tools the model should call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it sees fit.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The shape that an answer must have.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFormat {
    /// Any JSON.
    JsonObject,
    /// JSON that a JSON Schema describes.
    JsonSchema(JsonSchema),
}

/// A JSON Schema with the name that vendors want beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonSchema {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What the answer is for.
    pub description: Option<String>,
    /// The schema.
    pub schema: Value,
    /// Whether the vendor is to hold the model to it; the vendor's own default where nothing is said.
    pub strict: Option<bool>,
}

impl JsonSchema {
    /// The name where none is given.
    pub const DEFAULT_NAME: &str = "answer";
}

impl Tool {
    /// Bytes of text that the tool puts into a prompt.
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

    /// The function, where it is one.
    pub fn as_function(&self) -> Option<&FunctionTool> {
        match self {
            Self::Function(function) => Some(function),
            Self::ProviderSpecific(_) => None,
        }
    }
}
