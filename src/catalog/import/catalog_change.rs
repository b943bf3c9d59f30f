//! What an update of the catalog changes.

use std::collections::HashSet;

use super::super::{Catalog, ModelFacts};
use crate::chat::NanoDollars;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogChange {
    /// Input and output price of a new model.
    Added([Option<NanoDollars>; 2]),
    /// Input and output price, before and after.
    PriceChanged { before: [Option<NanoDollars>; 2], after: [Option<NanoDollars>; 2] },
    /// The source no longer lists it. Its facts are kept.
    Unlisted,
}

/// The changes that these models make to a catalog, sorted by provider and model.
pub(crate) fn diff_catalog(catalog: &Catalog, models: &[ModelFacts]) -> Vec<(String, String, CatalogChange)> {
    let listed: HashSet<(&str, &str)> =
        models.iter().map(|facts| (facts.provider.as_str(), facts.model.as_str())).collect();
    let providers: HashSet<&str> = models.iter().map(|facts| facts.provider.as_str()).collect();
    let prices = |facts: &ModelFacts| [facts.pricing.base.input, facts.pricing.base.output];
    let mut found = Vec::new();
    for facts in models {
        let change = match catalog.find(&facts.provider, &facts.model) {
            None => CatalogChange::Added(prices(facts)),
            Some(known) if prices(&known) != prices(facts) => {
                CatalogChange::PriceChanged { before: prices(&known), after: prices(facts) }
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
