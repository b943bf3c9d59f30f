//! `slalom eval --audit` became `slalom audit`: the old flag names the command to run instead.

use super::{CommandContext, CommandError};
use crate::cli::EvalArgs;

/// Rejects the former flags with the equivalent `slalom audit` command.
pub(super) fn reject_former_audit_flags(
    context: &CommandContext,
    args: &EvalArgs,
) -> Result<(), CommandError> {
    let former = &args.former_audit;
    if !former.audit && former.min_caught.is_none() && former.audit_seed.is_none() {
        return Ok(());
    }
    let command = shell_words::join(audit_arguments(args, context.console.is_verbose()));
    Err(CommandError::usage("`slalom audit SET` replaces `slalom eval SET --audit`")
        .with_hint(format!("run `{command}`")))
}

fn audit_arguments(args: &EvalArgs, is_verbose: bool) -> Vec<String> {
    let mut words = vec!["slalom".to_owned(), "audit".to_owned()];
    words.extend(args.sets.iter().map(|set| set.to_string_lossy().into_owned()));
    let cases = &args.cases;
    let options = [
        ("--filter", cases.filter.clone()),
        ("--sample", cases.sample.map(|count| count.to_string())),
        ("--sample-seed", cases.sample_seed.map(|seed| seed.to_string())),
        ("--min-caught", args.former_audit.min_caught.clone()),
        ("--seed", args.former_audit.audit_seed.clone()),
    ];
    let tags = cases.tags.iter().map(|tag| ("--tag", Some(tag.clone())));
    for (flag, value) in options.into_iter().chain(tags) {
        words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
    }
    let switches = [("--json", args.json), ("--verbose", is_verbose)];
    words.extend(switches.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned()));
    words
}
