//! The shipped rows, and what the user says instead.

use std::collections::HashMap;

use super::cost::{Price, Pricing, usd_to_nano};
use crate::chat::Parameter;

/// What is known of one model at one provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFacts {
    /// The provider's name.
    pub provider: String,
    /// The model's name at that provider.
    pub model: String,
    /// The window: input and output together, in tokens.
    pub context_tokens: Option<u64>,
    /// The most output that may be asked for, in tokens.
    pub max_output_tokens: Option<u64>,
    /// Prices.
    pub price: Pricing,
    /// Whether the model reasons before it answers, so that its first token may take minutes.
    pub reasoning: bool,
    /// Parameters that the model answers with a 400.
    pub refuses: Vec<Parameter>,
    /// The day from which the provider may stop serving it (ISO 8601).
    pub deprecated: Option<String>,
}

/// The shipped rows. Reading them is lazy: a command that needs no model facts never pays for it.
const ROWS: &str = include_str!("models.csv");

/// Facts about models, by provider and model.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    overrides: HashMap<(String, String), ModelFacts>,
}

impl Catalog {
    /// A catalogue where these facts stand before the shipped ones.
    pub fn with_overrides(facts: Vec<ModelFacts>) -> Self {
        Self { overrides: facts.into_iter().map(|f| ((f.provider.clone(), f.model.clone()), f)).collect() }
    }

    /// What is known of a model, if anything.
    pub fn find(&self, provider: &str, model: &str) -> Option<ModelFacts> {
        let key = (provider.to_owned(), model.to_owned());
        self.overrides
            .get(&key)
            .cloned()
            .or_else(|| shipped().find(|f| f.provider == provider && f.model == model))
    }

    /// All models known, the user's own first, then as shipped.
    pub fn all(&self) -> Vec<ModelFacts> {
        let mut own: Vec<ModelFacts> = self.overrides.values().cloned().collect();
        own.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
        let rest = shipped().filter(|f| !self.overrides.contains_key(&(f.provider.clone(), f.model.clone())));
        own.into_iter().chain(rest).collect()
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
}

fn shipped() -> impl Iterator<Item = ModelFacts> {
    csv::Reader::from_reader(ROWS.as_bytes()).into_records().filter_map(Result::ok).map(|row| {
        let text = |at: usize| row.get(at).unwrap_or_default();
        let number = |at: usize| text(at).parse().ok();
        ModelFacts {
            provider: text(0).to_owned(),
            model: text(1).to_owned(),
            context_tokens: number(2),
            max_output_tokens: number(3),
            price: Pricing {
                base: price([text(4), text(5), text(6), text(7)]),
                tiers: text(11).split(';').filter_map(tier).collect(),
            },
            reasoning: text(8) == "yes",
            refuses: text(9).split(' ').filter_map(parameter).collect(),
            deprecated: Some(text(10)).filter(|d| !d.is_empty()).map(str::to_owned),
        }
    })
}

/// Input, cached input, cache write and output, in dollars per million tokens as written.
fn price(written: [&str; 4]) -> Price {
    let [input, cached_input, cache_write, output] = written.map(usd_to_nano);
    Price { input, cached_input, cache_write, output }
}

/// `100000 0.5 0.05 0.625 2.5`: above so many input tokens, these prices; `-` is unknown.
fn tier(written: &str) -> Option<(u64, Price)> {
    let words: Vec<&str> = written.split(' ').collect();
    match words.as_slice() {
        [above, input, cached, write, output] => {
            Some((above.parse().ok()?, price([input, cached, write, output])))
        }
        _ => None,
    }
}

fn parameter(word: &str) -> Option<Parameter> {
    Some(match word {
        "temperature" => Parameter::Temperature,
        "top_p" => Parameter::TopP,
        "stop" => Parameter::Stop,
        "seed" => Parameter::Seed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads() {
        let mut seen = std::collections::HashSet::new();
        for row in csv::Reader::from_reader(ROWS.as_bytes()).into_records() {
            let row = row.expect("a row of the catalogue");
            assert_eq!(row.len(), 12, "{row:?}");
            assert!(row[11].is_empty() || row[11].split(';').all(|t| tier(t).is_some()), "{row:?}");
            for at in 2..8 {
                assert!(row[at].is_empty() || usd_to_nano(&row[at]).is_some(), "{row:?}");
            }
            assert!(row[9].split(' ').all(|w| w.is_empty() || parameter(w).is_some()), "{row:?}");
            assert!(seen.insert((row[0].to_owned(), row[1].to_owned())), "twice: {row:?}");
        }
        assert!(seen.len() > 150, "{}", seen.len());
    }

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
    }
}
