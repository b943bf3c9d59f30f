//! One story per subcommand: load, plan, run, show, outcome.
//!
//! The only room that sees the process's surroundings (environment, folder, clock, chance) and hands them down, and the
//! only one that starts the simulator. Errors of all rooms become a [`CommandError`] here, and one exhaustive match
//! turns it into an exit code.

mod ask;
mod attachment;
mod call;
mod check;
mod compare;
mod context;
mod definitions;
mod drill;
mod embed;
mod eval;
mod hook;
mod models;
mod models_available;
mod models_update;
mod money;
mod outcome;
mod ping;
mod prompt;
mod route;
mod signals;
mod sim;
mod simulator;
mod standing;
mod stdin;

use std::ffi::OsString;
use std::pin::pin;
use std::rc::Rc;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::view::Console;
use context::Context;
use outcome::{CommandError, Outcome};
use signals::{Signals, arrival};

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
        Ok(runtime) => runtime.block_on(async {
            let signals = Rc::new(Signals::new());
            let mut work = pin!(dispatch(cli, console, Rc::clone(&signals)));
            loop {
                tokio::select! {
                    biased;
                    result = &mut work => break result,
                    Ok(()) = arrival() => {
                        if !signals.tell() {
                            break Err(CommandError::interrupted());
                        }
                    }
                }
            }
        }),
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

async fn dispatch(cli: Cli, console: Console, signals: Rc<Signals>) -> Result<Outcome, CommandError> {
    let context = Context::new(cli.global, console, signals)?;
    let result = match cli.command {
        Command::Ask(args) => ask::ask(&context, args).await,
        Command::Route(args) => route::route(&context, args).await,
        Command::Eval(args) => eval::eval(&context, args).await,
        Command::Compare(args) => compare::compare(&context, args).await,
        Command::Embed(args) => embed::embed(&context, args).await,
        Command::Models(args) => models::models(&context, &args).await,
        Command::Check(args) => check::check(&context, &args).await,
        Command::Sim(args) => sim::sim(&context, args).await,
    };
    context.warn_of_ledger();
    result
}
