//! Adapts a request to one model: options that the model does not support are dropped or emulated, and always
//! reported. [`Target::adjustments`] only reports the changes, so that a plan can show them and
//! `--strict-params` can reject them before the call; [`Target::adapt_request`] makes them.

use std::borrow::Cow;

use super::Target;
use crate::catalog::Capability;
use crate::chat::{
    FunctionTool, JsonSchema, Part, ReasoningEffort, Request, RequestParameter, ResponseFormat, TokenCount,
    Tool, ToolChoice,
};
use crate::dialect::{EffortControl, PromptCaching, ResponseFormatControl, UnsupportedInput};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestAdjustment {
    Dropped(RequestParameter),
    /// The effort changes to the nearest level that the model supports.
    EffortChanged {
        asked: ReasoningEffort,
        sent: ReasoningEffort,
    },
    /// The temperature is lowered to the dialect's maximum.
    TemperatureLowered {
        sent: u8,
    },
    /// The schema becomes a tool that the model must call.
    SchemaByTool,
    /// JSON mode, with the schema in the prompt.
    SchemaByJsonMode,
    /// The schema in the prompt only.
    SchemaByPrompt,
}

impl RequestAdjustment {
    /// The changed parameter, in JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped(parameter) => parameter.flag_name(),
            Self::EffortChanged { .. } => "effort",
            Self::TemperatureLowered { .. } => "temperature",
            Self::SchemaByTool | Self::SchemaByJsonMode | Self::SchemaByPrompt => "schema",
        }
    }

    /// What changes, in JSON output.
    pub fn code(self) -> &'static str {
        match self {
            Self::Dropped(_) => "dropped",
            Self::EffortChanged { .. } => "effort_changed",
            Self::TemperatureLowered { .. } => "temperature_lowered",
            Self::SchemaByTool => "schema_by_tool",
            Self::SchemaByJsonMode => "schema_by_json_mode",
            Self::SchemaByPrompt => "schema_by_prompt",
        }
    }

    /// Whether the model gets less than was requested. Emulated structured output loses nothing because the
    /// answer is validated anyway.
    pub fn is_lossy(self) -> bool {
        matches!(self, Self::Dropped(_) | Self::EffortChanged { .. } | Self::TemperatureLowered { .. })
    }
}

#[derive(Clone, Debug)]
pub struct AdaptedRequest<'a> {
    pub request: Cow<'a, Request>,
    /// The tool whose arguments are the answer.
    pub answer_tool: Option<String>,
}

/// With reasoning enabled, Claude rejects a lower `top_p`.
const MIN_TOP_P_WITH_REASONING: f64 = 0.95;

/// A reasoning budget is at least 1,024 tokens and must be below the output limit.
const MIN_MAX_TOKENS_WITH_BUDGET: TokenCount = TokenCount::new(1025);

impl Target {
    /// The changes that this model needs, without making them.
    pub fn adjustments(&self, request: &Request) -> Vec<RequestAdjustment> {
        let mut found = Vec::new();
        let unsupported = self.dialect.client_codec().unsupported_parameters().iter();
        let rejected = self.facts.iter().flat_map(|f| f.rejected_parameters.iter());
        for parameter in unsupported.chain(rejected).copied().filter(|p| is_set(request, *p)) {
            if !found.contains(&RequestAdjustment::Dropped(parameter)) {
                found.push(RequestAdjustment::Dropped(parameter));
            }
        }
        let capabilities = &self.dialect.capabilities;
        let no_cache_points = capabilities.prompt_caching == PromptCaching::AtCachePointsOfSomeModels
            && !self.quirks.cache_points;
        if request.prompt_cache.is_some() && no_cache_points {
            found.push(RequestAdjustment::Dropped(RequestParameter::PromptCache));
        }
        let forced = is_set(request, RequestParameter::ToolChoice);
        let called = |m: &crate::chat::Message| m.parts.iter().any(|p| matches!(p, Part::ToolCall(_)));
        let cannot_forbid = capabilities.must_declare_called_tools
            && request.tool_choice == Some(ToolChoice::None)
            && request.messages.iter().any(called);
        let choice = RequestAdjustment::Dropped(RequestParameter::ToolChoice);
        if (self.quirks.no_forced_tools && forced || cannot_forbid) && !found.contains(&choice) {
            found.push(choice);
        }
        let effort = self.adapt_effort(request, &mut found);
        let has_effort = effort.is_some_and(|effort| effort != ReasoningEffort::None);
        let shows_reasoning = has_effort && self.reasoning_limits_parameters();
        if has_effort
            && self.quirks.effort == EffortControl::EnableThinking
            && forced
            && !found.contains(&choice)
        {
            found.push(choice);
        }
        if shows_reasoning {
            let low_top_p = request.top_p.is_some_and(|p| p < MIN_TOP_P_WITH_REASONING);
            for (parameter, clashes) in [
                (RequestParameter::Temperature, request.temperature.is_some_and(|t| t != 1.0)),
                (RequestParameter::TopP, low_top_p),
                (RequestParameter::ToolChoice, forced),
            ] {
                if clashes && !found.contains(&RequestAdjustment::Dropped(parameter)) {
                    found.push(RequestAdjustment::Dropped(parameter));
                }
            }
        }
        let max = self.dialect.client_codec().max_temperature();
        let is_kept = !found.contains(&RequestAdjustment::Dropped(RequestParameter::Temperature));
        if request.temperature.is_some_and(|t| is_kept && t > f64::from(max)) {
            found.push(RequestAdjustment::TemperatureLowered { sent: max });
        }
        found.extend(self.adapt_schema(request, shows_reasoning));
        found
    }

    /// The effort to send; records an adjustment if it differs.
    fn adapt_effort(&self, request: &Request, found: &mut Vec<RequestAdjustment>) -> Option<ReasoningEffort> {
        let requested = request.reasoning_effort?;
        let dropped = RequestAdjustment::Dropped(RequestParameter::ReasoningEffort);
        if found.contains(&dropped) {
            return None;
        }
        if self.quirks.effort == EffortControl::Unsupported && requested == ReasoningEffort::None {
            return None;
        }
        let too_few_tokens = self.reasoning_limits_parameters()
            && self.quirks.effort == EffortControl::Budget
            && requested != ReasoningEffort::None
            && request.max_output_tokens.is_some_and(|max| max < MIN_MAX_TOKENS_WITH_BUDGET);
        if self.quirks.effort == EffortControl::Unsupported || too_few_tokens {
            found.push(dropped);
            return None;
        }
        let known = self.facts.as_ref().map(|facts| &facts.efforts[..]).filter(|known| !known.is_empty());
        let supported = known.unwrap_or_else(|| self.dialect.client_codec().supported_efforts(&self.quirks));
        let sent = requested.nearest_supported(supported).unwrap_or(requested);
        if sent != requested {
            found.push(RequestAdjustment::EffortChanged { asked: requested, sent });
        }
        Some(sent)
    }

    /// Whether reasoning excludes sampling parameters and forced tool calls, and has a minimum budget.
    fn reasoning_limits_parameters(&self) -> bool {
        (self.dialect.capabilities.reasoning_limits_parameters)(self.quirks.effort)
    }

    /// How structured output is emulated; `None` if the dialect's own mechanism works.
    fn adapt_schema(&self, request: &Request, shows_reasoning: bool) -> Option<RequestAdjustment> {
        let schema = request.response_format.as_ref()?;
        let supports = |what| self.facts.as_ref().and_then(|facts| facts.supports(what));
        let is_object = |s: &JsonSchema| s.schema.get("type").is_some_and(|kind| kind == "object");
        let ResponseFormat::JsonSchema(described) = schema else {
            let has_no_json_mode = !self.dialect.capabilities.has_json_mode;
            return has_no_json_mode.then_some(RequestAdjustment::SchemaByPrompt);
        };
        let rejects_tools = (self.dialect.capabilities.rejects_schema_with_tools)(&self.quirks);
        let clash = !request.tools.is_empty() && rejects_tools;
        let can_use_tool = is_object(described)
            && !shows_reasoning
            && request.tools.is_empty()
            && !self.quirks.no_forced_tools
            && !self.dialect.client_codec().unsupported_parameters().contains(&RequestParameter::ToolChoice)
            && !self.quirks.no_tools
            && !self
                .facts
                .as_ref()
                .is_some_and(|f| f.rejected_parameters.contains(&RequestParameter::ToolChoice))
            && supports(Capability::Tools) != Some(false);
        let by_tool =
            if can_use_tool { RequestAdjustment::SchemaByTool } else { RequestAdjustment::SchemaByPrompt };
        match self.quirks.schema {
            _ if clash => Some(RequestAdjustment::SchemaByPrompt),
            ResponseFormatControl::JsonObject => Some(RequestAdjustment::SchemaByJsonMode),
            ResponseFormatControl::Tool => Some(by_tool),
            ResponseFormatControl::Prompt => Some(RequestAdjustment::SchemaByPrompt),
            ResponseFormatControl::Native if supports(Capability::JsonSchema) == Some(false) => Some(by_tool),
            ResponseFormatControl::Native => None,
        }
    }

    /// The kind of input in the request that this model does not support at all, as text for messages; `None`
    /// if it supports all of it.
    pub fn unsupported_input(&self, request: &Request) -> Option<UnsupportedInput> {
        let supports = |what| self.facts.as_ref().and_then(|facts| facts.supports(what));
        let no_tools = self.quirks.no_tools || supports(Capability::Tools) == Some(false);
        if !request.tools.is_empty() && no_tools {
            return Some(UnsupportedInput::Tools);
        }
        request.messages.iter().flat_map(|message| &message.parts).find_map(|part| {
            let unsupported = match part {
                Part::Image(_) => {
                    (supports(Capability::Vision) == Some(false)).then_some(UnsupportedInput::Images)
                }
                Part::Document(_) => {
                    (supports(Capability::Pdf) == Some(false)).then_some(UnsupportedInput::Documents)
                }
                _ => None,
            };
            unsupported.or_else(|| self.dialect.client_codec().unsupported_part(part, &self.quirks))
        })
    }

    /// Makes these adjustments and removes other models' reasoning, which only they can read.
    pub fn adapt_request<'a>(
        &self,
        request: &'a Request,
        adjustments: &[RequestAdjustment],
    ) -> AdaptedRequest<'a> {
        let own = self.model_ref.to_string();
        let foreign = |m: &&crate::chat::Message| m.model_ref.as_ref().is_some_and(|from| *from != own);
        let mut adapted = AdaptedRequest { request: Cow::Borrowed(request), answer_tool: None };
        if request.messages.iter().any(|m| foreign(&m)) {
            for message in adapted.request.to_mut().messages.iter_mut().filter(|m| foreign(&&**m)) {
                message
                    .parts
                    .retain(|part| !matches!(part, Part::Reasoning { .. } | Part::ProviderSpecific { .. }));
            }
        }
        for adjustment in adjustments {
            let request = adapted.request.to_mut();
            match adjustment {
                RequestAdjustment::Dropped(parameter) => {
                    request.remove_parameter(*parameter);
                }
                RequestAdjustment::EffortChanged { sent, .. } => request.reasoning_effort = Some(*sent),
                RequestAdjustment::TemperatureLowered { sent } => {
                    request.temperature = Some(f64::from(*sent));
                }
                RequestAdjustment::SchemaByTool => adapted.answer_tool = request_schema_by_tool(request),
                RequestAdjustment::SchemaByJsonMode => request_schema_in_prompt(request),
                RequestAdjustment::SchemaByPrompt => {
                    request_schema_in_prompt(request);
                    request.response_format = None;
                }
            }
        }
        adapted
    }
}

/// Whether a parameter is set to a value that a model may reject. The tool choices `auto` and `none` do not
/// count.
fn is_set(request: &Request, parameter: RequestParameter) -> bool {
    match parameter {
        RequestParameter::Temperature => request.temperature.is_some(),
        RequestParameter::TopP => request.top_p.is_some(),
        RequestParameter::StopSequences => !request.stop_sequences.is_empty(),
        RequestParameter::Seed => request.seed.is_some(),
        RequestParameter::ReasoningEffort => request.reasoning_effort.is_some(),
        RequestParameter::ToolChoice => {
            matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
        }
        RequestParameter::ParallelToolCalls => request.parallel_tool_calls.is_some(),
        RequestParameter::PromptCache => request.prompt_cache.is_some(),
    }
}

fn request_schema_by_tool(request: &mut Request) -> Option<String> {
    let Some(ResponseFormat::JsonSchema(schema)) = request.response_format.take() else { return None };
    let name = schema.name.clone();
    let purpose = schema.description.unwrap_or_else(|| "Gives the answer. Call it once.".to_owned());
    request.tools.push(Tool::Function(FunctionTool {
        name: schema.name,
        description: Some(purpose),
        parameters: schema.schema,
        strict: None,
    }));
    request.tool_choice = Some(ToolChoice::Named(name.clone()));
    Some(name)
}

fn request_schema_in_prompt(request: &mut Request) {
    let instruction = match &request.response_format {
        Some(ResponseFormat::JsonSchema(schema)) => format!(
            "Answer with one JSON value and nothing else: no introduction, no code fence. It must be valid under this \
             JSON Schema:\n{}",
            schema.schema
        ),
        _ => "Answer with one JSON value and nothing else: no introduction, no code fence.".to_owned(),
    };
    let existing = request.system_prompt.take().filter(|system| !system.trim().is_empty());
    request.system_prompt =
        Some(existing.map_or(instruction.clone(), |existing| format!("{existing}\n\n{instruction}")));
}
