//! `slalom compare`: sends one prompt to several models at once.

use std::collections::HashMap;
use std::io;

use futures_util::future::join_all;

use super::call::CallRequest;
use super::compare_judge::CompareJudge;
use super::context::CommandContext;
use super::observer::CommandObserver;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::{build_request, call, max_cost, start_simulator};
use crate::cli::CompareArgs;
use crate::config::ResolvedSubject;
use crate::eval::StructuredOutput;
use crate::route::{CallOptions, CallRecord, Plan, RoutingHints};
use crate::view::{compare_json, compare_table};

pub(super) async fn run(context: &CommandContext, args: CompareArgs) -> Result<CommandOutcome, CommandError> {
    let mut config = context.load_config()?;
    if args.models.len() < 2 {
        return Err(CommandError::usage("`compare` needs at least two models")
            .with_hint("pass -m MODEL -m MODEL, or -m MODEL,MODEL"));
    }
    let callers: Vec<RoutingHints> = args
        .models
        .iter()
        .map(|name| build_request::resolve_caller(&args.request, &config, name))
        .collect::<Result<_, _>>()?;
    let request =
        build_request::build_request(&args.prompt, &args.request, &config, &args.models, &context.console)
            .await?;
    let names: Vec<String> = args.models.iter().chain(&args.judge).cloned().collect();
    let _simulator = start_simulator::start_if_needed(context, &mut config, &names, HashMap::new).await?;
    let environment = context.environment();
    let subjects: Vec<ResolvedSubject> = args
        .models
        .iter()
        .map(|name| config.resolve_subject(name, &environment))
        .collect::<Result<_, _>>()?;
    let run_budget = max_cost::parse_max_cost(args.request.max_cost.as_deref())?;
    let router = context.build_router(&config);
    let options_for = |(subject, caller): (&ResolvedSubject, RoutingHints)| {
        call::build_call_options(context, &args.request, &subject.name, caller, run_budget.clone())
    };
    let options: Vec<CallOptions> =
        subjects.iter().zip(callers).map(options_for).collect::<Result<_, _>>()?;
    let calls = subjects.iter().zip(&options).map(|(subject, options)| CallRequest {
        subject,
        request: &request,
        flags: &args.request,
        options,
    });
    let plans: Vec<Plan<'_>> =
        calls.map(|call| call.plan_and_check(context, &router)).collect::<Result<_, _>>()?;
    let judge_options =
        call::build_call_options(context, &args.request, "", RoutingHints::default(), run_budget.clone())?;
    let judge = CompareJudge::prepare(context, &args, &config, &router, judge_options, &request, &subjects)?;
    let observer = CommandObserver::new(context, &config);
    let runs = plans.into_iter().map(|plan| {
        let (router, observer) = (&router, &observer);
        async move { router.run(plan, &mut &*observer).await }
    });
    let records: Vec<CallRecord> = join_all(runs).await;
    let records: Vec<(CallRecord, Option<StructuredOutput>)> = records
        .into_iter()
        .map(|record| {
            let structured = call::parse_structured_output(&request, &record);
            (record, structured)
        })
        .collect();
    let outcome = records.iter().fold(CommandOutcome::Success, |worst, (record, structured)| {
        worst.max_severity(call::call_outcome(record, structured.as_ref()))
    });
    let verdicts = match &judge {
        None => None,
        Some(judge) => {
            let records = records.iter().map(|(record, _)| record);
            Some(judge.judge_pairs(&router, &observer, records).await)
        }
    };
    // A missing verdict counts like a missing answer.
    let outcome = match &verdicts {
        Some(verdicts) if verdicts.results.has_hit_limit => {
            outcome.max_severity(CommandOutcome::LimitReached)
        }
        Some(verdicts) if !verdicts.results.has_all_verdicts() => {
            outcome.max_severity(CommandOutcome::NoAnswer)
        }
        _ => outcome,
    };
    let text = if args.request.json {
        let object = compare_json(&records, verdicts.as_ref(), outcome.exit_code());
        object.map(|object| format!("{object}\n")).map_err(io::Error::from)
    } else {
        Ok(compare_table(&records, verdicts.as_ref(), context.console.width()))
    };
    check_printed(text.and_then(|text| context.console.print(&text)), outcome)
}
