//! A request as one model can take it: what it refuses is left out or said another way, and never in silence.
//!
//! [`Target::adjustments`] says what would change, without changing anything, so that a plan can show it and
//! `--strict-params` can refuse it before the call; [`Target::fitted`] does it.

use std::borrow::Cow;
use std::fmt;

use super::Target;
use crate::catalog::Capability;
use crate::chat::{Effort, Function, JsonSchema, Parameter, Part, Request, Schema, Tool, ToolChoice};
use crate::dialect::{Dialect, EffortControl, SchemaControl};

/// Something of a request that one model gets otherwise than it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// The parameter is left out.
    Dropped(Parameter),
    /// The effort is brought to the nearest level that the model has.
    Effort {
        /// What was asked for.
        asked: Effort,
        /// What is sent.
        sent: Effort,
    },
    /// The temperature is brought down to the highest that is taken.
    Cooled {
        /// What is sent.
        sent: u8,
    },
    /// The answer's shape is asked for by a tool that the model must call.
    ShapeByTool,
    /// The answer's shape is asked for as JSON of any kind, and the prompt says which.
    ShapeByJson,
    /// The answer's shape is asked for in the prompt alone.
    ShapeByPrompt,
}

impl Adjustment {
    /// A short name, for JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped(parameter) => parameter.name(),
            Self::Effort { .. } => "effort",
            Self::Cooled { .. } => "temperature",
            Self::ShapeByTool | Self::ShapeByJson | Self::ShapeByPrompt => "schema",
        }
    }

    /// Whether the model gets less than was asked for. A shape that is asked for another way is checked here all the
    /// same, so it takes nothing away.
    pub fn loses(self) -> bool {
        matches!(self, Self::Dropped(_) | Self::Effort { .. } | Self::Cooled { .. })
    }
}

impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped(parameter) => write!(f, "`{}` is not taken and left out", parameter.name()),
            Self::Cooled { sent } => write!(f, "a temperature above {sent} is not taken; {sent} is sent"),
            Self::Effort { asked, sent } => write!(f, "effort `{asked}` is not offered; `{sent}` is sent"),
            Self::ShapeByTool => f.write_str("the schema is asked for by a tool call"),
            Self::ShapeByJson => f.write_str("the schema is asked for in the prompt, beside JSON mode"),
            Self::ShapeByPrompt => f.write_str("the schema is asked for in the prompt"),
        }
    }
}

/// A request ready for one model.
#[derive(Clone, Debug)]
pub struct Fitted<'a> {
    /// The request.
    pub request: Cow<'a, Request>,
    /// The tool whose arguments are the answer.
    pub answer_tool: Option<String>,
}

/// Below this share of the probability mass, Claude takes no `top_p` beside thinking.
const LEAST_TOP_P_WITH_THINKING: f64 = 0.95;

/// A budget of thought must leave room beside it: below this bound there is none.
const LEAST_MAX_TOKENS_WITH_BUDGET: u64 = 1025;

impl Target {
    /// What of a request this model would get otherwise than it was asked for.
    pub fn adjustments(&self, request: &Request) -> Vec<Adjustment> {
        let mut found = Vec::new();
        let lacks = self.dialect.client().lacks().iter();
        let refused = self.facts.iter().flat_map(|f| f.refuses.iter());
        for parameter in lacks.chain(refused).copied().filter(|p| is_set(request, *p)) {
            if !found.contains(&Adjustment::Dropped(parameter)) {
                found.push(Adjustment::Dropped(parameter));
            }
        }
        let unmarked = self.dialect == Dialect::Bedrock && !self.quirks.cache_points;
        if request.cache.is_some() && unmarked {
            found.push(Adjustment::Dropped(Parameter::Cache));
        }
        let forced = is_set(request, Parameter::ToolChoice);
        // There, tools that were called must stay on offer, so "none" cannot be said any more.
        let called = |m: &crate::chat::Message| m.parts.iter().any(|p| matches!(p, Part::ToolCall(_)));
        let cannot_forbid = self.dialect == Dialect::Bedrock
            && request.tool_choice == Some(ToolChoice::None)
            && request.messages.iter().any(called);
        let choice = Adjustment::Dropped(Parameter::ToolChoice);
        if (self.quirks.no_forced_tools && forced || cannot_forbid) && !found.contains(&choice) {
            found.push(choice);
        }
        let effort = self.effort(request, &mut found);
        let hard = effort.is_some_and(|effort| effort != Effort::None);
        let thinks = hard && self.speaks_claude();
        if hard && self.quirks.effort == EffortControl::EnableThinking && forced && !found.contains(&choice) {
            found.push(choice);
        }
        if thinks {
            let low_top_p = request.top_p.is_some_and(|p| p < LEAST_TOP_P_WITH_THINKING);
            for (parameter, clashes) in [
                (Parameter::Temperature, request.temperature.is_some_and(|t| t != 1.0)),
                (Parameter::TopP, low_top_p),
                (Parameter::ToolChoice, forced),
            ] {
                if clashes && !found.contains(&Adjustment::Dropped(parameter)) {
                    found.push(Adjustment::Dropped(parameter));
                }
            }
        }
        let most = self.dialect.client().most_temperature();
        let kept = !found.contains(&Adjustment::Dropped(Parameter::Temperature));
        if request.temperature.is_some_and(|t| kept && t > f64::from(most)) {
            found.push(Adjustment::Cooled { sent: most });
        }
        found.extend(self.shape(request, thinks));
        found
    }

    /// The effort that is sent, with a note where it is another one.
    fn effort(&self, request: &Request, found: &mut Vec<Adjustment>) -> Option<Effort> {
        let asked = request.effort?;
        let dropped = Adjustment::Dropped(Parameter::Effort);
        if found.contains(&dropped) {
            return None;
        }
        if self.quirks.effort == EffortControl::Unsupported && asked == Effort::None {
            // Not to think is what such a model does.
            return None;
        }
        let no_room = self.speaks_claude()
            && self.quirks.effort == EffortControl::Budget
            && asked != Effort::None
            && request.max_tokens.is_some_and(|most| most < LEAST_MAX_TOKENS_WITH_BUDGET);
        if self.quirks.effort == EffortControl::Unsupported || no_room {
            found.push(dropped);
            return None;
        }
        let known = self.facts.as_ref().map(|facts| &facts.efforts[..]).filter(|known| !known.is_empty());
        let offered = known.unwrap_or_else(|| self.dialect.client().efforts(&self.quirks));
        let sent = asked.nearest(offered).unwrap_or(asked);
        if sent != asked {
            found.push(Adjustment::Effort { asked, sent });
        }
        Some(sent)
    }

    fn speaks_claude(&self) -> bool {
        let claude = matches!(self.quirks.effort, EffortControl::Budget | EffortControl::Adaptive);
        // With a level alone, as Opus 4.5 takes it, nothing is thought aloud.
        let anthropic = self.dialect == Dialect::Anthropic && self.quirks.effort != EffortControl::Level;
        anthropic || self.dialect == Dialect::Bedrock && claude
    }

    /// How the answer's shape is asked for, where not by the dialect's own means.
    fn shape(&self, request: &Request, thinks: bool) -> Option<Adjustment> {
        let schema = request.schema.as_ref()?;
        let knows = |what| self.facts.as_ref().and_then(|facts| facts.supports(what));
        let object = |s: &JsonSchema| s.schema.get("type").is_some_and(|kind| kind == "object");
        let Schema::Described(described) = schema else {
            // These two have no way to ask for JSON of any kind.
            let lacks = matches!(self.dialect, Dialect::Anthropic | Dialect::Bedrock);
            return lacks.then_some(Adjustment::ShapeByPrompt);
        };
        // A shape and tools together are refused by these.
        let clash = !request.tools.is_empty()
            && (self.dialect == Dialect::Cohere
                || self.dialect == Dialect::Gemini && self.quirks.effort == EffortControl::Budget);
        let tool = object(described)
            && !thinks
            && request.tools.is_empty()
            && !self.quirks.no_forced_tools
            && !self.dialect.client().lacks().contains(&Parameter::ToolChoice)
            && !self.quirks.no_tools
            && !self.facts.as_ref().is_some_and(|f| f.refuses.contains(&Parameter::ToolChoice))
            && knows(Capability::Tools) != Some(false);
        let by_tool = if tool { Adjustment::ShapeByTool } else { Adjustment::ShapeByPrompt };
        match self.quirks.schema {
            _ if clash => Some(Adjustment::ShapeByPrompt),
            SchemaControl::JsonObject => Some(Adjustment::ShapeByJson),
            SchemaControl::Tool => Some(by_tool),
            SchemaControl::Prompt => Some(Adjustment::ShapeByPrompt),
            SchemaControl::Native if knows(Capability::JsonSchema) == Some(false) => Some(by_tool),
            SchemaControl::Native => None,
        }
    }

    /// What of a request this model cannot be given at all, in words.
    pub fn cannot_take(&self, request: &Request) -> Option<&'static str> {
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
            lacked.or_else(|| self.dialect.client().cannot_carry(part, &self.quirks))
        })
    }

    /// The request with these adjustments made, and without the thoughts of other models, which none but they can read.
    pub fn fitted<'a>(&self, request: &'a Request, adjustments: &[Adjustment]) -> Fitted<'a> {
        let own = self.model_ref.to_string();
        let foreign = |m: &&crate::chat::Message| m.from.as_ref().is_some_and(|from| *from != own);
        let mut fitted = Fitted { request: Cow::Borrowed(request), answer_tool: None };
        if request.messages.iter().any(|m| foreign(&m)) {
            for message in fitted.request.to_mut().messages.iter_mut().filter(|m| foreign(&&**m)) {
                message.parts.retain(|part| !matches!(part, Part::Reasoning { .. } | Part::Own { .. }));
            }
        }
        for adjustment in adjustments {
            let request = fitted.request.to_mut();
            match adjustment {
                Adjustment::Dropped(parameter) => {
                    request.take(*parameter);
                }
                Adjustment::Effort { sent, .. } => request.effort = Some(*sent),
                Adjustment::Cooled { sent } => request.temperature = Some(f64::from(*sent)),
                Adjustment::ShapeByTool => fitted.answer_tool = ask_by_tool(request),
                Adjustment::ShapeByJson => ask_in_prompt(request),
                Adjustment::ShapeByPrompt => {
                    ask_in_prompt(request);
                    request.schema = None;
                }
            }
        }
        fitted
    }
}

/// Whether a parameter is set to something that could be refused: leaving the choice of tools to the model, or asking
/// for none, can be said to everybody.
fn is_set(request: &Request, parameter: Parameter) -> bool {
    match parameter {
        Parameter::Temperature => request.temperature.is_some(),
        Parameter::TopP => request.top_p.is_some(),
        Parameter::Stop => !request.stop.is_empty(),
        Parameter::Seed => request.seed.is_some(),
        Parameter::Effort => request.effort.is_some(),
        Parameter::ToolChoice => {
            matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
        }
        Parameter::ParallelToolCalls => request.parallel_tool_calls.is_some(),
        Parameter::Cache => request.cache.is_some(),
    }
}

fn ask_by_tool(request: &mut Request) -> Option<String> {
    let Some(Schema::Described(schema)) = request.schema.take() else { return None };
    let name = schema.name.clone();
    let purpose = schema.description.unwrap_or_else(|| "Gives the answer. Call it once.".to_owned());
    request.tools.push(Tool::Function(Function {
        name: schema.name,
        description: Some(purpose),
        parameters: schema.schema,
        strict: None,
    }));
    request.tool_choice = Some(ToolChoice::Named(name.clone()));
    Some(name)
}

fn ask_in_prompt(request: &mut Request) {
    let words = match &request.schema {
        Some(Schema::Described(schema)) => format!(
            "Answer with one JSON value and nothing else: no introduction, no code fence. It must be valid under this \
             JSON Schema:\n{}",
            schema.schema
        ),
        _ => "Answer with one JSON value and nothing else: no introduction, no code fence.".to_owned(),
    };
    let above = request.system.take().filter(|system| !system.trim().is_empty());
    request.system = Some(above.map_or(words.clone(), |above| format!("{above}\n\n{words}")));
}
