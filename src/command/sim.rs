//! `slalom sim`: the simulator as a server, for any vendor's own SDK.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use super::context::{Context, duration};
use super::outcome::{CommandError, Outcome};
use crate::chat::clean_message;
use crate::cli::SimArgs;
use crate::config::load_scenario;
use crate::dialect::Dialect;
use crate::sim::{Behaviour, Fault, LogLine, MODELS, Rule, Settings, Simulator, Step};

pub(super) async fn sim(context: &Context, args: SimArgs) -> Result<Outcome, CommandError> {
    let console = context.console;
    let log = move |line: &LogLine| {
        let dialect = line.dialect.map_or("-", Dialect::name);
        // Whoever asks chooses the words, and a terminal shows them.
        let about = clean_message(&line.about);
        // A log that nobody reads any more stops nobody.
        let _ = console.out_line(&format!("{dialect} {about} {} {}", line.how, line.status));
    };
    let settings = Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)),
        latency: args.latency.as_deref().map(duration).transpose()?,
        seed: args.seed,
        rules: match &args.scenario {
            Some(path) => rules(path)?,
            None => Vec::new(),
        },
        log: args.log.then(|| Arc::new(log) as crate::sim::Log),
        ..Settings::default()
    };
    let simulator = Simulator::start(settings).await.map_err(|error| {
        CommandError::usage(format!("port {} cannot be listened on: {error}", args.port))
            .hint("choose another with --port, or 0 for a free one")
    })?;
    let url = simulator.url();
    console.note(format_args!("the simulator listens at {url}; Ctrl-C stops it"));
    console.note(format_args!("  openai-chat {url}/v1   anthropic {url}   gemini {url}/v1beta"));
    console.note(format_args!("  models: {}", MODELS.join(", ")));
    let faults: Vec<&str> = Fault::names().collect();
    console.note(format_args!("  faults: {}", faults.join(", ")));
    let mut stopped = context.signals.listen();
    tokio::select! {
        // The way to stop it that it told of is no interruption.
        Ok(()) = stopped.changed() => match context.signals.last() {
            Outcome::Interrupted => Ok(Outcome::Done),
            other => Err(CommandError::ended(other)),
        },
        ended = simulator.wait() => ended.map(|()| Outcome::Done).map_err(CommandError::internal),
    }
}

fn rules(path: &Path) -> Result<Vec<Rule>, CommandError> {
    let rules = load_scenario(path, &|name| Behaviour::of(name).is_some())?;
    let step = |step: crate::config::ScenarioStep| Step {
        behaviour: step.behave_as.as_deref().and_then(Behaviour::of),
        reply: step.reply,
        latency: step.latency,
    };
    Ok(rules
        .into_iter()
        .map(|rule| Rule {
            prompt: rule.prompt,
            models: rule.models,
            steps: rule.steps.into_iter().map(step).collect(),
        })
        .collect())
}
