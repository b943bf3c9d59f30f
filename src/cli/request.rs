//! Options that `ask`, `route`, and `compare` share.

use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RequestArgs {
    /// Add a text file, image, or PDF (repeatable)
    ///
    /// Text files are inserted into the prompt. PNG, JPEG, GIF, WebP, and PDF files are attached. The URL of an image
    /// or PDF is passed on, and the provider fetches it. Candidates that do not support an attachment are skipped. Files are
    /// limited to 64 MiB.
    #[arg(short, long, value_name = "FILE|URL", help_heading = "Prompt")]
    pub file: Vec<String>,
    /// System prompt
    #[arg(short, long, value_name = "TEXT", help_heading = "Prompt")]
    pub system: Option<String>,
    /// Set a template variable (repeatable)
    ///
    /// Replaces {{ NAME }} in the prompt and the system prompt (Jinja syntax). Without --var, braces are plain text.
    /// Files and stdin are never expanded. An unused variable is an error, except the `sticky_by` variable of a
    /// weighted route.
    #[arg(short = 'p', long = "var", value_name = "NAME=VALUE", help_heading = "Prompt")]
    pub variables: Vec<String>,
    /// Conversation history as a JSON array of messages
    ///
    /// Each message is {role, content}, with role `user` or `assistant`. The prompt is appended as the last user
    /// message; it may be omitted if the history ends with one. `--json` prints every answer as such a message under
    /// `message`.
    #[arg(long, value_name = "FILE", help_heading = "Prompt")]
    pub messages: Option<PathBuf>,
    /// Do not read stdin
    ///
    /// By default, stdin is read if it is a pipe or a file.
    #[arg(long, help_heading = "Prompt")]
    pub no_stdin: bool,
    /// Request prompt caching for 5 minutes or 1 hour [default: 5m]
    ///
    /// Only needed for providers that do not cache automatically. Write the duration after `=`; in `--cache-prompt 1h`,
    /// `1h` is part of the prompt.
    #[arg(
        long,
        value_name = "5m|1h",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "5m",
        hide_short_help = true,
        help_heading = "Prompt"
    )]
    pub cache_prompt: Option<String>,
    /// Sampling temperature, 0 to 2
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = super::parse_number, help_heading = "Sampling")]
    pub temperature: Option<f64>,
    /// Nucleus sampling (top-p), 0 to 1
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = super::parse_number, help_heading = "Sampling")]
    pub top_p: Option<f64>,
    /// Maximum output tokens
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = super::parse_whole_number, help_heading = "Sampling")]
    pub max_tokens: Option<u64>,
    /// Stop sequence (repeatable)
    #[arg(long, value_name = "TEXT", help_heading = "Sampling")]
    pub stop: Vec<String>,
    /// Random seed, where the provider supports one
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = super::parse_integer, help_heading = "Sampling")]
    pub seed: Option<i64>,
    /// Reasoning: none, minimal, low, medium, high, xhigh, max
    ///
    /// If the model does not have this level, the nearest one is used, with a warning. Models without reasoning ignore
    /// it, also with a warning.
    #[arg(long, value_name = "LEVEL", help_heading = "Sampling")]
    pub effort: Option<String>,
    /// Set a provider-specific field (repeatable)
    ///
    /// Example: `--option openai.service_tier=flex`. KEY may be a path such as `a.b`. VALUE is parsed as JSON, else
    /// used as text. The field is sent to that provider only. `model`, `messages`, `input`, `contents`, `stream`, and
    /// `stream_options` cannot be set this way.
    #[arg(
        long = "option",
        value_name = "PROVIDER.KEY=VALUE",
        hide_short_help = true,
        help_heading = "Sampling"
    )]
    pub options: Vec<String>,
    /// Do not stream; request a complete response
    #[arg(long, help_heading = "Output")]
    pub no_stream: bool,
    /// Require JSON that matches this JSON Schema, else exit 1
    ///
    /// Uses the provider's structured output where it exists. The answer is validated locally in every case; an invalid
    /// one is printed, and the exit code is 1.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub schema: Option<PathBuf>,
    /// Tool definitions (JSON); calls are printed, not executed
    ///
    /// A JSON array of {name, description, parameters}; the OpenAI and Anthropic forms and providers' built-in tools
    /// are accepted too. Each tool call is printed as one line of JSON. Send results back with --messages.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub tools: Option<PathBuf>,
    /// auto, none, required, or a tool name [requires --tools]
    #[arg(long, value_name = "CHOICE", requires = "tools", hide_short_help = true, help_heading = "Output")]
    pub tool_choice: Option<String>,
    /// Allow one tool call at a time [requires --tools]
    #[arg(long, requires = "tools", hide_short_help = true, help_heading = "Output")]
    pub no_parallel_tool_calls: bool,
    /// Print JSON with answers, usage, cost, and all attempts
    ///
    /// Prints a `slalom.call/1` object, also if no candidate answers. `compare` prints `slalom.compare/1`. `route`
    /// prints `slalom.routes/1` without a prompt, `slalom.plan/1` with --dry-run, and `slalom.drill/1` with --drill
    /// each. Usage errors (exit 2) print no JSON.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Time limit per call, retries included, such as 90s
    ///
    /// Includes retries, failover, and time spent waiting for limits; on expiry the exit code is 4. `compare` applies it
    /// to each model's call and to each call of the judge. Units are ms, s, m, and h, as in 1h30m. Without it, only the
    /// `deadline` of the route applies [default: 120s, until the first token], with exit code 3.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, help_heading = "Limits")]
    pub timeout: Option<String>,
    /// Cost limit for everything this command sends
    ///
    /// The cost of each attempt is estimated before it is sent (prompt plus expected output). An attempt that could
    /// exceed the limit is not made; a cheaper candidate is used, or the command exits 4. Models without a known price
    /// are skipped; if no candidate has one, the exit code is 2.
    #[arg(long, value_name = "USD", allow_hyphen_values = true, help_heading = "Limits")]
    pub max_cost: Option<String>,
    /// Fail if a model would ignore or change a parameter
    ///
    /// Exits 2 before anything is sent if a parameter would be dropped, a temperature lowered, or an effort level
    /// replaced. Without it, these are warnings.
    #[arg(long, help_heading = "Limits")]
    pub strict_params: bool,
}
