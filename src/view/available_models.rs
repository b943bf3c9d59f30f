//! The models that providers list, compared with the catalog.

use serde_json::{Value, json};

use super::table::new_table;

#[derive(Clone, Debug)]
pub(crate) struct ProviderListing {
    pub provider: String,
    /// The provider's models and those that only the catalog has; or the error.
    pub models: Result<Vec<ListedModel>, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedModel {
    pub model: String,
    pub is_listed: bool,
    pub is_in_catalog: bool,
}

impl ProviderListing {
    /// Merges a provider's list with the catalog's models of that provider.
    pub(crate) fn new(provider: &str, listed: Result<Vec<String>, String>, known: &[String]) -> Self {
        let models = listed.map(|mut listed| {
            listed.sort();
            let missing = known.iter().filter(|model| !listed.contains(model));
            let missing: Vec<ListedModel> = missing
                .map(|model| ListedModel { model: model.clone(), is_listed: false, is_in_catalog: true })
                .collect();
            let mut all: Vec<ListedModel> = listed
                .into_iter()
                .map(|model| ListedModel { is_in_catalog: known.contains(&model), is_listed: true, model })
                .collect();
            all.extend(missing);
            all
        });
        Self { provider: provider.to_owned(), models }
    }
}

pub(crate) fn available_models_table(listings: &[ProviderListing], width: usize) -> String {
    let mut table = new_table(width, &["model", "listed by provider", "in catalog"], &[]);
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let mut rows = 0;
    for listing in listings {
        for model in listing.models.iter().flatten() {
            let name = format!("{}/{}", listing.provider, model.model);
            table.add_row([name.as_str(), yes_no(model.is_listed), yes_no(model.is_in_catalog)]);
            rows += 1;
        }
    }
    if rows == 0 { String::new() } else { format!("{table}\n") }
}

pub(crate) fn available_models_json(listings: &[ProviderListing]) -> Value {
    let model =
        |m: &ListedModel| json!({"model": m.model, "listed": m.is_listed, "in_catalogue": m.is_in_catalog});
    let provider = |listing: &ProviderListing| match &listing.models {
        Ok(models) => json!({"provider": listing.provider, "error": null,
            "models": models.iter().map(model).collect::<Vec<_>>()}),
        Err(why) => json!({"provider": listing.provider, "error": why, "models": []}),
    };
    let providers: Vec<Value> = listings.iter().map(provider).collect();
    json!({"schema": "slalom.available/1", "providers": providers})
}
