//! `on_breaker_open`: the user's own command, run when a call of this process opened a breaker.

use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::config::{Config, Template, TemplateError};
use crate::route::BreakerOpened;
use crate::view::Console;

/// The command, and what of the environment it is not given.
pub(super) struct BreakerHook {
    /// A program, and a template for each argument.
    command: Vec<String>,
    /// The variables that hold keys.
    secret_variables: Vec<String>,
    /// The file that names the command.
    config_name: String,
}

impl BreakerHook {
    /// The command that `routes.yaml` names, where it names one and is trusted.
    pub(super) fn from_config(config: &Config) -> Option<Self> {
        let command = config.on_breaker_open.clone()?;
        Some(Self {
            command,
            secret_variables: secret_variables(config).map(str::to_owned).collect(),
            config_name: config.source_file.display_name.clone(),
        })
    }

    /// Starts the command and leaves it to itself: nobody's answer waits for it.
    pub(super) fn run(&self, opened: &BreakerOpened, console: Console) {
        if let Err(why) = self.spawn(opened, console.is_verbose()) {
            let file = &self.config_name;
            console.warn(format_args!("the command of `on_breaker_open` in {file} was not run: {why}"));
        }
    }

    fn spawn(&self, opened: &BreakerOpened, heard: bool) -> Result<(), String> {
        let Some((program, templates)) = self.command.split_first() else { return Ok(()) };
        let arguments = render_arguments(templates, opened).map_err(|error| error.to_string())?;
        let heard = || if heard { Stdio::from(std::io::stderr()) } else { Stdio::null() };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(heard()).stderr(heard());
        for name in &self.secret_variables {
            command.env_remove(name);
        }
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // A Ctrl-C that ends the call does not end the message of why.
            command.process_group(0);
        }
        // By the time that this returns the program runs, or it is known why it does not.
        command.spawn().map(drop).map_err(|error| format!("`{program}` cannot be started: {error}"))
    }
}

/// The variables that hold keys, which a command of the user's is not given.
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

/// A name in which nothing is special to a shell, and which is no option: whatever an argument is made of, a name does not
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
