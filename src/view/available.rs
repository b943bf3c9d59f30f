//! What providers say that they serve, beside what the catalogue says.

use serde_json::{Value, json};

use super::table::table;

/// One provider's answer.
#[derive(Clone, Debug)]
pub struct Available {
    /// Who was asked.
    pub provider: String,
    /// Its models, and those of the catalogue that it does not list; or why it does not say.
    pub models: Result<Vec<AvailableModel>, String>,
}

/// A model that somebody lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailableModel {
    /// Its name at the provider.
    pub model: String,
    /// Whether the provider lists it.
    pub listed: bool,
    /// Whether the catalogue has it.
    pub in_catalogue: bool,
}

impl Available {
    /// An answer, held against the catalogue's models of that provider.
    pub fn new(provider: &str, listed: Result<Vec<String>, String>, known: &[String]) -> Self {
        let models = listed.map(|mut listed| {
            listed.sort();
            let missing = known.iter().filter(|model| !listed.contains(model));
            let missing: Vec<AvailableModel> = missing
                .map(|model| AvailableModel { model: model.clone(), listed: false, in_catalogue: true })
                .collect();
            let mut all: Vec<AvailableModel> = listed
                .into_iter()
                .map(|model| AvailableModel { in_catalogue: known.contains(&model), listed: true, model })
                .collect();
            all.extend(missing);
            all
        });
        Self { provider: provider.to_owned(), models }
    }
}

/// One row a model.
pub fn available_table(answers: &[Available], width: usize) -> String {
    let mut table = table(width, &["model", "provider lists it", "catalogue has it"], &[]);
    let word = |yes: bool| if yes { "yes" } else { "no" };
    let mut rows = 0;
    for answer in answers {
        for model in answer.models.iter().flatten() {
            let name = format!("{}/{}", answer.provider, model.model);
            table.add_row([name.as_str(), word(model.listed), word(model.in_catalogue)]);
            rows += 1;
        }
    }
    if rows == 0 { String::new() } else { format!("{table}\n") }
}

/// The same as JSON.
pub fn available_json(answers: &[Available]) -> Value {
    let model =
        |m: &AvailableModel| json!({"model": m.model, "listed": m.listed, "in_catalogue": m.in_catalogue});
    let provider = |answer: &Available| match &answer.models {
        Ok(models) => json!({"provider": answer.provider, "error": null,
            "models": models.iter().map(model).collect::<Vec<_>>()}),
        Err(why) => json!({"provider": answer.provider, "error": why, "models": []}),
    };
    let providers: Vec<Value> = answers.iter().map(provider).collect();
    json!({"schema": "slalom.available/1", "providers": providers})
}
