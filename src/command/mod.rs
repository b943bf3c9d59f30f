//! One story per subcommand: load, plan, run, show, outcome.
//!
//! The only room that sees the process's surroundings (environment, folder, clock, chance) and hands them down, and the
//! only one that starts the simulator. Errors of all rooms become a [`CommandError`] here, and one exhaustive match
//! turns it into an exit code.

mod ask;
mod call;
mod check;
mod compare;
mod contest;
mod context;
mod definitions;
mod drill;
mod embed;
mod ended;
mod eval;
mod hook;
mod models;
mod models_available;
mod models_update;
mod money;
mod outcome;
mod ping;
mod program;
mod prompt;
mod route;
mod signals;
mod sim;
mod simulator;
mod standing;
mod stdin;

use std::ffi::OsString;
use std::pin::pin;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::view::Console;
use context::Context;
use ended::{ended, outlive_full_files};
use outcome::{CommandError, Outcome};

/// Runs the program with these arguments and says what to exit with.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, on stdout and with 0. A closed stdout is nobody's error.
            let _ = error.print();
            return if error.use_stderr() { Outcome::Usage.code() } else { Outcome::Done.code() };
        }
    };
    let environment = |name: &str| std::env::var(name).ok();
    let console = Console::new(cli.global.quiet, cli.global.verbose, &environment);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(whole(cli, console)),
        Err(error) => Err(CommandError::internal(error)),
    };
    match result {
        Ok(outcome) => outcome.code(),
        Err(error) => {
            console.error(&error.error, error.hint.as_deref());
            error.outcome.code()
        }
    }
}

/// A command, from its beginning to the moment at which everything is written.
async fn whole(cli: Cli, console: Console) -> Result<Outcome, CommandError> {
    outlive_full_files();
    let context = Context::new(cli.global, console)?;
    let result = {
        let mut work = pin!(dispatch(&context, cli.command));
        loop {
            tokio::select! {
                biased;
                result = &mut work => break result,
                outcome = ended() => {
                    if !context.signals.tell(outcome) {
                        break Err(CommandError::ended(outcome));
                    }
                }
            }
        }
    };
    // What was under way is dropped by now, and has posted what it owes.
    context.settle_ledger().await;
    context.warn_of_ledger();
    result
}

async fn dispatch(context: &Context, command: Command) -> Result<Outcome, CommandError> {
    match command {
        Command::Ask(args) => ask::ask(context, args).await,
        Command::Route(args) => route::route(context, args).await,
        Command::Eval(args) => eval::eval(context, args).await,
        Command::Compare(args) => compare::compare(context, args).await,
        Command::Embed(args) => embed::embed(context, args).await,
        Command::Models(args) => models::models(context, &args).await,
        Command::Check(args) => check::check(context, &args).await,
        Command::Sim(args) => sim::sim(context, args).await,
    }
}
