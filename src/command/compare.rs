//! `slalom compare`: one prompt to several models at once.

use std::collections::HashMap;

use futures_util::future::join_all;

use super::call::CallRequest;
use super::compare_judge::CompareJudge;
use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::{build_request, call, max_cost, start_simulator};
use crate::cli::CompareArgs;
use crate::config::ResolvedSubject;
use crate::eval::StructuredOutput;
use crate::route::{CallRecord, RoutingHints};
use crate::view::{compare_json, compare_table};

pub(super) async fn run(context: &CommandContext, args: CompareArgs) -> Result<CommandOutcome, CommandError> {
    let mut config = context.load_config()?;
    if args.models.len() < 2 {
        return Err(CommandError::usage("compare needs two models or more")
            .with_hint("name them as -m MODEL -m MODEL, or -m MODEL,MODEL"));
    }
    let callers: Vec<RoutingHints> = args
        .models
        .iter()
        .map(|name| build_request::resolve_caller(&args.request, &config, name))
        .collect::<Result<_, _>>()?;
    let request =
        build_request::build_request(&args.prompt, &args.request, &config, &args.models, &context.console)
            .await?;
    let named: Vec<String> = args.models.iter().chain(&args.judge).cloned().collect();
    let _simulator = start_simulator::start_if_needed(context, &mut config, &named, HashMap::new).await?;
    let environment = context.environment();
    let subjects: Vec<ResolvedSubject> = args
        .models
        .iter()
        .map(|name| config.resolve_subject(name, &environment))
        .collect::<Result<_, _>>()?;
    let purse = max_cost::parse_max_cost(args.request.max_cost.as_deref())?;
    let router = context.build_router(&config).with_run_budget(purse);
    let asked = |(subject, caller)| CallRequest { subject, request: &request, flags: &args.request, caller };
    let asked: Vec<CallRequest<'_>> = subjects.iter().zip(&callers).map(asked).collect();
    for asked in &asked {
        asked.plan_and_check(context, &router)?;
    }
    let judge = CompareJudge::prepare(context, &args, &config, &router, &request, &subjects)?;
    let calls = asked.into_iter().map(|asked| call::run_call_silently(context, &router, asked));
    let records: Vec<CallRecord> = join_all(calls).await.into_iter().collect::<Result<_, _>>()?;
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
    let judged = match &judge {
        None => None,
        Some(judge) => {
            let records = records.iter().map(|(record, _)| record);
            Some(judge.judge_pairs(context, &args.request, &router, records).await?)
        }
    };
    // A verdict that was asked for and is not there is missed like an answer.
    let outcome = match &judged {
        Some(judged) if judged.results.has_hit_limit => outcome.max_severity(CommandOutcome::LimitReached),
        Some(judged) if !judged.results.has_all_verdicts() => outcome.max_severity(CommandOutcome::NoAnswer),
        _ => outcome,
    };
    let text = if args.request.json {
        format!("{}\n", compare_json(&records, judged.as_ref(), outcome.exit_code()))
    } else {
        compare_table(&records, judged.as_ref(), context.console.width())
    };
    check_printed(context.console.print(&text), outcome)
}
