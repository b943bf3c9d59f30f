//! Facts about models: context windows, prices, capabilities, and rejected parameters, with token and cost
//! estimates from them. Depends only on `chat` and does no I/O. It never guesses: what no source states is
//! unknown.

mod cost;
#[cfg(test)]
mod cost_tests;
mod csv_rows;
mod decimal;
mod fetched_catalog;
mod import;
mod model_facts;
mod price;
mod token_estimate;

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

pub use cost::cost_at_list_price;
pub(crate) use cost::{Cost, CostSource, format_usd_rounded};
pub(crate) use decimal::{format_usd_exact, parse_usd};
pub(crate) use fetched_catalog::{FetchedCatalog, Lifecycle, stale_age_days};
pub(crate) use import::{CatalogChange, diff_catalog, import_catalog};
pub use model_facts::Capability;
pub(crate) use model_facts::{
    Capabilities, ModelFacts, ModelMode, REJECTABLE_PARAMETERS, ReasoningControl, parameter_name,
    parse_parameter,
};
pub(crate) use price::{Pricing, TokenPrices};
pub(crate) use token_estimate::{estimate_input_tokens, estimate_tokens, estimate_usage, max_input_tokens};

/// The date of the built-in rows.
pub const BUILT_IN_DATE: Date = jiff::civil::date(2026, 11, 21);

/// Parsed on lookup only.
const BUILT_IN_CSV: &str = include_str!("models.csv");

/// Model facts by provider and model: from the user's configuration, then fetched, then built in.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    overrides: HashMap<(String, String), ModelFacts>,
    fetched: Option<FetchedCatalog>,
}

impl Catalog {
    /// Fetched rows take precedence over the built-in ones unless they are older.
    pub fn new(fetched: Option<FetchedCatalog>) -> Self {
        Self { overrides: HashMap::new(), fetched }
    }

    pub fn from_overrides(facts: Vec<ModelFacts>) -> Self {
        Self::default().with_overrides(facts)
    }

    /// Adds facts that take precedence over all others.
    #[must_use]
    pub fn with_overrides(mut self, facts: Vec<ModelFacts>) -> Self {
        self.overrides.extend(facts.into_iter().map(|f| ((f.provider.clone(), f.model.clone()), f)));
        self
    }

    pub fn find(&self, provider: &str, model: &str) -> Option<ModelFacts> {
        let key = (provider.to_owned(), model.to_owned());
        let own = self.overrides.get(&key).cloned();
        let fetched = || self.fetched.as_ref()?.find(provider, model);
        let shipped = || csv_rows::find_model(BUILT_IN_CSV, provider, model);
        own.or_else(|| {
            if self.is_fetched_newer() { fetched().or_else(shipped) } else { shipped().or_else(fetched) }
        })
    }

    fn is_fetched_newer(&self) -> bool {
        self.fetched.as_ref().is_some_and(|rows| rows.date() >= BUILT_IN_DATE)
    }

    /// All known models without duplicates, in order of precedence.
    pub fn all(&self) -> Vec<ModelFacts> {
        let mut own: Vec<ModelFacts> = self.overrides.values().cloned().collect();
        own.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
        let fetched: Vec<ModelFacts> = self.fetched.iter().flat_map(FetchedCatalog::all).collect();
        let shipped: Vec<ModelFacts> = csv_rows::all_models(BUILT_IN_CSV).collect();
        let [first, second] = if self.is_fetched_newer() { [fetched, shipped] } else { [shipped, fetched] };
        let mut seen = HashSet::new();
        own.into_iter()
            .chain(first)
            .chain(second)
            .filter(|facts| seen.insert((facts.provider.clone(), facts.model.clone())))
            .collect()
    }

    /// The most similar model name at a provider, for "did you mean".
    pub fn nearest_model(&self, provider: &str, model: &str) -> Option<String> {
        let similar = self
            .all()
            .into_iter()
            .filter(|f| f.provider == provider)
            .map(|f| (strsim::jaro_winkler(&f.model, model), f.model));
        similar
            .filter(|(similarity, _)| *similarity > 0.85)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name)
    }

    pub fn fetched(&self) -> Option<&FetchedCatalog> {
        self.fetched.as_ref()
    }

    /// These models, plus the fetched ones that they do not list. Fetched rows older than built-in rows of
    /// the same model are dropped, because the update would give them a new date.
    pub fn merge_fetched(&self, models: &[ModelFacts]) -> Vec<ModelFacts> {
        let listed: HashSet<(&str, &str)> =
            models.iter().map(|facts| (facts.provider.as_str(), facts.model.as_str())).collect();
        let stays = |facts: &ModelFacts| {
            let (provider, model) = (facts.provider.as_str(), facts.model.as_str());
            !listed.contains(&(provider, model))
                && (self.is_fetched_newer() || csv_rows::find_model(BUILT_IN_CSV, provider, model).is_none())
        };
        models
            .iter()
            .cloned()
            .chain(self.fetched.iter().flat_map(FetchedCatalog::all).filter(stays))
            .collect()
    }

    /// The date of the newest rows.
    pub fn as_of(&self) -> Date {
        self.fetched.as_ref().map_or(BUILT_IN_DATE, FetchedCatalog::date).max(BUILT_IN_DATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{NanoDollars, ReasoningEffort, TokenCount};

    #[test]
    fn override_takes_precedence() {
        let own = ModelFacts {
            provider: "anthropic".into(),
            model: "claude-haiku-4-5".into(),
            ..ModelFacts::default()
        };
        let catalog = Catalog::from_overrides(vec![own.clone()]);
        assert_eq!(catalog.find("anthropic", "claude-haiku-4-5"), Some(own));
        assert!(
            Catalog::default().find("anthropic", "claude-haiku-4-5").unwrap().pricing.base.input.is_some()
        );
        let tiered = Catalog::default().find("anthropic", "claude-haiku-5-5").unwrap().pricing;
        assert!(
            tiered.for_input_tokens(TokenCount::new(100_001)).input
                > tiered.for_input_tokens(TokenCount::new(100_000)).input
        );
        assert_eq!(
            catalog.nearest_model("anthropic", "claude-haiku-45").as_deref(),
            Some("claude-haiku-4-5")
        );
        assert!(Catalog::default().find("anthropic", "claude").is_none());
    }

    #[test]
    fn newer_fetched_row_takes_precedence() {
        let window = |tokens| ModelFacts {
            provider: "openai".into(),
            model: "gpt-4.1".into(),
            context_tokens: Some(tokens),
            ..ModelFacts::default()
        };
        let date = jiff::civil::date(2027, 1, 2);
        let catalog = Catalog::new(Some(FetchedCatalog::new(date, &[window(TokenCount::new(5))])));
        assert_eq!(catalog.find("openai", "gpt-4.1").unwrap().context_tokens, Some(TokenCount::new(5)));
        assert_eq!((catalog.as_of(), Catalog::default().as_of()), (date, BUILT_IN_DATE));
        let count = catalog.all().iter().filter(|f| f.model == "gpt-4.1" && f.provider == "openai").count();
        assert_eq!((count, catalog.all().len()), (1, Catalog::default().all().len()));
        let old = Catalog::new(Some(FetchedCatalog::new(
            jiff::civil::date(2026, 1, 2),
            &[window(TokenCount::new(5))],
        )));
        assert_ne!(
            old.find("openai", "gpt-4.1").unwrap().context_tokens,
            Some(TokenCount::new(5)),
            "older than the built-in rows"
        );
        assert_eq!(old.as_of(), BUILT_IN_DATE);
        let own = catalog.with_overrides(vec![window(TokenCount::new(6))]);
        assert_eq!(own.find("openai", "gpt-4.1").unwrap().context_tokens, Some(TokenCount::new(6)));
    }

    #[test]
    fn older_fetched_rows_fill_gaps() {
        let of = |model: &str| ModelFacts {
            provider: "openai".into(),
            model: model.into(),
            context_tokens: Some(TokenCount::new(5)),
            ..ModelFacts::default()
        };
        let rows = [of("gpt-4.1"), of("mine")];
        let old = Catalog::new(Some(FetchedCatalog::new(jiff::civil::date(2026, 1, 2), &rows)));
        assert_eq!(old.find("openai", "mine"), Some(of("mine")));
        assert!(old.all().contains(&of("mine")) && !old.all().contains(&of("gpt-4.1")));
        assert_eq!(old.merge_fetched(&[of("new")]), [of("new"), of("mine")]);
        let new = Catalog::new(Some(FetchedCatalog::new(jiff::civil::date(2027, 1, 2), &rows)));
        assert_eq!(new.merge_fetched(&[of("mine")]), [of("mine"), of("gpt-4.1")]);
    }

    #[test]
    fn model_family_cases() {
        let of = |provider: &str, model: &str| Catalog::default().find(provider, model).unwrap();
        let opus = of("anthropic", "claude-opus-5-5");
        assert_eq!(opus.reasoning_control, Some(ReasoningControl::Adaptive));
        assert_eq!(opus.supports(Capability::Prefill), Some(false));
        assert_eq!(opus.supports(Capability::Audio), None);
        assert_eq!(
            opus.efforts,
            [
                ReasoningEffort::Low,
                ReasoningEffort::Medium,
                ReasoningEffort::High,
                ReasoningEffort::Xhigh,
                ReasoningEffort::Max
            ]
        );
        assert_eq!(opus.pricing.base.cache_write_1h, Some(NanoDollars::new(8_000_000_000)));
        assert_eq!(of("anthropic", "claude-sonnet-4-5").reasoning_control, Some(ReasoningControl::Budget));
        assert_eq!(of("anthropic", "claude-opus-4-5").reasoning_control, None);
        assert_eq!(of("gemini", "gemini-2.5-pro").reasoning_control, Some(ReasoningControl::Budget));
        assert_eq!(of("gemini", "gemini-3.8-flash").reasoning_control, Some(ReasoningControl::Level));
        assert_eq!(of("openai", "text-embedding-3-small").mode, ModelMode::Embedding);
        assert_eq!(of("openai", "gpt-5.4-pro").mode, ModelMode::Responses);
        assert_eq!(of("ollama", "llama3").pricing.base.output, Some(NanoDollars::ZERO));
        assert_eq!(of("gemini", "gemma-3-27b-it").pricing.base.output, None);
    }
}
