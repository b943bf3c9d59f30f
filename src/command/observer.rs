//! Observers of calls and runs: print what the user should know, and run the user's hook.

use super::breaker_hook::BreakerHook;
use super::context::CommandContext;
use crate::config::Config;
use crate::eval::{RunEvent, RunObserver};
use crate::route::{CallEvent, Observer};
use crate::view::{Console, EvalProgress, StreamPrinter, describe_run_event};

/// Observes calls whose answers are not shown as they arrive: prints only warnings that concern later calls
/// too. One serves all calls of a command.
pub(super) struct CommandObserver {
    console: Console,
    hook: Option<BreakerHook>,
}

impl CommandObserver {
    pub(super) fn new(context: &CommandContext, config: &Config) -> Self {
        Self { console: context.console, hook: BreakerHook::from_config(config) }
    }

    fn run_hook(&self, event: &CallEvent<'_>) {
        if let (CallEvent::BreakerOpened(opened), Some(hook)) = (event, &self.hook) {
            hook.run(opened, self.console);
        }
    }
}

impl Observer for &CommandObserver {
    fn on_event(&mut self, event: &CallEvent<'_>) {
        RunObserver::on_event(*self, &RunEvent::Call(event));
    }
}

impl RunObserver for CommandObserver {
    fn on_event(&self, event: &RunEvent<'_>) {
        if let Some(message) = describe_run_event(event) {
            self.console.warn(message);
        }
        if let RunEvent::Call(event) = event {
            self.run_hook(event);
        }
    }
}

/// Observes a call whose answer is printed.
pub(super) struct AnswerObserver<'a> {
    pub(super) printer: StreamPrinter,
    pub(super) command: &'a CommandObserver,
}

impl Observer for AnswerObserver<'_> {
    fn on_event(&mut self, event: &CallEvent<'_>) {
        self.printer.print_event(event);
        self.command.run_hook(event);
    }
}

/// Observes the run of a set.
pub(super) struct ProgressObserver<'a> {
    pub(super) command: &'a CommandObserver,
    pub(super) progress: &'a EvalProgress,
}

impl RunObserver for ProgressObserver<'_> {
    fn on_event(&self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Result { subject, result } => self.progress.add_result(subject, result),
            event => self.command.on_event(event),
        }
    }
}
