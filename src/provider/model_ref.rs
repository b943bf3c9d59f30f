//! Model references of the form `provider/model`.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// A model at a provider, split at the first slash: the model's name may contain more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelRef {
    pub provider: String,
    pub model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown model or alias `{0}`")]
pub struct ModelRefError(String);

impl ModelRefError {
    pub const HINT: &'static str =
        "use provider/model, for example anthropic/claude-haiku-5-5 (`slalom models` lists them)";
}

impl ModelRef {
    /// Replaces an alias of the provider with its canonical name.
    #[must_use]
    pub fn with_canonical_provider(self, names: &HashMap<String, String>) -> Self {
        match names.get(&self.provider) {
            Some(name) => Self { provider: name.clone(), ..self },
            None => self,
        }
    }
}

impl FromStr for ModelRef {
    type Err = ModelRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {
                Ok(Self { provider: provider.to_owned(), model: model.to_owned() })
            }
            _ => Err(ModelRefError(text.to_owned())),
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}
