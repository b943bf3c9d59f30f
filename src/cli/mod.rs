//! The command line as clap structs, and the texts of `--help`.
//!
//! This module only parses. `command` interprets the arguments.

mod ask;
mod audit;
mod case_selection;
mod check;
mod compare;
mod embed;
mod eval;
mod gate;
mod help;
mod models;
mod request;
mod route;
mod sim;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

pub(crate) use ask::AskArgs;
pub(crate) use audit::AuditArgs;
pub(crate) use case_selection::CaseSelectionArgs;
pub(crate) use check::CheckArgs;
pub(crate) use compare::CompareArgs;
pub(crate) use embed::EmbedArgs;
pub(crate) use eval::EvalArgs;
pub(crate) use gate::{GateArgs, MetricArg};
pub(crate) use help::{HELP_TOPICS, HelpArgs};
pub(crate) use models::ModelsArgs;
pub(crate) use request::RequestArgs;
pub(crate) use route::RouteArgs;
pub(crate) use sim::SimArgs;

/// One CLI for every LLM provider: fallback chains, comparisons, and evals
///
/// Send prompts to any LLM provider through one interface. A route is a fallback chain of models: slalom retries, fails
/// over, and enforces budgets and rate limits. Golden sets measure whether one model can replace another. Every answer
/// reports which model served it, what it cost, and what failed on the way.
#[derive(Debug, Parser)]
#[command(
    name = "slalom",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    help_template = help::TEMPLATE,
    after_help = "Try it without an API key: slalom ask -m sim-openai/good \"Hello\"",
    after_long_help = help::EXAMPLES
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    /// Print version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Global")]
    pub version: Option<bool>,
    #[command(subcommand)]
    pub command: CliSubcommand,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global")]
pub(crate) struct GlobalArgs {
    /// Config file [default: the nearest routes.yaml]
    ///
    /// Without it: $SLALOM_CONFIG, else `routes.yaml` in the current folder or the nearest parent folder that has one,
    /// else `routes.yaml` in the user config folder, else the built-in file. Until you run `slalom check --trust`, a
    /// file found in a project folder cannot run commands, redirect prompts for built-in providers, or send keys to
    /// hosts other than the built-in ones.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State database (the ledger)
    ///
    /// SQLite file with provider health, limits, budgets, eval results, and cached answers. All processes that use the
    /// same file share them [default: `ledger.db` in the user state folder]. If the file cannot be used, slalom warns
    /// and continues without saved state.
    #[arg(long, global = true, value_name = "FILE", env = "SLALOM_LEDGER", hide_env_values = true)]
    pub ledger: Option<PathBuf>,
    /// Print only results and errors
    ///
    /// Suppresses notes, warnings, and progress. A warning that a `stop` budget can no longer be enforced is always
    /// printed. Cannot be combined with --verbose.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more detail (`-vv`: log every attempt)
    ///
    /// Also prints the config file in use, unexpected response fields, and the output of `on_breaker_open` commands.
    /// `eval` prints every failed case in full, and `audit` every finding. With `-vv`, also prints a log line for each
    /// plan, attempt, wait, and ledger transaction. No log line contains a prompt, an answer, or a key.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print help (`--help` shows all options and examples)
    #[arg(
        short,
        long,
        global = true,
        action = ArgAction::Help,
        long_help = "Print help (`-h` prints a summary)"
    )]
    pub help: Option<bool>,
    /// Response time of the built-in simulator, instead of a seeded 20 to 400 ms
    #[arg(long, global = true, env = "SLALOM_SIM_LATENCY", value_name = "DURATION", hide = true)]
    pub sim_latency: Option<String>,
}

fn parse_number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number".to_owned())
}

fn parse_integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "expected an integer".to_owned())
}

fn parse_whole_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number".to_owned())
}

fn parse_count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    match text.parse::<u64>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => T::try_from(count).map_err(|_| "the number is too large".to_owned()),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum CliSubcommand {
    Ask(AskArgs),
    Route(RouteArgs),
    Compare(CompareArgs),
    Embed(EmbedArgs),
    Eval(EvalArgs),
    Audit(AuditArgs),
    Check(CheckArgs),
    Models(ModelsArgs),
    Sim(SimArgs),
    Help(HelpArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn visible_arguments_have_headings() {
        let mut command = Cli::command();
        command.build();
        for subcommand in command.get_subcommands() {
            for argument in subcommand.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let name = format!("{} {}", subcommand.get_name(), argument.get_id());
                assert!(argument.get_help_heading().is_some(), "{name} has no heading");
                assert!(argument.get_help().is_some(), "{name} has no help");
            }
        }
    }

    #[test]
    fn command_list_matches_subcommands() {
        let command = Cli::command();
        let mut listed = 0;
        for subcommand in command.get_subcommands() {
            let about = subcommand.get_about().unwrap().to_string();
            let line = format!("  {:8} {about}\n", subcommand.get_name());
            assert!(help::TEMPLATE.contains(&line), "{line}");
            listed += 1;
        }
        let lines = help::TEMPLATE.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(lines, listed);
    }
}
