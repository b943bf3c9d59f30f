//! Model facts in `routes.yaml`, which override known facts field by field.

use super::config_resolver::ConfigResolver;
use super::routes_file::{ModelEntry, PriceEntry};
use super::yaml::Spanned;
use crate::catalog::{
    Capability, ModelFacts, REJECTABLE_PARAMETERS, TokenPrices, parameter_name, parse_parameter,
};
use crate::chat::{NanoDollars, ReasoningEffort, find_closest};
use crate::provider::ModelRef;

impl ConfigResolver {
    /// Starts from the known facts about the model.
    pub(super) fn resolve_model_facts(&mut self, model: ModelRef, entry: ModelEntry) -> ModelFacts {
        let known = self.catalog.find(&model.provider, &model.model).unwrap_or_default();
        let mut facts = ModelFacts { provider: model.provider, model: model.model, ..known };
        facts.context_tokens = entry.context_tokens.or(facts.context_tokens);
        facts.max_output_tokens = entry.max_output_tokens.or(facts.max_output_tokens);
        if let Some(price) = entry.price {
            facts.pricing = facts.pricing.with_overrides(self.resolve_price(price));
        }
        if let Some(keywords) = entry.supports {
            let known = Capability::ALL.map(Capability::name);
            for keyword in &keywords {
                if !facts.capabilities.parse_and_set(&keyword.value) {
                    self.report_unknown_keyword(keyword, &known, "capability");
                }
            }
        }
        if let Some(keywords) = entry.efforts {
            let known = ReasoningEffort::ALL.map(ReasoningEffort::as_str);
            facts.efforts =
                self.resolve_keywords(&keywords, &known, "effort", |keyword| keyword.parse().ok());
        }
        if let Some(keywords) = entry.refuses {
            let known = REJECTABLE_PARAMETERS.map(parameter_name);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            facts.rejected_parameters =
                self.resolve_keywords(&keywords, &known, "parameter", parse_parameter);
        }
        facts
    }

    fn resolve_price(&mut self, entry: PriceEntry) -> TokenPrices {
        TokenPrices {
            input: self.resolve_nano_dollars(entry.input),
            cached_input: self.resolve_nano_dollars(entry.cached_input),
            cache_write: self.resolve_nano_dollars(entry.cache_write),
            cache_write_1h: self.resolve_nano_dollars(entry.cache_write_1h),
            output: self.resolve_nano_dollars(entry.output),
            reasoning: None,
        }
    }

    fn resolve_nano_dollars(&mut self, usd: Option<Spanned<f64>>) -> Option<NanoDollars> {
        let usd = usd?;
        if !(0.0..1e6).contains(&usd.value) {
            let hint = "use USD per million tokens";
            self.report(format!("invalid price `{}`", usd.value), usd.span, hint);
            return None;
        }
        // Nine decimals are kept.
        let amount = NanoDollars::from_usd(usd.value)?;
        if amount == NanoDollars::ZERO && usd.value > 0.0 {
            // Rounding it to 0 would make the model look free.
            let hint = "use USD per million tokens, with up to nine decimal places";
            self.report(format!("invalid price `{}`: too small", usd.value), usd.span, hint);
            return None;
        }
        Some(amount)
    }

    pub(super) fn resolve_keywords<T>(
        &mut self,
        keywords: &[Spanned<String>],
        known: &[&str],
        kind: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut parsed = Vec::new();
        for keyword in keywords {
            match parse(&keyword.value) {
                Some(one) => parsed.push(one),
                None => self.report_unknown_keyword(keyword, known, kind),
            }
        }
        parsed
    }

    fn report_unknown_keyword(&mut self, keyword: &Spanned<String>, known: &[&str], kind: &str) {
        let hint = match find_closest(&keyword.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", known.join(", ")),
        };
        self.report(format!("unknown {kind} `{}`", keyword.value), keyword.span.clone(), hint);
    }
}
