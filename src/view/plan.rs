//! Plans as tables.

use serde_json::{Value, json};

use super::table::table;
use crate::catalog::estimated_tokens;
use crate::chat::Request;
use crate::provider::Target;
use crate::route::{Plan, PlanStep};

/// The plan of a call: every candidate in order, each with *try* or *skip and why*.
pub fn plan_table(plan: &Plan, request: &Request, width: usize) -> String {
    let mut table = table(width, &["", "candidate", "decision", "price in / out per 1M", "window"], &[0, 4]);
    for (n, step) in plan.steps.iter().enumerate() {
        let number = (n + 1).to_string();
        match step {
            PlanStep::Try { target, adjustments } => {
                let mut decision =
                    if n == 0 { "try first".to_owned() } else { "try if those before it fail".to_owned() };
                for adjustment in adjustments {
                    decision.push_str(&format!("; {adjustment}"));
                }
                table.add_row([
                    number,
                    target.model_ref.to_string(),
                    decision,
                    prices(target),
                    window(target),
                ]);
            }
            PlanStep::Skip { model_ref, skip } => {
                let why = format!("skip: {skip}");
                table.add_row([number, model_ref.to_string(), why, String::new(), String::new()]);
            }
        }
    }
    let tokens = estimated_tokens(request.text_bytes());
    format!("{table}\nthe prompt has ~{tokens} tokens; nothing was sent\n")
}

/// The same as JSON.
pub fn plan_json(plan: &Plan, request: &Request) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| match step {
            PlanStep::Try { target, adjustments } => json!({
                "provider": target.model_ref.provider, "model": target.model_ref.model, "decision": "try", "reason": null,
                "adjusted": adjustments.iter().map(|a| json!({"what": a.name(), "how": a.to_string()})).collect::<Vec<_>>(),
                "simulated": target.provider.simulated,
            }),
            PlanStep::Skip { model_ref, skip } => json!({
                "provider": model_ref.provider, "model": model_ref.model, "decision": "skip", "reason": skip.name(),
                "detail": skip.to_string(),
            }),
        })
        .collect();
    json!({"schema": "slalom.plan/1", "estimated_input_tokens": estimated_tokens(request.text_bytes()), "candidates": steps})
}

fn prices(target: &Target) -> String {
    if target.provider.simulated {
        return "fictional".to_owned();
    }
    let price = target.facts.as_ref().map(|facts| facts.price.base).unwrap_or_default();
    match price.input.zip(price.output) {
        Some((input, output)) => format!("${} / ${}", input as f64 / 1e9, output as f64 / 1e9),
        None => "unknown".to_owned(),
    }
}

fn window(target: &Target) -> String {
    let window = target.facts.as_ref().and_then(|facts| facts.context_tokens);
    window.map_or_else(|| "unknown".to_owned(), |tokens| tokens.to_string())
}
