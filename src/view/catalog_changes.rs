//! The changes of a catalog update, as a table and as JSON.

use serde_json::{Value, json};

use super::format::pluralize;
use super::table::new_table;
use crate::catalog::CatalogChange;
use crate::chat::NanoDollars;

type CatalogChangeList = [(String, String, CatalogChange)];

/// Changes shown in the table; `--json` has all of them.
const MAX_SHOWN_CHANGES: usize = 30;

/// New and changed models. Models that the source does not list are only counted.
pub(crate) fn catalog_changes_table(changes: &CatalogChangeList, width: usize) -> String {
    let count =
        |wanted: fn(&CatalogChange) -> bool| changes.iter().filter(|(_, _, change)| wanted(change)).count();
    let new = count(|change| matches!(change, CatalogChange::Added(_)));
    let priced = count(|change| matches!(change, CatalogChange::PriceChanged { .. }));
    let unlisted = count(|change| *change == CatalogChange::Unlisted);
    let mut text = String::new();
    if !changes.is_empty() {
        let mut table = new_table(width, &["model", "change", "$ in", "$ out"], &[2, 3]);
        // Price changes matter most, so they come first.
        let rank = |change: &CatalogChange| match change {
            CatalogChange::PriceChanged { .. } => 0,
            CatalogChange::Added(_) => 1,
            CatalogChange::Unlisted => 2,
        };
        let mut sorted: Vec<_> = changes.iter().collect();
        sorted.sort_by_key(|(_, _, change)| rank(change));
        for (provider, model, change) in sorted.into_iter().take(MAX_SHOWN_CHANGES) {
            let (label, input, output) = match change {
                CatalogChange::Added([input, output]) => ("new", format_price(*input), format_price(*output)),
                CatalogChange::Unlisted => ("not listed", String::new(), String::new()),
                CatalogChange::PriceChanged { before, after } => {
                    let price_cell = |at: usize| {
                        if before[at] == after[at] {
                            format_price(after[at])
                        } else {
                            format!("{} → {}", format_price(before[at]), format_price(after[at]))
                        }
                    };
                    ("price", price_cell(0), price_cell(1))
                }
            };
            table.add_row([format!("{provider}/{model}"), label.to_owned(), input, output]);
        }
        text = format!("{table}\n");
    }
    let more = match changes.len().saturating_sub(MAX_SHOWN_CHANGES) {
        0 => String::new(),
        n => format!(" ({n} not shown; --json lists all)"),
    };
    format!(
        "{text}{new} new, {} changed, {unlisted} in the catalog but not listed by the source (kept){more}\n",
        pluralize(priced, "price")
    )
}

pub(crate) fn catalog_changes_json(changes: &CatalogChangeList, models: usize) -> Value {
    let dollars = |amount: Option<NanoDollars>| amount.map(NanoDollars::to_usd);
    let pair = |prices: &[Option<NanoDollars>; 2]| json!({"input": dollars(prices[0]), "output": dollars(prices[1])});
    let change = |(provider, model, change): &(String, String, CatalogChange)| match change {
        CatalogChange::Added(after) => {
            json!({"provider": provider, "model": model, "change": "new", "after": pair(after)})
        }
        CatalogChange::Unlisted => json!({"provider": provider, "model": model, "change": "not_listed"}),
        CatalogChange::PriceChanged { before, after } => {
            json!({"provider": provider, "model": model, "change": "price",
            "before": pair(before), "after": pair(after)})
        }
    };
    let all: Vec<Value> = changes.iter().map(change).collect();
    json!({"schema": "slalom.update/1", "models": models, "changes": all})
}

/// Dollars per million tokens.
pub(super) fn format_price(amount: Option<NanoDollars>) -> String {
    amount.map_or_else(|| "?".to_owned(), |amount| amount.to_usd().to_string())
}
