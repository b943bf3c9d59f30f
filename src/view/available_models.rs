//! What providers say that they serve, beside what the catalogue says.

use serde_json::{Value, json};

use super::table::new_table;

/// One provider's answer.
#[derive(Clone, Debug)]
pub struct ProviderListing {
    /// Who was asked.
    pub provider: String,
    /// Its models, and those of the catalogue that it does not list; or why it does not say.
    pub models: Result<Vec<ListedModel>, String>,
}

/// A model that somebody lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// Its name at the provider.
    pub model: String,
    /// Whether the provider lists it.
    pub is_listed: bool,
    /// Whether the catalogue has it.
    pub is_in_catalog: bool,
}

impl ProviderListing {
    /// An answer, held against the catalogue's models of that provider.
    pub fn new(provider: &str, listed: Result<Vec<String>, String>, known: &[String]) -> Self {
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

/// One row a model.
pub fn available_models_table(answers: &[ProviderListing], width: usize) -> String {
    let mut table = new_table(width, &["model", "provider lists it", "catalogue has it"], &[]);
    let word = |yes: bool| if yes { "yes" } else { "no" };
    let mut rows = 0;
    for answer in answers {
        for model in answer.models.iter().flatten() {
            let name = format!("{}/{}", answer.provider, model.model);
            table.add_row([name.as_str(), word(model.is_listed), word(model.is_in_catalog)]);
            rows += 1;
        }
    }
    if rows == 0 { String::new() } else { format!("{table}\n") }
}

/// The same as JSON.
pub fn available_models_json(answers: &[ProviderListing]) -> Value {
    let model =
        |m: &ListedModel| json!({"model": m.model, "listed": m.is_listed, "in_catalogue": m.is_in_catalog});
    let provider = |answer: &ProviderListing| match &answer.models {
        Ok(models) => json!({"provider": answer.provider, "error": null,
            "models": models.iter().map(model).collect::<Vec<_>>()}),
        Err(why) => json!({"provider": answer.provider, "error": why, "models": []}),
    };
    let providers: Vec<Value> = answers.iter().map(provider).collect();
    json!({"schema": "slalom.available/1", "providers": providers})
}
