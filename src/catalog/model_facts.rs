//! Facts about one model.

use jiff::civil::Date;

use super::Pricing;
use crate::chat::{ReasoningEffort, RequestParameter, TokenCount};

/// Facts about one model at one provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFacts {
    pub provider: String,
    pub model: String,
    pub mode: ModelMode,
    /// Context window: input and output tokens together.
    pub context_tokens: Option<TokenCount>,
    pub max_output_tokens: Option<TokenCount>,
    pub pricing: Pricing,
    /// Parameters that the model rejects with status 400.
    pub rejected_parameters: Vec<RequestParameter>,
    /// Supported effort levels; empty if unknown.
    pub efforts: Vec<ReasoningEffort>,
    pub capabilities: Capabilities,
    /// How reasoning is controlled, if the dialect has several ways.
    pub reasoning_control: Option<ReasoningControl>,
    /// The date from which the provider may stop serving it.
    pub retirement_date: Option<Date>,
}

impl ModelFacts {
    /// `None` if no source says.
    pub fn supports(&self, capability: Capability) -> Option<bool> {
        self.capabilities.get(capability)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelMode {
    #[default]
    Chat,
    /// Chat through OpenAI's Responses API only.
    Responses,
    Embedding,
}

impl ModelMode {
    pub const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Embedding];

    /// The value in a catalog row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Embedding => "embedding",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningControl {
    /// A number of tokens (Claude up to 4.5, Gemini 2.5).
    Budget,
    /// The model decides how much, guided by an effort (Claude from 4.6).
    Adaptive,
    /// A level (Gemini from 3).
    Level,
    /// The model does not reason.
    None,
}

impl ReasoningControl {
    pub const ALL: [Self; 4] = [Self::Budget, Self::Adaptive, Self::Level, Self::None];

    /// The value in a catalog row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Adaptive => "adaptive",
            Self::Level => "level",
            Self::None => "none",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    Tools,
    JsonSchema,
    Vision,
    Pdf,
    Audio,
    /// Reasons before it answers, so that the first token may take minutes.
    Reasoning,
    /// Supports prompt caching.
    Caching,
    /// Continues an answer that the request starts.
    Prefill,
}

impl Capability {
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

    /// The value in catalog rows and in `routes.yaml`.
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

/// What a model supports, as far as known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities([Option<bool>; Capability::ALL.len()]);

impl Capabilities {
    /// `None` if unknown.
    pub fn get(self, capability: Capability) -> Option<bool> {
        self.0[capability as usize]
    }

    pub fn set(&mut self, capability: Capability, can: bool) {
        self.0[capability as usize] = Some(can);
    }

    /// Sets a capability from a word such as `tools` or `no-tools`. Returns false if the word is unknown.
    pub fn parse_and_set(&mut self, word: &str) -> bool {
        let (name, can) = word.strip_prefix("no-").map_or((word, true), |name| (name, false));
        let found = Capability::ALL.into_iter().find(|capability| capability.name() == name);
        found.inspect(|capability| self.set(*capability, can)).is_some()
    }

    pub fn supported(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |capability| self.get(*capability) == Some(true))
    }

    /// All known capabilities, in the format of a catalog row.
    pub fn to_csv_field(self) -> String {
        let known = Capability::ALL.into_iter().filter_map(|capability| {
            let no = if self.get(capability)? { "" } else { "no-" };
            Some(format!("{no}{}", capability.name()))
        });
        known.collect::<Vec<_>>().join(" ")
    }
}

/// The parameters that catalog rows can list as rejected.
pub(crate) const REJECTABLE_PARAMETERS: [RequestParameter; 6] = [
    RequestParameter::Temperature,
    RequestParameter::TopP,
    RequestParameter::StopSequences,
    RequestParameter::Seed,
    RequestParameter::ToolChoice,
    RequestParameter::ParallelToolCalls,
];

/// The name in catalog rows and in `routes.yaml`.
pub(crate) fn parameter_name(parameter: RequestParameter) -> String {
    parameter.flag_name().replace('-', "_")
}

pub(crate) fn parse_parameter(word: &str) -> Option<RequestParameter> {
    REJECTABLE_PARAMETERS.into_iter().find(|parameter| parameter_name(*parameter) == word)
}
