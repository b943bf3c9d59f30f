//! `slalom eval --audit`: checks the golden sets themselves without any model call.

use super::run_spec::CaseSelection;
use super::{CommandContext, CommandError, CommandOutcome};
use crate::chat::pluralize;
use crate::cli::EvalArgs;
use crate::command::outcome::check_printed;
use crate::config::{FileAccess, load_golden_set};
use crate::eval::{AuditReport, Case, audit_set};
use crate::view::{AuditedSet, audit_json, audit_table};

pub(super) fn run_audit(context: &CommandContext, args: &EvalArgs) -> Result<CommandOutcome, CommandError> {
    if !(0.0..=1.0).contains(&args.min_caught) {
        let message = format!("invalid --min-caught `{}`: must be between 0 and 1", args.min_caught);
        return Err(CommandError::usage(message).with_hint("use 0.95 for 95%"));
    }
    if !args.output.is_empty() {
        return Err(CommandError::usage("cannot combine -o with --audit")
            .with_hint("use `--audit --json > FILE` to save the complete audit"));
    }
    let selection = CaseSelection::from_args(args, None);
    let mut audited = Vec::new();
    for path in &args.sets {
        // An audit sends nothing, so the set may read any file.
        let set = load_golden_set(path, FileAccess::Unrestricted)?;
        let all: Vec<Case> = set.cases.iter().collect();
        let cases: Vec<Case> = selection.select_cases(&set)?.iter().collect();
        if cases.iter().all(|case| case.reference.is_none()) {
            let message = format!("{}: none of the selected cases has a reference", set.path);
            return Err(CommandError::usage(message)
                .with_hint("add `reference:` to the cases: an audit needs correct answers"));
        }
        let audit = audit_set(&all, &cases, args.audit_seed);
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
        let (widths, verbose) = (context.console.widths(), context.console.is_verbose());
        let tables: Vec<String> =
            audited.iter().map(|audited| audit_table(audited, widths, verbose)).collect();
        tables.join("\n")
    };
    check_printed(context.console.print(&text), outcome)
}

/// The reasons why the audit failed; empty if it passed.
fn failure_reasons(audit: &AuditReport, minimum: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    let failing = audit.failing_references().count();
    if failing > 0 {
        let verb = if failing == 1 { "fails its" } else { "fail their" };
        reasons.push(format!("{} {verb} own assertions", pluralize(failing, "reference")));
    }
    let (all, caught) = audit.count_mutants(None);
    match audit.caught_share() {
        // Without any graded mutant, the quality of the set is unknown.
        None => reasons.push("no mutant could be graded without a model call".to_owned()),
        Some(share) if share < minimum => {
            reasons.push(format!(
                "{caught} of {all} mutants caught ({share:.3}), below the minimum of {minimum}"
            ));
        }
        Some(_) => {}
    }
    reasons
}
