//! `slalom eval`: runs golden sets against models and routes. Checks everything before the first call, then
//! executes the runs, applies the gate, and writes reports. Depends on `config`, `eval`, `route`, `ledger`,
//! and `view`.

mod baseline_source;
mod comparison;
mod drift_hook;
mod dry_run;
mod execute;
mod finished_run;
mod former_audit;
mod gate;
mod github_actions;
mod graders;
mod history;
mod output;
mod prepare;
mod resume;
mod resume_command;
mod reweight;
mod run_lease;
mod run_spec;
mod save_baseline;
mod saved_options;

use std::collections::HashMap;

use super::context::{CommandContext, parse_timeout};
use super::observer::CommandObserver;
use super::outcome::{CommandError, CommandOutcome};
use super::{call, max_cost, start_simulator};
use crate::cli::EvalArgs;
use crate::config::load_golden_set;
use crate::eval::{GoldenSet, split_subject_name};
use crate::route::CallOptions;
use baseline_source::BaselineSource;
use drift_hook::DriftHook;
use execute::EvalCalls;
use prepare::{PreparedRun, prepare_run};
use run_lease::RunLease;
use run_spec::RunSpec;

pub(super) async fn run(context: &CommandContext, args: EvalArgs) -> Result<CommandOutcome, CommandError> {
    former_audit::reject_former_audit_flags(context, &args)?;
    let mut config = context.load_config()?;
    // Check everything for all sets before the first call.
    let sets: Vec<GoldenSet> =
        args.sets.iter().map(|path| load_golden_set(path, config.file_access())).collect::<Result<_, _>>()?;
    output::check_output_paths(context, &args, &sets)?;
    let on_drift = args.gate.on_drift.as_deref().map(|text| DriftHook::parse(text, &config)).transpose()?;
    let to_spec = |set: &GoldenSet| RunSpec::from_args(context, &args, set, &config);
    let mut specs: Vec<RunSpec> = sets.iter().map(to_spec).collect::<Result<_, _>>()?;
    let resumed = match (&args.resume, sets.as_slice(), specs.as_mut_slice()) {
        (None, ..) => None,
        (Some(run), [set], [spec]) => Some(resume::find_resumable_run(context, &args, run, set, spec)?),
        (Some(_), ..) => {
            return Err(CommandError::usage("--resume takes exactly one set")
                .with_hint("pass only the set whose run was interrupted"));
        }
    };
    let names = specs.iter().flat_map(|spec| &spec.subjects);
    let mut names: Vec<String> = names.map(|name| split_subject_name(name).0.to_owned()).collect();
    names.extend(sets.iter().flat_map(|set| set.cases.grader_models().judges.iter().cloned()));
    start_simulator::check_simulated_models(&config, names.iter().map(String::as_str))?;
    names.extend(sets.iter().flat_map(|set| set.cases.grader_models().embedders.iter().cloned()));
    let _simulator =
        start_simulator::start_if_needed(context, &mut config, &names, || simulator_replies(&sets)).await?;
    // All sets share the options, so that the cost limit applies to the whole command.
    let options = CallOptions {
        stream: !args.no_stream,
        timeout: args.timeout.as_deref().map(parse_timeout).transpose()?,
        run_budget: max_cost::parse_max_cost(args.max_cost.as_deref())?,
        wait_for_limits: true,
        ..CallOptions::default()
    };
    // All sets share one router, so that the retry budget applies to the whole command.
    let router = context.build_router(&config);
    let prepared: Vec<PreparedRun> = sets
        .into_iter()
        .zip(specs)
        .map(|(set, spec)| prepare_run(context, &args, &config, &router, &options, set, spec))
        .collect::<Result<_, _>>()?;
    let graders = graders::resolve_graders(context, &args, &config, &router, &options, &prepared)?;
    if let Some(route) = &args.reweight {
        reweight::check_reweight(context, &config, route, &prepared)?;
    }
    if args.dry_run {
        return dry_run::print_dry_run(context, &router, &graders, &prepared, args.json);
    }
    let resumed = match resumed {
        Some(row) => {
            let lease = RunLease::acquire_existing(context, router.health(), &row.id).await?;
            Some((row, lease))
        }
        None => None,
    };
    let calls =
        EvalCalls { router: &router, options: &options, observer: &CommandObserver::new(context, &config) };
    let executed = execute::execute_runs(context, &args, calls, &graders, &prepared, resumed).await?;
    // If printing or a report fails, still apply weights and run the drift command, and return the error at
    // the end.
    let shown = output::print_runs(context, &args, &prepared, &executed);
    if let (Some(route), [set], [run]) = (&args.reweight, &*prepared, &*executed.runs) {
        reweight::apply_weights(context, &config, &graders, route, set, run);
    }
    if let Some(on_drift) = on_drift {
        on_drift.run_for_drifted(context, &prepared, &executed.runs).await;
    }
    shown
}

/// The replies of simulated models: each case's prompt with its reference.
fn simulator_replies(sets: &[GoldenSet]) -> HashMap<String, String> {
    let cases_by_prompt =
        sets.iter().flat_map(|set| (0..set.prompts.len().max(1)).map(|prompt| set.cases.with_prompt(prompt)));
    let mut replies = HashMap::new();
    for cases in cases_by_prompt {
        let pairs = cases.prompts().map(|case| (case.request.last_user_text(), case.reference));
        replies.extend(pairs.filter_map(|(prompt, reference)| Some((prompt, reference?))));
    }
    replies
}
