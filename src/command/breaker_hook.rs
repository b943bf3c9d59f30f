//! Runs the user's `on_breaker_open` command when a call of this process opens a circuit breaker.

use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::config::{Config, Template, TemplateError};
use crate::route::BreakerOpened;
use crate::view::Console;

pub(super) struct BreakerHook {
    /// The program, then one template per argument.
    command: Vec<String>,
    /// Variables that hold API keys, removed from the command's environment.
    secret_variables: Vec<String>,
    /// The config file, for warnings.
    config_name: String,
}

impl BreakerHook {
    /// `None` if `routes.yaml` sets no command or is not trusted.
    pub(super) fn from_config(config: &Config) -> Option<Self> {
        let command = config.on_breaker_open.clone()?;
        Some(Self {
            command,
            secret_variables: secret_variables(config).map(str::to_owned).collect(),
            config_name: config.source_file.display_name.clone(),
        })
    }

    /// Starts the command without waiting for it to finish.
    pub(super) fn run(&self, opened: &BreakerOpened, console: Console) {
        if let Err(error) = self.spawn(opened, console.is_verbose()) {
            let file = &self.config_name;
            console.warn(format_args!("cannot run the `on_breaker_open` command from {file}: {error}"));
        }
    }

    fn spawn(&self, opened: &BreakerOpened, show_output: bool) -> Result<(), String> {
        let Some((program, templates)) = self.command.split_first() else { return Ok(()) };
        let arguments = render_arguments(templates, opened).map_err(|error| error.to_string())?;
        let output = || if show_output { Stdio::from(std::io::stderr()) } else { Stdio::null() };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(output()).stderr(output());
        for name in &self.secret_variables {
            command.env_remove(name);
        }
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // Ctrl-C must not stop the command along with the call.
            command.process_group(0);
        }
        // `spawn` returns once the program has started or failed to start.
        command.spawn().map(drop).map_err(|error| format!("cannot start `{program}`: {error}"))
    }
}

/// Names of the variables that hold API keys; the user's commands must not inherit them.
pub(super) fn secret_variables(config: &Config) -> impl Iterator<Item = &str> {
    config.providers.values().flat_map(|provider| provider.secret_variables())
}

fn render_arguments(templates: &[String], opened: &BreakerOpened) -> Result<Vec<String>, TemplateError> {
    let values = json!({
        "provider": sanitize_argument(&opened.model.provider),
        "model": sanitize_argument(&opened.model.model),
        "reason": opened.class.as_str(),
        "open_seconds": opened.duration.as_secs_f64().round() as u64,
    });
    let values: Map<String, Value> = values.as_object().cloned().unwrap_or_default();
    templates.iter().map(|text| Template::new(text)?.render(&values)).collect()
}

/// Replaces characters that are special to a shell, and a leading `-`, with `_`, so that a model name cannot
/// change what the command does.
pub(super) fn sanitize_argument(name: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "._:/@+,=-".contains(c);
    let name: String = name.chars().map(|c| if harmless(c) { c } else { '_' }).collect();
    match name.strip_prefix('-') {
        Some(rest) => format!("_{rest}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::chat::FailureClass;
    use crate::provider::ModelRef;

    #[test]
    fn model_names_are_sanitized_in_arguments() {
        assert_eq!(sanitize_argument("@cf/meta/llama-3.1:free+x,v=1"), "@cf/meta/llama-3.1:free+x,v=1");
        assert_eq!(sanitize_argument("--rf $(id)"), "_-rf___id_");
        let special = " \n\t`$;|&<>()[]{}'\"\\*?~!#%^";
        assert_eq!(sanitize_argument(special), "_".repeat(special.len()));
        let opened = |model: &str| BreakerOpened {
            model: ModelRef { provider: "p".into(), model: model.into() },
            duration: Duration::from_millis(14_600),
            class: FailureClass::ServerError,
        };
        let templates =
            ["{{ model }}", "-m", "{{ provider }}: {{ reason }}, {{ open_seconds }} s"].map(String::from);
        assert_eq!(
            render_arguments(&templates, &opened("-o x;y")).unwrap(),
            ["_o_x_y", "-m", "p: server_error, 15 s"]
        );
    }
}
