//! `slalom help`, its topics, and the layout of the top-level help.

use clap::Args;

/// clap cannot group subcommands, so the list is written out; a test compares it with the subcommands.
pub(super) const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

Prompt models:
  ask      Send a prompt to one model, or to the default route
  route    Send a prompt through a fallback chain, or show candidate status
  compare  Send one prompt to several models and show the answers side by side
  embed    Compute embeddings of texts

Evaluate models:
  eval     Run golden sets against models or routes, and apply a quality gate
  audit    Check that golden sets catch wrong answers, without calling a model

Configure and test:
  check    Validate routes.yaml and golden sets, and show which API keys are set
  models   List models with prices, context windows, and capabilities
  sim      Run the built-in provider simulator as an HTTP server

Help:
  help     Print help for a command or a topic: exit-codes, environment

Global:
{options}{after-help}
";

pub(super) const EXAMPLES: &str = "\
Examples:
  slalom ask -m sim-openai/good \"Why is the sky blue?\"  # no API key needed
  slalom route demo \"Why is the sky blue?\"
  slalom eval golden-sets/support-triage.yaml
  slalom compare -m sim-openai/good,sim-gemini/terse \"Why is the sky blue?\"

Exit codes: 0 success, 1 check failed, 2 invalid usage, 3 no answer, 4 stopped
by a limit. See also: slalom help exit-codes, slalom help environment";

/// Print help for a command or a topic: exit-codes, environment
#[derive(Clone, Debug, Args)]
pub(crate) struct HelpArgs {
    /// Command, or one of the topics `exit-codes` and `environment`
    #[arg(value_name = "COMMAND|TOPIC", help_heading = "Help")]
    pub name: Option<String>,
}

/// The help topics by name.
pub(crate) const HELP_TOPICS: [(&str, &str); 2] = [("exit-codes", EXIT_CODES), ("environment", ENVIRONMENT)];

const EXIT_CODES: &str = "\
Exit codes

  0    Success; the gate or drill passed
  1    A check failed: the gate, --drift, an audit, a drill, or --schema
  2    Invalid usage, config, or golden set; no prompt was sent
  3    No answer, an incomplete answer, or too many unscored cases
  4    Stopped by --timeout, --max-cost, --max-errors, or the daily budget
  129  Hangup (SIGHUP)
  130  Interrupted (SIGINT, Ctrl-C); completed eval results are kept
  143  Terminated (SIGTERM); completed eval results are kept

If several apply, the first of these wins: 129, 130, or 143; 2; 4; 3; 1; 0.

Notes:
  - An answer that was cut off at the token limit or by a content filter, a
    refusal, and a paused turn count as answers: exit 0, with a warning. A
    stream that breaks before its end does not: exit 3.
  - --timeout exits 4; the `deadline` of a route exits 3.
  - A missing API key exits 2 if no candidate is left, so that a CI job with a
    missing secret never passes.
  - If a result or report cannot be written, the exit code is 3, or a code that
    takes precedence over it. A closed pipe on stdout (as in `slalom models |
    head`) is not an error.
  - compare: 3 if any model gives no answer or a verdict is missing.
  - check: 2 if a file is invalid; with --ping, 3 if a provider fails and 2 if
    none can be called.
  - models --available: 3 if no provider answers. models --update: 3 if the
    download fails.
  - sim: 0 after Ctrl-C.
";

const ENVIRONMENT: &str = "\
Environment variables

  SLALOM_CONFIG            Config file, if --config is not given
  SLALOM_LEDGER            State database, if --ledger is not given
  SLALOM_ROUTE_<NAME>      Candidates that replace those of a route, separated
                           by commas (name in upper case, `-` as `_`)
  OPENAI_API_KEY, …        API keys; `slalom check` lists every variable
  NO_COLOR                 Disable colors
  COLUMNS                  Table width, if stdout is not a terminal
  HTTPS_PROXY, NO_PROXY    Proxy settings; loopback is never proxied
  CI                       If set (except to 0, false, no, or off), `eval` does
                           not read the answer cache unless --cache is given
  GITHUB_ACTIONS           If `true`, `eval` writes annotations, and a summary
                           to $GITHUB_STEP_SUMMARY
  TMPDIR                   Folder for temporary files of large evals
  XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_DATA_HOME
                           Folders for config, state, and the model catalog

An empty variable counts as unset. A `.env` file next to routes.yaml may set API
keys only; the process environment takes precedence.
";
