//! `slalom compare`: one prompt to several models at once.

use std::collections::HashMap;

use futures_util::future::join_all;

use super::call::Asked;
use super::contest::Judge;
use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use super::{call, money, prompt, simulator};
use crate::cli::CompareArgs;
use crate::config::Subject;
use crate::eval::Structured;
use crate::route::{CallRecord, Caller};
use crate::view::{compare_json, compare_table};

pub(super) async fn compare(context: &Context, args: CompareArgs) -> Result<Outcome, CommandError> {
    let mut config = context.load_config()?;
    if args.models.len() < 2 {
        return Err(CommandError::usage("compare needs two models or more")
            .hint("name them as -m MODEL -m MODEL, or -m MODEL,MODEL"));
    }
    let callers: Vec<Caller> = args
        .models
        .iter()
        .map(|name| prompt::caller(&args.request, &config, name))
        .collect::<Result<_, _>>()?;
    let request =
        prompt::request(&args.prompt, &args.request, &config, &args.models, &context.console).await?;
    let named: Vec<String> = args.models.iter().chain(&args.judge).cloned().collect();
    let _simulator = simulator::start_if_named(context, &mut config, &named, HashMap::new).await?;
    let environment = context.environment();
    let subjects: Vec<Subject> =
        args.models.iter().map(|name| config.subject(name, &environment)).collect::<Result<_, _>>()?;
    let purse = money::purse(args.request.max_cost.as_deref())?;
    let router = context.router(&config).paying_from(purse);
    let asked = |(subject, caller)| Asked { subject, request: &request, args: &args.request, caller };
    let asked: Vec<Asked<'_>> = subjects.iter().zip(&callers).map(asked).collect();
    for asked in &asked {
        asked.planned(context, &router)?;
    }
    let judge = Judge::prepared(context, &args, &config, &router, &request, &subjects)?;
    let calls = asked.into_iter().map(|asked| call::silent(context, &router, asked));
    let records: Vec<CallRecord> = join_all(calls).await.into_iter().collect::<Result<_, _>>()?;
    let records: Vec<(CallRecord, Option<Structured>)> = records
        .into_iter()
        .map(|record| {
            let structured = call::structured(&request, &record);
            (record, structured)
        })
        .collect();
    let outcome = records.iter().fold(Outcome::Done, |worst, (record, structured)| {
        worst.worse(call::outcome_of(record, structured.as_ref()))
    });
    let judged = match &judge {
        None => None,
        Some(judge) => {
            let records = records.iter().map(|(record, _)| record);
            Some(judge.judges(context, &args.request, &router, records).await?)
        }
    };
    // A verdict that was asked for and is not there is missed like an answer.
    let outcome = match &judged {
        Some(judged) if judged.contested.limited => outcome.worse(Outcome::Limit),
        Some(judged) if !judged.contested.is_settled() => outcome.worse(Outcome::NoAnswer),
        _ => outcome,
    };
    let text = if args.request.json {
        format!("{}\n", compare_json(&records, judged.as_ref(), outcome.code()))
    } else {
        compare_table(&records, judged.as_ref(), context.console.width())
    };
    printed(context.console.out(&text), outcome)
}
