//! What is known of one model.

use super::Pricing;
use crate::chat::{ReasoningEffort, RequestParameter};

/// What is known of one model at one provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFacts {
    /// The provider's name.
    pub provider: String,
    /// The model's name at that provider.
    pub model: String,
    /// What it is asked for.
    pub mode: ModelMode,
    /// The window: input and output together, in tokens.
    pub context_tokens: Option<u64>,
    /// The most output that may be asked for, in tokens.
    pub max_output_tokens: Option<u64>,
    /// Prices.
    pub pricing: Pricing,
    /// Parameters that the model answers with a 400.
    pub rejected_parameters: Vec<RequestParameter>,
    /// Steps of effort that it takes; empty is unknown.
    pub efforts: Vec<ReasoningEffort>,
    /// What it can do, and what it cannot.
    pub capabilities: Capabilities,
    /// How its dialect is told to let it think, where the dialect has several ways.
    pub reasoning_control: Option<ReasoningControl>,
    /// The day from which the provider may stop serving it (ISO 8601).
    pub retirement_date: Option<String>,
}

impl ModelFacts {
    /// Whether the model can do that, where a source says so.
    pub fn supports(&self, capability: Capability) -> Option<bool> {
        self.capabilities.get(capability)
    }
}

/// What a model is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelMode {
    /// Answers.
    #[default]
    Chat,
    /// Answers, by OpenAI's Responses alone.
    Responses,
    /// Vectors.
    Embedding,
}

impl ModelMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Embedding];

    /// The word for it in a row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Embedding => "embedding",
        }
    }
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningControl {
    /// By a number of tokens (Claude up to 4.5, Gemini 2.5).
    Budget,
    /// It finds its own measure, and an effort moves it (Claude from 4.6).
    Adaptive,
    /// By a level (Gemini from 3).
    Level,
    /// It does not reason.
    None,
}

impl ReasoningControl {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Budget, Self::Adaptive, Self::Level, Self::None];

    /// The word for it in a row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Adaptive => "adaptive",
            Self::Level => "level",
            Self::None => "none",
        }
    }
}

/// Something that a model may be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Calls tools.
    Tools,
    /// Answers by a JSON schema.
    JsonSchema,
    /// Reads images.
    Vision,
    /// Reads PDF files.
    Pdf,
    /// Hears.
    Audio,
    /// Reasons before it answers, so that its first token may take minutes.
    Reasoning,
    /// Has its prompts cached.
    Caching,
    /// Goes on from an answer that was begun for it.
    Prefill,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 8] = [
        Self::Tools,
        Self::JsonSchema,
        Self::Vision,
        Self::Pdf,
        Self::Audio,
        Self::Reasoning,
        Self::Caching,
        Self::Prefill,
    ];

    /// The word for it in rows and in `routes.yaml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::JsonSchema => "json_schema",
            Self::Vision => "vision",
            Self::Pdf => "pdf",
            Self::Audio => "audio",
            Self::Reasoning => "reasoning",
            Self::Caching => "caching",
            Self::Prefill => "prefill",
        }
    }
}

/// What a model can and cannot do, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities([Option<bool>; Capability::ALL.len()]);

impl Capabilities {
    /// Whether it can do that, where that is known.
    pub fn get(self, capability: Capability) -> Option<bool> {
        self.0[capability as usize]
    }

    /// Takes down whether it can do that.
    pub fn set(&mut self, capability: Capability, can: bool) {
        self.0[capability as usize] = Some(can);
    }

    /// Takes a word down: `tools`, `no-tools`. Says whether it is one.
    pub fn parse_and_set(&mut self, word: &str) -> bool {
        let (name, can) = word.strip_prefix("no-").map_or((word, true), |name| (name, false));
        let found = Capability::ALL.into_iter().find(|capability| capability.name() == name);
        found.inspect(|capability| self.set(*capability, can)).is_some()
    }

    /// All that it can do.
    pub fn supported(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |capability| self.get(*capability) == Some(true))
    }

    /// All that is known, in a row's words.
    pub fn to_csv_field(self) -> String {
        let known = Capability::ALL.into_iter().filter_map(|capability| {
            let no = if self.get(capability)? { "" } else { "no-" };
            Some(format!("{no}{}", capability.name()))
        });
        known.collect::<Vec<_>>().join(" ")
    }
}

/// The parameters that a row can say a model refuses.
pub const REJECTABLE_PARAMETERS: [RequestParameter; 6] = [
    RequestParameter::Temperature,
    RequestParameter::TopP,
    RequestParameter::StopSequences,
    RequestParameter::Seed,
    RequestParameter::ToolChoice,
    RequestParameter::ParallelToolCalls,
];

/// The word for a parameter in rows and in `routes.yaml`.
pub fn parameter_name(parameter: RequestParameter) -> String {
    parameter.flag_name().replace('-', "_")
}

/// The parameter of a word.
pub fn parse_parameter(word: &str) -> Option<RequestParameter> {
    REJECTABLE_PARAMETERS.into_iter().find(|parameter| parameter_name(*parameter) == word)
}
