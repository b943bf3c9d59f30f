//! What was typed: clap structs, nothing else. What they mean is decided in `command`.

mod ask;
mod check;
mod compare;
mod embed;
mod eval;
mod gate;
mod models;
mod request;
mod route;
mod sim;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use ask::AskArgs;
pub use check::CheckArgs;
pub use compare::CompareArgs;
pub use embed::EmbedArgs;
pub use eval::EvalArgs;
pub use gate::{GateArgs, MetricArg};
pub use models::ModelsArgs;
pub use request::RequestArgs;
pub use route::RouteArgs;
pub use sim::SimArgs;

/// One contract for every language model: fallback chains, comparisons, and golden sets.
#[derive(Debug, Parser)]
#[command(name = "slalom", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: CliSubcommand,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// Use this routes.yaml [otherwise: $SLALOM_CONFIG, here or above, the config folder, the built-in one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep health, limits and results in this file [otherwise: ledger.db in the state folder]
    #[arg(long, global = true, value_name = "FILE", env = "SLALOM_LEDGER", hide_env_values = true)]
    pub ledger: Option<PathBuf>,
    /// Say nothing but the answer and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// How long the built-in simulator takes for an answer, instead of a seeded 20 to 400 ms
    #[arg(long, global = true, env = "SLALOM_SIM_LATENCY", value_name = "DURATION", hide = true)]
    pub sim_latency: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CliSubcommand {
    /// Ask one model, or the default route
    Ask(AskArgs),
    /// Ask through a named fallback chain; without a prompt, see how its candidates stand
    Route(RouteArgs),
    /// Run golden sets against models or routes: scores, cost, latency, a gate
    Eval(EvalArgs),
    /// Ask several models at once and show their answers side by side
    Compare(CompareArgs),
    /// Turn texts into vectors
    Embed(EmbedArgs),
    /// List the models that are known, with windows and prices
    Models(ModelsArgs),
    /// Check routes.yaml and golden sets, and say which keys are set
    Check(CheckArgs),
    /// Run the simulator as a server
    Sim(SimArgs),
}
