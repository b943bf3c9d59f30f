//! `on_breaker_open`: the user's own command, run when a call of this process opened a breaker.

use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::config::{Config, Template, TemplateError};
use crate::route::Opened;
use crate::view::Console;

/// The command, and what of the environment it is not given.
pub(super) struct Hook {
    /// A program, and a template for each argument.
    command: Vec<String>,
    /// The variables that hold keys.
    secrets: Vec<String>,
    /// The file that names the command.
    named_in: String,
}

impl Hook {
    /// The command that `routes.yaml` names, where it names one and is trusted.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let command = config.on_breaker_open.clone()?;
        Some(Self {
            command,
            secrets: secrets_of(config).map(str::to_owned).collect(),
            named_in: config.source.name.clone(),
        })
    }

    /// Starts the command and leaves it to itself: nobody's answer waits for it.
    pub(super) fn run(&self, opened: &Opened, console: Console) {
        if let Err(why) = self.start(opened, console.is_verbose()) {
            let file = &self.named_in;
            console.warn(format_args!("the command of `on_breaker_open` in {file} was not run: {why}"));
        }
    }

    fn start(&self, opened: &Opened, heard: bool) -> Result<(), String> {
        let Some((program, templates)) = self.command.split_first() else { return Ok(()) };
        let arguments = arguments(templates, opened).map_err(|error| error.to_string())?;
        let heard = || if heard { Stdio::from(std::io::stderr()) } else { Stdio::null() };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(heard()).stderr(heard());
        for name in &self.secrets {
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
pub(super) fn secrets_of(config: &Config) -> impl Iterator<Item = &str> {
    config.providers.values().flat_map(|provider| provider.secret_variables())
}

fn arguments(templates: &[String], opened: &Opened) -> Result<Vec<String>, TemplateError> {
    let values = json!({
        "provider": plain(&opened.model.provider),
        "model": plain(&opened.model.model),
        "reason": opened.class.name(),
        "open_seconds": opened.time.as_secs_f64().round() as u64,
    });
    let values: Map<String, Value> = values.as_object().cloned().unwrap_or_default();
    templates.iter().map(|text| Template::new(text)?.render(&values)).collect()
}

/// A name in which nothing is special to a shell, and which is no option: whatever an argument is made of, a name does not
/// change what the command does.
pub(super) fn plain(name: &str) -> String {
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
    fn names_are_neither_options_nor_words_of_a_shell() {
        assert_eq!(plain("@cf/meta/llama-3.1:free+x,v=1"), "@cf/meta/llama-3.1:free+x,v=1");
        assert_eq!(plain("--rf $(id)"), "_-rf___id_");
        let special = " \n\t`$;|&<>()[]{}'\"\\*?~!#%^";
        assert_eq!(plain(special), "_".repeat(special.len()));
        let opened = |model: &str| Opened {
            model: ModelRef { provider: "p".into(), model: model.into() },
            time: Duration::from_millis(14_600),
            class: FailureClass::ServerError,
        };
        let templates =
            ["{{ model }}", "-m", "{{ provider }}: {{ reason }}, {{ open_seconds }} s"].map(String::from);
        assert_eq!(
            arguments(&templates, &opened("-o x;y")).unwrap(),
            ["_o_x_y", "-m", "p: server_error, 15 s"]
        );
    }
}
