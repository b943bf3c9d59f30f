//! `slalom eval --audit`: the sets themselves, without a call to any model.

use super::run_spec::CaseSelection;
use super::{CommandContext, CommandError, CommandOutcome};
use crate::chat::pluralize;
use crate::cli::EvalArgs;
use crate::command::outcome::check_printed;
use crate::config::{FileAccess, load_golden_set};
use crate::eval::{AuditReport, Case, audit_set as audit_of};
use crate::view::{AuditedSet, audit_json, audit_table};

pub(super) fn run_audit(context: &CommandContext, args: &EvalArgs) -> Result<CommandOutcome, CommandError> {
    if !(0.0..=1.0).contains(&args.min_caught) {
        let message = format!("--min-caught must be between 0 and 1, not {}", args.min_caught);
        return Err(CommandError::usage(message).with_hint("write 0.95 for 95 %"));
    }
    if !args.output.is_empty() {
        return Err(CommandError::usage("--audit writes no reports: -o is for what models answer")
            .with_hint("`--audit --json` prints all that it finds; `> FILE` keeps it"));
    }
    let selection = CaseSelection::from_args(args, None);
    let mut audited = Vec::new();
    for path in &args.sets {
        let set = load_golden_set(path, FileAccess::Unrestricted)?;
        let all: Vec<Case> = set.cases.iter().collect();
        let cases: Vec<Case> = selection.select_cases(&set)?.iter().collect();
        if cases.iter().all(|case| case.reference.is_none()) {
            let message = format!("{}: no case that is chosen has a reference", set.path);
            return Err(CommandError::usage(message)
                .with_hint("an audit goes by right answers: add `reference:` to the cases"));
        }
        let audit = audit_of(&all, &cases, args.audit_seed);
        let reasons = failure_reasons(&audit, args.min_caught);
        audited.push(AuditedSet { set, audit, reasons });
    }
    let outcome = match audited.iter().all(|audited| audited.reasons.is_empty()) {
        true => CommandOutcome::Success,
        false => CommandOutcome::GateFailed,
    };
    let text = if args.json {
        format!("{}\n", audit_json(&audited, args.min_caught, args.audit_seed, outcome.exit_code()))
    } else {
        let (room, verbose) = (context.console.widths(), context.console.is_verbose());
        let tables: Vec<String> = audited.iter().map(|audited| audit_table(audited, room, verbose)).collect();
        tables.join("\n")
    };
    check_printed(context.console.print(&text), outcome)
}

/// What is not as it should be, in words.
fn failure_reasons(audit: &AuditReport, least: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    let failing = audit.failing_references().count();
    if failing > 0 {
        let verb = if failing == 1 { "fails its" } else { "fail their" };
        reasons.push(format!("{} {verb} own assertions", pluralize(failing, "reference")));
    }
    let (all, caught) = audit.count_mutants(None);
    match audit.caught_share() {
        // Nobody can say that such a set is any good.
        None => reasons.push("no mutant could be judged without a call".to_owned()),
        Some(share) if share < least => {
            reasons.push(format!("{caught} of {all} mutants are caught, {share:.3}, under {least}"));
        }
        Some(_) => {}
    }
    reasons
}
