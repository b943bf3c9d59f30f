//! Implements the subcommands: each loads the config, plans, runs, prints, and returns an outcome. This
//! module depends on all others; it alone reads the environment, the current folder, and the clock, and
//! starts the simulator. Errors from other modules become a `CommandError`, which maps to an exit code.

mod ask;
mod audit;
mod breaker_hook;
mod build_request;
mod call;
mod call_error;
mod case_selection;
mod check;
mod compare;
mod compare_judge;
mod context;
mod drill;
mod embed;
mod eval;
mod grader_program;
mod help;
mod log;
mod max_cost;
mod models;
mod models_available;
mod models_update;
mod observer;
mod outcome;
mod ping;
mod request_flags;
mod route;
mod route_status;
mod shutdown;
mod signals;
mod sim;
mod start_simulator;
mod stdin;

use std::ffi::OsString;
use std::pin::pin;

use clap::Parser;

use crate::cli::{Cli, CliSubcommand};
use crate::view::Console;
use context::CommandContext;
use outcome::{CommandError, CommandOutcome};
use shutdown::{catch_file_size_signal, wait_for_shutdown_signal};

/// Runs the program with these arguments and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version also end up here, on stdout with exit code 0. A closed stdout is not an error.
            let _ = error.print();
            return if error.use_stderr() {
                CommandOutcome::UsageError.exit_code()
            } else {
                CommandOutcome::Success.exit_code()
            };
        }
    };
    let environment = |name: &str| std::env::var(name).ok();
    let console = Console::new(cli.global.quiet, cli.global.verbose > 0, &environment);
    log::start_logging(cli.global.verbose);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run_until_signal(cli, console)),
        Err(error) => Err(CommandError::from_io(error)),
    };
    match result {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            console.error(&error.error, error.hint.as_deref());
            error.outcome.exit_code()
        }
    }
}

/// Runs a command until it ends or a signal stops it, then flushes the ledger.
async fn run_until_signal(cli: Cli, console: Console) -> Result<CommandOutcome, CommandError> {
    catch_file_size_signal();
    let context = CommandContext::new(cli.global, console)?;
    let result = {
        let mut work = pin!(dispatch(&context, cli.command));
        loop {
            tokio::select! {
                biased;
                result = &mut work => break result,
                outcome = wait_for_shutdown_signal() => {
                    if !context.signals.notify(outcome) {
                        break Err(CommandError::from_signal(outcome));
                    }
                }
            }
        }
    };
    // Calls in flight are dropped by now and have queued their ledger writes.
    context.flush_ledger().await;
    context.warn_ledger_unavailable();
    result
}

async fn dispatch(context: &CommandContext, command: CliSubcommand) -> Result<CommandOutcome, CommandError> {
    match command {
        CliSubcommand::Ask(args) => ask::run(context, args).await,
        CliSubcommand::Route(args) => route::run(context, args).await,
        CliSubcommand::Eval(args) => eval::run(context, args).await,
        CliSubcommand::Audit(args) => audit::run(context, &args),
        CliSubcommand::Compare(args) => compare::run(context, args).await,
        CliSubcommand::Embed(args) => embed::run(context, args).await,
        CliSubcommand::Models(args) => models::run(context, &args).await,
        CliSubcommand::Check(args) => check::run(context, &args).await,
        CliSubcommand::Sim(args) => sim::run(context, args).await,
        CliSubcommand::Help(args) => help::run(context, &args),
    }
}
