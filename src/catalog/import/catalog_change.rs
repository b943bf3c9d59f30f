//! What an update changes.

use std::collections::HashSet;

use super::super::{Catalog, ModelFacts, NanoDollars};

/// One model that an update changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogChange {
    /// It was not known: what its input and output cost.
    Added([Option<NanoDollars>; 2]),
    /// Input or output cost something else than before: input and output, before and after.
    PriceChanged {
        /// As it was.
        before: [Option<NanoDollars>; 2],
        /// As it is.
        after: [Option<NanoDollars>; 2],
    },
    /// The list does not have it any more. What was known of it stays.
    Unlisted,
}

/// What these models change in a catalogue, by provider and model, sorted.
pub fn diff_catalog(catalog: &Catalog, models: &[ModelFacts]) -> Vec<(String, String, CatalogChange)> {
    let listed: HashSet<(&str, &str)> =
        models.iter().map(|facts| (facts.provider.as_str(), facts.model.as_str())).collect();
    let providers: HashSet<&str> = models.iter().map(|facts| facts.provider.as_str()).collect();
    let ends = |facts: &ModelFacts| [facts.pricing.base.input, facts.pricing.base.output];
    let mut found = Vec::new();
    for facts in models {
        let change = match catalog.find(&facts.provider, &facts.model) {
            None => CatalogChange::Added(ends(facts)),
            Some(known) if ends(&known) != ends(facts) => {
                CatalogChange::PriceChanged { before: ends(&known), after: ends(facts) }
            }
            Some(_) => continue,
        };
        found.push((facts.provider.clone(), facts.model.clone(), change));
    }
    for known in catalog.all() {
        let (provider, model) = (known.provider.as_str(), known.model.as_str());
        if providers.contains(provider) && !listed.contains(&(provider, model)) {
            found.push((known.provider, known.model, CatalogChange::Unlisted));
        }
    }
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    found
}
