//! Routes as tables.

use serde_json::{Value, json};

use super::format::seconds;
use super::table::table;
use crate::route::Route;

/// Routes with their candidates, and whether each could be called now.
pub fn routes_table(routes: &[(Route, Option<String>)], width: usize) -> String {
    let mut table = table(width, &["route", "candidate", "state", "deadline"], &[3]);
    for (route, description) in routes {
        for (n, candidate) in route.candidates.iter().enumerate() {
            let name = match n {
                0 => route.name.clone().unwrap_or_default(),
                _ => String::new(),
            };
            let state = match &candidate.target {
                Ok(target) if target.provider.simulated => "ready (simulated)".to_owned(),
                Ok(_) => "ready".to_owned(),
                Err(error) => error.to_string(),
            };
            let deadline = if n == 0 { seconds(route.policy.deadlines.call) } else { String::new() };
            table.add_row([name, candidate.model_ref.to_string(), state, deadline]);
        }
        if let Some(description) = description {
            table.add_row([String::new(), format!("({description})"), String::new(), String::new()]);
        }
    }
    format!("{table}\n")
}

/// The same as JSON.
pub fn routes_json(routes: &[(Route, Option<String>)]) -> Value {
    let candidate = |candidate: &crate::route::Candidate| {
        let problem = candidate.target.as_ref().err().map(ToString::to_string);
        json!({
            "provider": candidate.model_ref.provider, "model": candidate.model_ref.model,
            "ready": problem.is_none(), "problem": problem,
        })
    };
    let routes: Vec<Value> = routes
        .iter()
        .map(|(route, description)| {
            json!({
                "route": route.name, "description": description,
                "deadline_ms": super::format::milliseconds(route.policy.deadlines.call),
                "candidates": route.candidates.iter().map(candidate).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"schema": "slalom.routes/1", "routes": routes})
}
