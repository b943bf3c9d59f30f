//! `slalom sim`: runs the simulator as a server for any provider's SDK.

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
    let log = move |entry: &RequestLogEntry| {
        let dialect = entry.dialect.map_or("-", Dialect::as_str);
        // The client chooses this text, and a terminal displays it.
        let target = sanitize_message(&entry.target);
        // A closed stdout must not stop the server.
        let _ = console.print_line(&format!("{dialect} {target} {} {}", entry.kind, entry.status));
    };
    let config = SimulatorConfig {
        port: args.port,
        latency: args.latency.as_deref().map(|text| parse_duration_flag("--latency", text)).transpose()?,
        seed: args.seed,
        scenario: match &args.scenario {
            Some(path) => load_rules(path)?,
            None => Vec::new(),
        },
        log: args.log.then(|| Arc::new(log) as crate::sim::RequestLogger),
        ..SimulatorConfig::default()
    };
    let mut simulator = Simulator::start(config).await.map_err(|error| {
        CommandError::usage(format!("cannot listen on port {}: {error}", args.port))
            .with_hint("choose another port with --port, or use 0 for any free port")
    })?;
    let url = simulator.base_url();
    console.note(format_args!("simulator listening on {url} (press Ctrl-C to stop)"));
    for base in base_paths() {
        let dialects = Dialect::all().filter(|dialect| dialect.served_paths.base == base);
        let names: Vec<&str> = dialects.map(Dialect::as_str).collect();
        console.note(format_args!("  {url}{base}: {}", names.join(", ")));
    }
    console.note(format_args!("  models: {}", LISTED_MODELS.join(", ")));
    let fault_names: Vec<&str> = SimulatedFault::names().collect();
    console.note(format_args!("  faults: {}", fault_names.join(", ")));
    let mut stopped = context.signals.subscribe();
    tokio::select! {
        Ok(()) = stopped.changed() => {}
        result = simulator.run_until_stopped() => {
            return result.map(|()| CommandOutcome::Success).map_err(CommandError::from_io);
        }
    }
    let outcome = context.signals.last_outcome();
    tokio::select! {
        () = simulator.stop() => {}
        // A second signal stops at once.
        Ok(()) = stopped.changed() => {}
    }
    match outcome {
        // Ctrl-C is the documented way to stop the simulator.
        CommandOutcome::Interrupted => Ok(CommandOutcome::Success),
        other => Err(CommandError::from_signal(other)),
    }
}

/// The different paths that clients have in their base URLs.
fn base_paths() -> Vec<&'static str> {
    let mut paths = Vec::new();
    for dialect in Dialect::all() {
        if !paths.contains(&dialect.served_paths.base) {
            paths.push(dialect.served_paths.base);
        }
    }
    paths
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
