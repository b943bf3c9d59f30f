//! What is known of models: windows, prices, capabilities, refused parameters; token estimates and costs from them.
//!
//! A side room that knows only `chat`. It never calls anybody and never guesses: what no source says is unknown.
//! Start with [`Catalog`].

mod cost;
mod decimal;
mod estimate;
mod facts;
mod import;
mod price;
mod rows;
mod updated;
#[cfg(test)]
mod worked;

use std::collections::{HashMap, HashSet};

pub use cost::{Cost, CostSource, dollars, price_of};
pub use decimal::{nano_to_usd, usd_to_nano};
pub use estimate::{estimated_input, estimated_tokens, estimated_usage, most_tokens};
pub use facts::{
    Capabilities, Capability, Mode, ModelFacts, REFUSABLE, Thinking, parameter_of, parameter_word,
};
pub use import::{Change, ImportError, Imported, changes, import};
pub use price::{NanoDollars, Price, Pricing};
pub use updated::{Standing, Updated, days_too_old, shipped_date};

/// The day on which the shipped rows were collected.
pub const CATALOG_DATE: &str = "2026-11-21";

/// The shipped rows. A command that needs no model facts never reads them.
const SHIPPED: &str = include_str!("models.csv");

/// Facts about models, by provider and model: what the user says, then what the user fetched, then what is shipped.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    overrides: HashMap<(String, String), ModelFacts>,
    updated: Option<Updated>,
}

impl Catalog {
    /// The shipped rows, with fetched ones before them; under them where those are older, since then this version knows
    /// better.
    pub fn new(updated: Option<Updated>) -> Self {
        Self { overrides: HashMap::new(), updated }
    }

    /// A catalogue where these facts stand before the shipped ones.
    pub fn with_overrides(facts: Vec<ModelFacts>) -> Self {
        Self::default().overridden(facts)
    }

    /// The same catalogue with these facts before all others.
    #[must_use]
    pub fn overridden(mut self, facts: Vec<ModelFacts>) -> Self {
        self.overrides.extend(facts.into_iter().map(|f| ((f.provider.clone(), f.model.clone()), f)));
        self
    }

    /// What is known of a model, if anything.
    pub fn find(&self, provider: &str, model: &str) -> Option<ModelFacts> {
        let key = (provider.to_owned(), model.to_owned());
        let own = self.overrides.get(&key).cloned();
        let fetched = || self.updated.as_ref()?.find(provider, model);
        let shipped = || rows::find(SHIPPED, provider, model);
        own.or_else(|| if self.is_newer() { fetched().or_else(shipped) } else { shipped().or_else(fetched) })
    }

    /// Whether the fetched rows are no older than the shipped ones.
    fn is_newer(&self) -> bool {
        self.updated.as_ref().is_some_and(|rows| rows.date() >= shipped_date())
    }

    /// All models known, the user's own first, then as fetched and as shipped, the newer of these first.
    pub fn all(&self) -> Vec<ModelFacts> {
        let mut own: Vec<ModelFacts> = self.overrides.values().cloned().collect();
        own.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
        let fetched: Vec<ModelFacts> = self.updated.iter().flat_map(Updated::all).collect();
        let shipped: Vec<ModelFacts> =
            rows::lines(SHIPPED).filter_map(|line| rows::read(line).ok()).collect();
        let [first, second] = if self.is_newer() { [fetched, shipped] } else { [shipped, fetched] };
        let mut seen = HashSet::new();
        own.into_iter()
            .chain(first)
            .chain(second)
            .filter(|facts| seen.insert((facts.provider.clone(), facts.model.clone())))
            .collect()
    }

    /// The known model of that provider whose name is nearest, for a "did you mean".
    pub fn nearest(&self, provider: &str, model: &str) -> Option<String> {
        let near = self
            .all()
            .into_iter()
            .filter(|f| f.provider == provider)
            .map(|f| (strsim::jaro_winkler(&f.model, model), f.model));
        near.filter(|(likeness, _)| *likeness > 0.85).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
    }

    /// The rows that were fetched, where there are any.
    pub fn updated(&self) -> Option<&Updated> {
        self.updated.as_ref()
    }

    /// These models and, of those fetched before, the ones that they lack: what an update is to keep. Rows that are
    /// older than shipped ones of the same model are not made new by it.
    pub fn merged(&self, models: &[ModelFacts]) -> Vec<ModelFacts> {
        let listed: HashSet<(&str, &str)> =
            models.iter().map(|facts| (facts.provider.as_str(), facts.model.as_str())).collect();
        let stays = |facts: &ModelFacts| {
            let (provider, model) = (facts.provider.as_str(), facts.model.as_str());
            !listed.contains(&(provider, model))
                && (self.is_newer() || rows::find(SHIPPED, provider, model).is_none())
        };
        models.iter().cloned().chain(self.updated.iter().flat_map(Updated::all).filter(stays)).collect()
    }

    /// The day of the rows that are looked at first: the fetched ones, else the shipped ones.
    pub fn date(&self) -> jiff::civil::Date {
        self.updated.as_ref().map_or_else(shipped_date, Updated::date).max(shipped_date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Effort;

    #[test]
    fn what_the_user_says_stands_first() {
        let own = ModelFacts {
            provider: "anthropic".into(),
            model: "claude-haiku-4-5".into(),
            ..ModelFacts::default()
        };
        let catalog = Catalog::with_overrides(vec![own.clone()]);
        assert_eq!(catalog.find("anthropic", "claude-haiku-4-5"), Some(own));
        assert!(Catalog::default().find("anthropic", "claude-haiku-4-5").unwrap().price.base.input.is_some());
        let tiered = Catalog::default().find("anthropic", "claude-haiku-5-5").unwrap().price;
        assert!(tiered.at(100_001).input > tiered.at(100_000).input);
        assert_eq!(catalog.nearest("anthropic", "claude-haiku-45").as_deref(), Some("claude-haiku-4-5"));
        assert!(Catalog::default().find("anthropic", "claude").is_none());
    }

    #[test]
    fn what_the_user_fetched_stands_before_what_is_shipped() {
        let window = |tokens| ModelFacts {
            provider: "openai".into(),
            model: "gpt-4.1".into(),
            context_tokens: Some(tokens),
            ..ModelFacts::default()
        };
        let date = jiff::civil::date(2027, 1, 2);
        let catalog = Catalog::new(Some(Updated::new(date, &[window(5)])));
        assert_eq!(catalog.find("openai", "gpt-4.1").unwrap().context_tokens, Some(5));
        assert_eq!((catalog.date(), Catalog::default().date()), (date, shipped_date()));
        let counted = catalog.all().iter().filter(|f| f.model == "gpt-4.1" && f.provider == "openai").count();
        assert_eq!((counted, catalog.all().len()), (1, Catalog::default().all().len()));
        let old = Catalog::new(Some(Updated::new(jiff::civil::date(2026, 1, 2), &[window(5)])));
        assert_ne!(
            old.find("openai", "gpt-4.1").unwrap().context_tokens,
            Some(5),
            "older than what is shipped"
        );
        assert_eq!(old.date(), shipped_date());
        let own = catalog.overridden(vec![window(6)]);
        assert_eq!(own.find("openai", "gpt-4.1").unwrap().context_tokens, Some(6));
    }

    #[test]
    fn old_fetched_rows_stay_where_nothing_is_shipped() {
        let of = |model: &str| ModelFacts {
            provider: "openai".into(),
            model: model.into(),
            context_tokens: Some(5),
            ..ModelFacts::default()
        };
        let rows = [of("gpt-4.1"), of("mine")];
        let old = Catalog::new(Some(Updated::new(jiff::civil::date(2026, 1, 2), &rows)));
        assert_eq!(old.find("openai", "mine"), Some(of("mine")));
        assert!(old.all().contains(&of("mine")) && !old.all().contains(&of("gpt-4.1")));
        assert_eq!(old.merged(&[of("new")]), [of("new"), of("mine")]);
        let new = Catalog::new(Some(Updated::new(jiff::civil::date(2027, 1, 2), &rows)));
        assert_eq!(new.merged(&[of("mine")]), [of("mine"), of("gpt-4.1")]);
    }

    #[test]
    fn families_are_told_apart() {
        let of = |provider: &str, model: &str| Catalog::default().find(provider, model).unwrap();
        let opus = of("anthropic", "claude-opus-5-5");
        assert_eq!(opus.thinking, Some(Thinking::Adaptive));
        assert_eq!(opus.supports(Capability::Prefill), Some(false));
        assert_eq!(opus.supports(Capability::Audio), None);
        assert_eq!(opus.efforts, [Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh, Effort::Max]);
        assert_eq!(opus.price.base.cache_write_1h, Some(8_000_000_000));
        assert_eq!(of("anthropic", "claude-sonnet-4-5").thinking, Some(Thinking::Budget));
        assert_eq!(of("anthropic", "claude-opus-4-5").thinking, None);
        assert_eq!(of("gemini", "gemini-2.5-pro").thinking, Some(Thinking::Budget));
        assert_eq!(of("gemini", "gemini-3.8-flash").thinking, Some(Thinking::Level));
        assert_eq!(of("openai", "text-embedding-3-small").mode, Mode::Embedding);
        assert_eq!(of("openai", "gpt-5.4-pro").mode, Mode::Responses);
        assert_eq!(of("ollama", "llama3").price.base.output, Some(0));
        assert_eq!(of("gemini", "gemma-3-27b-it").price.base.output, None);
    }
}
