//! `slalom help`: prints the help of a command or a topic.

use clap::CommandFactory;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::chat::find_closest;
use crate::cli::{Cli, HELP_TOPICS, HelpArgs};

pub(super) fn run(context: &CommandContext, args: &HelpArgs) -> Result<CommandOutcome, CommandError> {
    let mut command = Cli::command();
    command.build();
    let Some(name) = args.name.as_deref() else {
        return print(context, &command.render_long_help().to_string());
    };
    if let Some((_, text)) = HELP_TOPICS.iter().find(|(topic, _)| *topic == name) {
        return print(context, text);
    }
    if let Some(subcommand) = command.find_subcommand_mut(name) {
        let text = subcommand.render_long_help().to_string();
        return print(context, &text);
    }
    let names = command.get_subcommands().map(clap::Command::get_name);
    let topics = HELP_TOPICS.iter().map(|(topic, _)| *topic);
    let hint = match find_closest(name, names.chain(topics)) {
        Some(closest) => format!("did you mean `{closest}`?"),
        None => "run `slalom help` for a list of commands and topics".to_owned(),
    };
    Err(CommandError::usage(format!("unknown command or help topic `{name}`")).with_hint(hint))
}

fn print(context: &CommandContext, text: &str) -> Result<CommandOutcome, CommandError> {
    check_printed(context.console.print(text), CommandOutcome::Success)
}
