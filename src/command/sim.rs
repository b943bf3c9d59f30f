//! `slalom sim`: the simulator as a server, for any vendor's own SDK.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use super::context::{CommandContext, parse_duration_flag};
use super::outcome::{CommandError, CommandOutcome};
use crate::chat::sanitize_message;
use crate::cli::SimArgs;
use crate::config::load_scenario;
use crate::dialect::Dialect;
use crate::sim::{
    LISTED_MODELS, ModelBehavior, RequestLogEntry, SimulatedFault, Simulator, SimulatorConfig, SimulatorRule,
    SimulatorStep,
};

pub(super) async fn run(context: &CommandContext, args: SimArgs) -> Result<CommandOutcome, CommandError> {
    let console = context.console;
    let log = move |line: &RequestLogEntry| {
        let dialect = line.dialect.map_or("-", Dialect::as_str);
        // Whoever asks chooses the words, and a terminal shows them.
        let about = sanitize_message(&line.target);
        // A log that nobody reads any more stops nobody.
        let _ = console.print_line(&format!("{dialect} {about} {} {}", line.kind, line.status));
    };
    let settings = SimulatorConfig {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)),
        latency: args.latency.as_deref().map(parse_duration_flag).transpose()?,
        seed: args.seed,
        scenario: match &args.scenario {
            Some(path) => load_rules(path)?,
            None => Vec::new(),
        },
        log: args.log.then(|| Arc::new(log) as crate::sim::RequestLogger),
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::start(settings).await.map_err(|error| {
        CommandError::usage(format!("port {} cannot be listened on: {error}", args.port))
            .with_hint("choose another with --port, or 0 for a free one")
    })?;
    let url = simulator.base_url();
    console.note(format_args!("the simulator listens at {url}; Ctrl-C stops it"));
    console.note(format_args!("  openai-chat {url}/v1   anthropic {url}   gemini {url}/v1beta"));
    console.note(format_args!("  models: {}", LISTED_MODELS.join(", ")));
    let faults: Vec<&str> = SimulatedFault::names().collect();
    console.note(format_args!("  faults: {}", faults.join(", ")));
    let mut stopped = context.signals.subscribe();
    tokio::select! {
        // The way to stop it that it told of is no interruption.
        Ok(()) = stopped.changed() => match context.signals.last_outcome() {
            CommandOutcome::Interrupted => Ok(CommandOutcome::Success),
            other => Err(CommandError::from_signal(other)),
        },
        ended = simulator.run_until_stopped() => ended.map(|()| CommandOutcome::Success).map_err(CommandError::from_io),
    }
}

fn load_rules(path: &Path) -> Result<Vec<SimulatorRule>, CommandError> {
    let rules = load_scenario(path, &|name| ModelBehavior::from_model_name(name).is_some())?;
    let step = |step: crate::config::ScenarioStep| SimulatorStep {
        behavior: step.behave_as.as_deref().and_then(ModelBehavior::from_model_name),
        reply: step.reply,
        latency: step.latency,
    };
    Ok(rules
        .into_iter()
        .map(|rule| SimulatorRule {
            prompt: rule.prompt,
            models: rule.models,
            steps: rule.steps.into_iter().map(step).collect(),
        })
        .collect())
}
