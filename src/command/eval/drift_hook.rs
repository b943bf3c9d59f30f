//! `--on-drift`: runs a command for each subject that got worse.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::process::Command;
use tokio::time::timeout;

use super::finished_run::FinishedRun;
use super::{CommandContext, CommandError, PreparedRun};
use crate::command::breaker_hook::{sanitize_argument, secret_variables};
use crate::config::{Config, Template};
use crate::eval::BaselineComparison;

const DRIFT_HOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// Variables available to the arguments of `--on-drift`.
const HOOK_VARIABLES: [&str; 5] = ["subject", "set", "usual", "now", "difference"];

/// The `--on-drift` command: a program, and a template for each argument.
pub(super) struct DriftHook {
    program: String,
    templates: Vec<String>,
    /// Variables that hold API keys, removed from the command's environment.
    secrets: Vec<String>,
}

impl DriftHook {
    /// Splits the command line like a shell, but runs no shell.
    pub(super) fn parse(text: &str, config: &Config) -> Result<Self, CommandError> {
        let hint = format!(
            "use a command line such as --on-drift 'notify-send \"{{{{ subject }}}} dropped\"' (variables: {})",
            HOOK_VARIABLES.join(", ")
        );
        let unquoted = |word: &String| word.contains("{{") && !word.contains("}}");
        let invalid =
            |why: String| CommandError::usage(format!("invalid --on-drift: {why}")).with_hint(hint.clone());
        let words = shell_words::split(text)
            .map_err(|error| invalid(format!("cannot split the command line: {error}")))?;
        let Some((program, templates)) = words.split_first().filter(|(program, _)| !program.is_empty())
        else {
            return Err(invalid("missing program".into()));
        };
        if let Some(word) = templates.iter().find(|word| unquoted(word)) {
            return Err(invalid(format!("unquoted template in `{word}`: put quotes around `{{{{ … }}}}`")));
        }
        let secrets = secret_variables(config).map(str::to_owned).collect();
        let command = Self { program: program.clone(), templates: templates.to_vec(), secrets };
        let sample = HOOK_VARIABLES.map(|name| (name.to_owned(), Value::from("x")));
        command.render_arguments(&sample.into_iter().collect()).map_err(invalid)?;
        Ok(command)
    }

    fn render_arguments(&self, values: &Map<String, Value>) -> Result<Vec<String>, String> {
        let fill = |text: &String| Template::new(text)?.render(values);
        self.templates.iter().map(fill).collect::<Result<_, _>>().map_err(|error| error.message)
    }

    /// Runs the command for each subject that drifted and waits for it.
    pub(super) async fn run_for_drifted(
        &self,
        context: &CommandContext,
        prepared: &[PreparedRun],
        finished: &[FinishedRun],
    ) {
        for (prepared, run) in prepared.iter().zip(finished) {
            for comparison in run.comparisons.iter().filter(|comparison| comparison.has_drifted()) {
                if let Err(why) = self.run(&prepared.set.name, comparison).await {
                    context.console.warn(format_args!("--on-drift command failed: {why}"));
                }
            }
        }
    }

    async fn run(&self, set: &str, comparison: &BaselineComparison) -> Result<(), String> {
        let Ok(found) = &comparison.result else { return Ok(()) };
        let three_decimals = |value: f64| format!("{value:.3}");
        let values = HOOK_VARIABLES.into_iter().zip([
            sanitize_argument(&comparison.challenger),
            sanitize_argument(set),
            three_decimals(found.baseline),
            three_decimals(found.challenger),
            three_decimals(found.difference),
        ]);
        let values = values.map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        let arguments = self.render_arguments(&values)?;
        let mut command = Command::new(&self.program);
        // The command's output goes to stderr, because stdout may be a single JSON object.
        command.args(arguments).stdin(Stdio::null()).stdout(std::io::stderr()).kill_on_drop(true);
        for name in &self.secrets {
            command.env_remove(name);
        }
        let program = &self.program;
        let mut child = command.spawn().map_err(|error| format!("cannot start `{program}`: {error}"))?;
        match timeout(DRIFT_HOOK_TIMEOUT, child.wait()).await {
            Err(_) => Err(format!("`{program}` timed out after {} s", DRIFT_HOOK_TIMEOUT.as_secs())),
            Ok(Err(error)) => Err(format!("cannot wait for `{program}`: {error}")),
            Ok(Ok(status)) if !status.success() => Err(format!("`{program}` failed ({status})")),
            Ok(Ok(_)) => Ok(()),
        }
    }
}
