//! What an update of the catalogue changes.

use serde_json::{Value, json};

use super::format::counted;
use super::table::table;
use crate::catalog::Change;

type Changes = [(String, String, Change)];

/// This many changes are shown; a list of hundreds is for `--json`.
const SHOWN: usize = 30;

/// New and changed models, one a row; what is gone is counted after them.
pub fn changes_table(changes: &Changes, width: usize) -> String {
    let count = |wanted: fn(&Change) -> bool| changes.iter().filter(|(_, _, change)| wanted(change)).count();
    let new = count(|change| matches!(change, Change::New(_)));
    let priced = count(|change| matches!(change, Change::Price { .. }));
    let gone = count(|change| *change == Change::Gone);
    let mut text = String::new();
    if !changes.is_empty() {
        let mut table = table(width, &["model", "change", "$ in", "$ out"], &[2, 3]);
        // Prices first: they are what an update is for.
        let rank = |change: &Change| match change {
            Change::Price { .. } => 0,
            Change::New(_) => 1,
            Change::Gone => 2,
        };
        let mut sorted: Vec<_> = changes.iter().collect();
        sorted.sort_by_key(|(_, _, change)| rank(change));
        for (provider, model, change) in sorted.into_iter().take(SHOWN) {
            let (word, input, output) = match change {
                Change::New([input, output]) => ("new", usd(*input), usd(*output)),
                Change::Gone => ("not listed", String::new(), String::new()),
                Change::Price { before, after } => {
                    let step = |at: usize| {
                        if before[at] == after[at] {
                            usd(after[at])
                        } else {
                            format!("{} → {}", usd(before[at]), usd(after[at]))
                        }
                    };
                    ("price", step(0), step(1))
                }
            };
            table.add_row([format!("{provider}/{model}"), word.to_owned(), input, output]);
        }
        text = format!("{table}\n");
    }
    let more = match changes.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" ({n} of them not shown; --json has all)"),
    };
    format!(
        "{text}{new} new, {} changed, {gone} of the catalogue not listed there (they stay){more}\n",
        counted(priced, "price")
    )
}

/// The same as JSON, all of it.
pub fn changes_json(changes: &Changes, models: usize) -> Value {
    let dollars = |nano: Option<u64>| nano.map(|nano| nano as f64 / 1e9);
    let pair = |prices: &[Option<u64>; 2]| json!({"input": dollars(prices[0]), "output": dollars(prices[1])});
    let change = |(provider, model, change): &(String, String, Change)| match change {
        Change::New(after) => {
            json!({"provider": provider, "model": model, "change": "new", "after": pair(after)})
        }
        Change::Gone => json!({"provider": provider, "model": model, "change": "not_listed"}),
        Change::Price { before, after } => json!({"provider": provider, "model": model, "change": "price",
            "before": pair(before), "after": pair(after)}),
    };
    let all: Vec<Value> = changes.iter().map(change).collect();
    json!({"schema": "slalom.update/1", "models": models, "changes": all})
}

/// Dollars per million tokens.
pub(super) fn usd(nano: Option<u64>) -> String {
    nano.map_or_else(|| "?".to_owned(), |nano| format!("{}", nano as f64 / 1e9))
}
