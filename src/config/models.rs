//! Facts of `routes.yaml` about models, field by field over what is known already.

use super::diagnostic::nearest;
use super::routes::Reader;
use super::routes_file::{ModelEntry, PriceEntry};
use super::yaml::Located;
use crate::catalog::{Capability, ModelFacts, NanoDollars, Price, REFUSABLE, parameter_of, parameter_word};
use crate::chat::Effort;
use crate::provider::ModelRef;

impl Reader {
    /// What is known of a model, with what the file says in its place.
    pub(super) fn facts(&mut self, model: ModelRef, entry: ModelEntry) -> ModelFacts {
        let known = self.catalog.find(&model.provider, &model.model).unwrap_or_default();
        let mut facts = ModelFacts { provider: model.provider, model: model.model, ..known };
        facts.context_tokens = entry.context_tokens.or(facts.context_tokens);
        facts.max_output_tokens = entry.max_output_tokens.or(facts.max_output_tokens);
        if let Some(price) = entry.price {
            facts.price = facts.price.with(self.price(price));
        }
        if let Some(words) = entry.supports {
            let known = Capability::ALL.map(Capability::name);
            for word in &words {
                if !facts.capabilities.set_word(&word.value) {
                    self.unknown_word(word, &known, "capability");
                }
            }
        }
        if let Some(words) = entry.efforts {
            let known = Effort::ALL.map(Effort::name);
            facts.efforts = self.words(&words, &known, "effort", |word| word.parse().ok());
        }
        if let Some(words) = entry.refuses {
            let known = REFUSABLE.map(parameter_word);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            facts.refuses = self.words(&words, &known, "parameter", parameter_of);
        }
        facts
    }

    fn price(&mut self, said: PriceEntry) -> Price {
        Price {
            input: self.nano(said.input),
            cached_input: self.nano(said.cached_input),
            cache_write: self.nano(said.cache_write),
            cache_write_1h: self.nano(said.cache_write_1h),
            output: self.nano(said.output),
            reasoning: None,
        }
    }

    fn nano(&mut self, usd: Option<Located<f64>>) -> Option<NanoDollars> {
        let usd = usd?;
        if !(0.0..1e6).contains(&usd.value) {
            let hint = "prices are dollars per million tokens";
            self.wrong(format!("`{}` is no price", usd.value), usd.span, hint);
            return None;
        }
        // Nine decimals are kept; the bounds above keep this far inside 64 bits.
        let nano = (usd.value * 1e9).round() as u64;
        if nano == 0 && usd.value > 0.0 {
            // Kept, it would be no price at all, and what it is the price of free.
            let hint = "prices are dollars per million tokens, to nine decimals";
            self.wrong(format!("`{}` is too small a price to be kept", usd.value), usd.span, hint);
            return None;
        }
        Some(nano)
    }

    pub(super) fn words<T>(
        &mut self,
        words: &[Located<String>],
        known: &[&str],
        what: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for word in words {
            match read(&word.value) {
                Some(one) => found.push(one),
                None => self.unknown_word(word, known, what),
            }
        }
        found
    }

    fn unknown_word(&mut self, word: &Located<String>, known: &[&str], what: &str) {
        let hint = match nearest(&word.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the words known here are {}", known.join(", ")),
        };
        self.wrong(format!("`{}` is no {what}", word.value), word.span.clone(), hint);
    }
}
