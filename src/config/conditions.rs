//! `when`: the conditions under which a candidate is used.

use super::config_resolver::ConfigResolver;
use super::route_entry::WhenEntry;
use super::yaml::Spanned;
use crate::catalog::{Capability, Catalog};
use crate::chat::TokenCount;
use crate::provider::ModelRef;
use crate::route::CandidateConditions;

impl ConfigResolver {
    pub(super) fn resolve_conditions(&mut self, entry: WhenEntry) -> CandidateConditions {
        if let Some(max) = entry.max_input_tokens.as_ref().filter(|max| max.value == TokenCount::ZERO) {
            self.report("`max_input_tokens` must be at least 1", max.span.clone(), "use 1 or more");
        }
        if let (Some(min), Some(max)) = (&entry.min_input_tokens, &entry.max_input_tokens)
            && min.value > max.value
        {
            self.report(
                format!("no request matches: at least {} but at most {} tokens", min.value, max.value),
                min.span.clone(),
                "make `max_input_tokens` at least as large as `min_input_tokens`",
            );
        }
        let label = entry.label.map(|label| {
            if label.value.trim().is_empty() {
                self.report(
                    "empty label",
                    label.span.clone(),
                    "use the value that callers pass with `--label`",
                );
            }
            label.value.trim().to_owned()
        });
        CandidateConditions {
            max_input_tokens: entry.max_input_tokens.map(|max| max.value),
            min_input_tokens: entry.min_input_tokens.map(|min| min.value),
            label,
            tools: entry.tools,
            attachments: entry.attachments,
            schema: entry.schema,
        }
    }

    /// Reports a candidate whose condition requires something its model does not support.
    pub(super) fn check_can_be_tried(
        &mut self,
        model: &ModelRef,
        when: &CandidateConditions,
        condition: &Spanned<()>,
    ) {
        let Some(what) = find_unsupported_input(model, when, &self.catalog) else { return };
        self.report(
            format!("`{model}` does not support {what}, so this candidate would never be tried"),
            condition.span.clone(),
            "use another model, or change the condition",
        );
    }
}

fn find_unsupported_input(
    model: &ModelRef,
    when: &CandidateConditions,
    catalog: &Catalog,
) -> Option<&'static str> {
    if when.tools != Some(true) && when.attachments != Some(true) {
        return None;
    }
    let facts = catalog.find(&model.provider, &model.model)?;
    let lacks = |capability| facts.supports(capability) == Some(false);
    if when.tools == Some(true) && lacks(Capability::Tools) {
        return Some("tools");
    }
    let takes_no_attachments =
        lacks(Capability::Vision) && lacks(Capability::Pdf) && lacks(Capability::Audio);
    (when.attachments == Some(true) && takes_no_attachments).then_some("attachments")
}

/// Conditions met by the requests that meet both; `None` if there can be no such request.
pub(super) fn intersect(a: &CandidateConditions, b: &CandidateConditions) -> Option<CandidateConditions> {
    fn same<T: Clone + PartialEq>(a: Option<&T>, b: Option<&T>) -> Option<Option<T>> {
        match (a, b) {
            (Some(a), Some(b)) if a != b => None,
            (a, b) => Some(a.or(b).cloned()),
        }
    }
    let joined = CandidateConditions {
        max_input_tokens: a.max_input_tokens.into_iter().chain(b.max_input_tokens).min(),
        min_input_tokens: a.min_input_tokens.into_iter().chain(b.min_input_tokens).max(),
        label: same(a.label.as_ref(), b.label.as_ref())?,
        tools: same(a.tools.as_ref(), b.tools.as_ref())?,
        attachments: same(a.attachments.as_ref(), b.attachments.as_ref())?,
        schema: same(a.schema.as_ref(), b.schema.as_ref())?,
    };
    let empty =
        joined.max_input_tokens.is_some_and(|max| joined.min_input_tokens.unwrap_or(TokenCount::ZERO) > max);
    (!empty).then_some(joined)
}

/// Whether every request that meets `narrow` also meets `wide`.
pub(super) fn covers(wide: &CandidateConditions, narrow: &CandidateConditions) -> bool {
    fn implied<T: PartialEq>(wide: Option<&T>, narrow: Option<&T>) -> bool {
        wide.is_none() || wide == narrow
    }
    wide.max_input_tokens.is_none_or(|max| narrow.max_input_tokens.is_some_and(|other| other <= max))
        && wide.min_input_tokens.is_none_or(|min| narrow.min_input_tokens.is_some_and(|other| other >= min))
        && implied(wide.label.as_ref(), narrow.label.as_ref())
        && implied(wide.tools.as_ref(), narrow.tools.as_ref())
        && implied(wide.attachments.as_ref(), narrow.attachments.as_ref())
        && implied(wide.schema.as_ref(), narrow.schema.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions_with(
        max: Option<u64>,
        min: Option<u64>,
        label: Option<&str>,
        tools: Option<bool>,
    ) -> CandidateConditions {
        CandidateConditions {
            max_input_tokens: max.map(TokenCount::new),
            min_input_tokens: min.map(TokenCount::new),
            label: label.map(str::to_owned),
            tools,
            ..CandidateConditions::default()
        }
    }

    #[test]
    fn intersect_cases() {
        let a = conditions_with(Some(10), None, Some("x"), None);
        let b = conditions_with(Some(5), Some(2), None, Some(true));
        assert_eq!(intersect(&a, &b), Some(conditions_with(Some(5), Some(2), Some("x"), Some(true))));
        assert_eq!(intersect(&a, &CandidateConditions::default()), Some(a.clone()));
        assert_eq!(intersect(&a, &conditions_with(None, None, Some("y"), None)), None);
        assert_eq!(intersect(&a, &conditions_with(None, Some(11), None, None)), None);
        assert_eq!(intersect(&b, &conditions_with(None, None, None, Some(false))), None);
    }

    proptest::proptest! {
        /// The intersection is covered by both conditions.
        #[test]
        fn intersection_is_covered_by_both_conditions(a in conditions(), b in conditions()) {
            proptest::prop_assert!(covers(&a, &a) && covers(&CandidateConditions::default(), &a));
            proptest::prop_assert_eq!(intersect(&a, &b), intersect(&b, &a));
            if let Some(joined) = intersect(&a, &b) {
                proptest::prop_assert!(covers(&a, &joined) && covers(&b, &joined));
                proptest::prop_assert_eq!(covers(&a, &b), joined == b);
            }
        }
    }

    fn conditions() -> impl proptest::strategy::Strategy<Value = CandidateConditions> {
        use proptest::prelude::*;
        let tokens = || proptest::option::of((1u64..5).prop_map(TokenCount::new));
        let flag = || proptest::option::of(any::<bool>());
        (tokens(), tokens(), proptest::option::of("[ab]"), flag(), flag(), flag())
            .prop_map(|(max, min, label, tools, attachments, schema)| CandidateConditions {
                max_input_tokens: max,
                min_input_tokens: min,
                label,
                tools,
                attachments,
                schema,
            })
            .prop_filter("a condition that can hold", |when| {
                when.max_input_tokens
                    .is_none_or(|max| when.min_input_tokens.unwrap_or(TokenCount::ZERO) <= max)
            })
    }
}
