//! A request as one model can take it: what it refuses is left out or said another way, and never in silence.
//!
//! [`Target::adjustments`] says what would change, without changing anything, so that a plan can show it and
//! `--strict-params` can refuse it before the call; [`Target::fitted`] does it.

use std::borrow::Cow;
use std::fmt;

use super::Target;
use crate::catalog::Capability;
use crate::chat::{
    FunctionTool, JsonSchema, Part, ReasoningEffort, Request, RequestParameter, ResponseFormat, Tool,
    ToolChoice,
};
use crate::dialect::{Dialect, EffortControl, ResponseFormatControl};

/// Something of a request that one model gets otherwise than it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestAdjustment {
    /// The parameter is left out.
    Dropped(RequestParameter),
    /// The effort is brought to the nearest level that the model has.
    EffortChanged {
        /// What was asked for.
        asked: ReasoningEffort,
        /// What is sent.
        sent: ReasoningEffort,
    },
    /// The temperature is brought down to the highest that is taken.
    TemperatureLowered {
        /// What is sent.
        sent: u8,
    },
    /// The answer's shape is asked for by a tool that the model must call.
    SchemaByTool,
    /// The answer's shape is asked for as JSON of any kind, and the prompt says which.
    SchemaByJsonMode,
    /// The answer's shape is asked for in the prompt alone.
    SchemaByPrompt,
}

impl RequestAdjustment {
    /// A short name, for JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped(parameter) => parameter.flag_name(),
            Self::EffortChanged { .. } => "effort",
            Self::TemperatureLowered { .. } => "temperature",
            Self::SchemaByTool | Self::SchemaByJsonMode | Self::SchemaByPrompt => "schema",
        }
    }

    /// Whether the model gets less than was asked for. A shape that is asked for another way is checked here all the
    /// same, so it takes nothing away.
    pub fn is_lossy(self) -> bool {
        matches!(self, Self::Dropped(_) | Self::EffortChanged { .. } | Self::TemperatureLowered { .. })
    }
}

impl fmt::Display for RequestAdjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped(parameter) => write!(f, "`{}` is not taken and left out", parameter.flag_name()),
            Self::TemperatureLowered { sent } => {
                write!(f, "a temperature above {sent} is not taken; {sent} is sent")
            }
            Self::EffortChanged { asked, sent } => {
                write!(f, "effort `{asked}` is not offered; `{sent}` is sent")
            }
            Self::SchemaByTool => f.write_str("the schema is asked for by a tool call"),
            Self::SchemaByJsonMode => f.write_str("the schema is asked for in the prompt, beside JSON mode"),
            Self::SchemaByPrompt => f.write_str("the schema is asked for in the prompt"),
        }
    }
}

/// A request ready for one model.
#[derive(Clone, Debug)]
pub struct AdaptedRequest<'a> {
    /// The request.
    pub request: Cow<'a, Request>,
    /// The tool whose arguments are the answer.
    pub answer_tool: Option<String>,
}

/// Below this share of the probability mass, Claude takes no `top_p` beside thinking.
const MIN_TOP_P_WITH_REASONING: f64 = 0.95;

/// A budget of thought must leave room beside it: below this bound there is none.
const MIN_MAX_TOKENS_WITH_BUDGET: u64 = 1025;

impl Target {
    /// What of a request this model would get otherwise than it was asked for.
    pub fn adjustments(&self, request: &Request) -> Vec<RequestAdjustment> {
        let mut found = Vec::new();
        let lacks = self.dialect.client_codec().unsupported_parameters().iter();
        let refused = self.facts.iter().flat_map(|f| f.rejected_parameters.iter());
        for parameter in lacks.chain(refused).copied().filter(|p| is_set(request, *p)) {
            if !found.contains(&RequestAdjustment::Dropped(parameter)) {
                found.push(RequestAdjustment::Dropped(parameter));
            }
        }
        let unmarked = self.dialect == Dialect::Bedrock && !self.quirks.cache_points;
        if request.prompt_cache.is_some() && unmarked {
            found.push(RequestAdjustment::Dropped(RequestParameter::PromptCache));
        }
        let forced = is_set(request, RequestParameter::ToolChoice);
        // There, tools that were called must stay on offer, so "none" cannot be said any more.
        let called = |m: &crate::chat::Message| m.parts.iter().any(|p| matches!(p, Part::ToolCall(_)));
        let cannot_forbid = self.dialect == Dialect::Bedrock
            && request.tool_choice == Some(ToolChoice::None)
            && request.messages.iter().any(called);
        let choice = RequestAdjustment::Dropped(RequestParameter::ToolChoice);
        if (self.quirks.no_forced_tools && forced || cannot_forbid) && !found.contains(&choice) {
            found.push(choice);
        }
        let effort = self.adapt_effort(request, &mut found);
        let hard = effort.is_some_and(|effort| effort != ReasoningEffort::None);
        let thinks = hard && self.is_claude_reasoning();
        if hard && self.quirks.effort == EffortControl::EnableThinking && forced && !found.contains(&choice) {
            found.push(choice);
        }
        if thinks {
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
        let most = self.dialect.client_codec().max_temperature();
        let kept = !found.contains(&RequestAdjustment::Dropped(RequestParameter::Temperature));
        if request.temperature.is_some_and(|t| kept && t > f64::from(most)) {
            found.push(RequestAdjustment::TemperatureLowered { sent: most });
        }
        found.extend(self.adapt_schema(request, thinks));
        found
    }

    /// The effort that is sent, with a note where it is another one.
    fn adapt_effort(&self, request: &Request, found: &mut Vec<RequestAdjustment>) -> Option<ReasoningEffort> {
        let asked = request.reasoning_effort?;
        let dropped = RequestAdjustment::Dropped(RequestParameter::ReasoningEffort);
        if found.contains(&dropped) {
            return None;
        }
        if self.quirks.effort == EffortControl::Unsupported && asked == ReasoningEffort::None {
            // Not to think is what such a model does.
            return None;
        }
        let no_room = self.is_claude_reasoning()
            && self.quirks.effort == EffortControl::Budget
            && asked != ReasoningEffort::None
            && request.max_output_tokens.is_some_and(|most| most < MIN_MAX_TOKENS_WITH_BUDGET);
        if self.quirks.effort == EffortControl::Unsupported || no_room {
            found.push(dropped);
            return None;
        }
        let known = self.facts.as_ref().map(|facts| &facts.efforts[..]).filter(|known| !known.is_empty());
        let offered = known.unwrap_or_else(|| self.dialect.client_codec().supported_efforts(&self.quirks));
        let sent = asked.nearest_supported(offered).unwrap_or(asked);
        if sent != asked {
            found.push(RequestAdjustment::EffortChanged { asked, sent });
        }
        Some(sent)
    }

    fn is_claude_reasoning(&self) -> bool {
        let claude = matches!(self.quirks.effort, EffortControl::Budget | EffortControl::Adaptive);
        // With a level alone, as Opus 4.5 takes it, nothing is thought aloud.
        let anthropic = self.dialect == Dialect::Anthropic && self.quirks.effort != EffortControl::Level;
        anthropic || self.dialect == Dialect::Bedrock && claude
    }

    /// How the answer's shape is asked for, where not by the dialect's own means.
    fn adapt_schema(&self, request: &Request, thinks: bool) -> Option<RequestAdjustment> {
        let schema = request.response_format.as_ref()?;
        let knows = |what| self.facts.as_ref().and_then(|facts| facts.supports(what));
        let object = |s: &JsonSchema| s.schema.get("type").is_some_and(|kind| kind == "object");
        let ResponseFormat::JsonSchema(described) = schema else {
            // These two have no way to ask for JSON of any kind.
            let lacks = matches!(self.dialect, Dialect::Anthropic | Dialect::Bedrock);
            return lacks.then_some(RequestAdjustment::SchemaByPrompt);
        };
        // A shape and tools together are refused by these.
        let clash = !request.tools.is_empty()
            && (self.dialect == Dialect::Cohere
                || self.dialect == Dialect::Gemini && self.quirks.effort == EffortControl::Budget);
        let tool = object(described)
            && !thinks
            && request.tools.is_empty()
            && !self.quirks.no_forced_tools
            && !self.dialect.client_codec().unsupported_parameters().contains(&RequestParameter::ToolChoice)
            && !self.quirks.no_tools
            && !self
                .facts
                .as_ref()
                .is_some_and(|f| f.rejected_parameters.contains(&RequestParameter::ToolChoice))
            && knows(Capability::Tools) != Some(false);
        let by_tool = if tool { RequestAdjustment::SchemaByTool } else { RequestAdjustment::SchemaByPrompt };
        match self.quirks.schema {
            _ if clash => Some(RequestAdjustment::SchemaByPrompt),
            ResponseFormatControl::JsonObject => Some(RequestAdjustment::SchemaByJsonMode),
            ResponseFormatControl::Tool => Some(by_tool),
            ResponseFormatControl::Prompt => Some(RequestAdjustment::SchemaByPrompt),
            ResponseFormatControl::Native if knows(Capability::JsonSchema) == Some(false) => Some(by_tool),
            ResponseFormatControl::Native => None,
        }
    }

    /// What of a request this model cannot be given at all, in words.
    pub fn unsupported_input(&self, request: &Request) -> Option<&'static str> {
        let knows = |what| self.facts.as_ref().and_then(|facts| facts.supports(what));
        let no_tools = self.quirks.no_tools || knows(Capability::Tools) == Some(false);
        if !request.tools.is_empty() && no_tools {
            return Some("tools");
        }
        request.messages.iter().flat_map(|message| &message.parts).find_map(|part| {
            let lacked = match part {
                Part::Image(_) => (knows(Capability::Vision) == Some(false)).then_some("pictures"),
                Part::Document(_) => (knows(Capability::Pdf) == Some(false)).then_some("documents"),
                _ => None,
            };
            lacked.or_else(|| self.dialect.client_codec().unsupported_part(part, &self.quirks))
        })
    }

    /// The request with these adjustments made, and without the thoughts of other models, which none but they can read.
    pub fn adapt_request<'a>(
        &self,
        request: &'a Request,
        adjustments: &[RequestAdjustment],
    ) -> AdaptedRequest<'a> {
        let own = self.model_ref.to_string();
        let foreign = |m: &&crate::chat::Message| m.model_ref.as_ref().is_some_and(|from| *from != own);
        let mut fitted = AdaptedRequest { request: Cow::Borrowed(request), answer_tool: None };
        if request.messages.iter().any(|m| foreign(&m)) {
            for message in fitted.request.to_mut().messages.iter_mut().filter(|m| foreign(&&**m)) {
                message
                    .parts
                    .retain(|part| !matches!(part, Part::Reasoning { .. } | Part::ProviderSpecific { .. }));
            }
        }
        for adjustment in adjustments {
            let request = fitted.request.to_mut();
            match adjustment {
                RequestAdjustment::Dropped(parameter) => {
                    request.remove_parameter(*parameter);
                }
                RequestAdjustment::EffortChanged { sent, .. } => request.reasoning_effort = Some(*sent),
                RequestAdjustment::TemperatureLowered { sent } => {
                    request.temperature = Some(f64::from(*sent));
                }
                RequestAdjustment::SchemaByTool => fitted.answer_tool = request_schema_by_tool(request),
                RequestAdjustment::SchemaByJsonMode => request_schema_in_prompt(request),
                RequestAdjustment::SchemaByPrompt => {
                    request_schema_in_prompt(request);
                    request.response_format = None;
                }
            }
        }
        fitted
    }
}

/// Whether a parameter is set to something that could be refused: leaving the choice of tools to the model, or asking
/// for none, can be said to everybody.
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
    let words = match &request.response_format {
        Some(ResponseFormat::JsonSchema(schema)) => format!(
            "Answer with one JSON value and nothing else: no introduction, no code fence. It must be valid under this \
             JSON Schema:\n{}",
            schema.schema
        ),
        _ => "Answer with one JSON value and nothing else: no introduction, no code fence.".to_owned(),
    };
    let above = request.system_prompt.take().filter(|system| !system.trim().is_empty());
    request.system_prompt = Some(above.map_or(words.clone(), |above| format!("{above}\n\n{words}")));
}
