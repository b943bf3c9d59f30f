//! Valid and invalid files of all three formats.

use super::*;
use crate::catalog::{Capability, FetchedCatalog, ReasoningControl};
use crate::chat::{NanoDollars, RequestParameter, TokenCount};

fn price(nano: u64) -> Option<NanoDollars> {
    Some(NanoDollars::new(nano))
}

fn import_text(text: &str) -> Result<ImportedCatalog, ImportError> {
    import_catalog(text, &|name| matches!(name, "openrouter" | "gemini" | "anthropic"), &Catalog::default())
}

const OPENROUTER_JSON: &str = r#"{"data":[
 {"id":"made-up/one","context_length":1000,"architecture":{"input_modalities":["text","image"]},
  "pricing":{"prompt":"0.000003","completion":"0.000015","input_cache_read":"3e-7","input_cache_write_1h":"0.000006",
   "overrides":[{"min_prompt_tokens":200000.0,"prompt":"0.000006","completion":"0.0000225"},
    {"min_prompt_tokens":200000,"utc_start":100,"utc_end":400,"prompt":"0.000001"},
    {"min_prompt_tokens":200000,"completion":"0.00003"},{"min_prompt_tokens":500000,"prompt":"0.000009"}]},
  "top_provider":{"max_completion_tokens":64},"supported_parameters":["tools","temperature"],"expiration_date":"2027-01-02"},
 {"id":"made-up/free","pricing":{"prompt":"0","completion":"0"}},
 {"id":"made-up/varies","pricing":{"prompt":"-1","completion":"-1"}},
 {"id":"made,up","pricing":{"prompt":"1","completion":"1"}}]}"#;

#[test]
fn openrouter_prices_are_exact() {
    let read = import_text(OPENROUTER_JSON).unwrap();
    assert_eq!((read.models.len(), read.skipped), (3, 1));
    let one = &read.models[0];
    assert_eq!(
        (one.context_tokens, one.max_output_tokens),
        (Some(TokenCount::new(1000)), Some(TokenCount::new(64)))
    );
    let base = one.pricing.base;
    assert_eq!((base.input, base.output), (price(3_000_000_000), price(15_000_000_000)));
    assert_eq!((base.cached_input, base.cache_write), (price(300_000_000), None));
    assert_eq!(base.cache_write_1h, price(6_000_000_000));
    assert_eq!(
        one.pricing.for_input_tokens(TokenCount::new(200_000)).input,
        price(3_000_000_000),
        "a tier applies above its bound"
    );
    let long = one.pricing.for_input_tokens(TokenCount::new(200_001));
    assert_eq!(
        (long.input, long.output),
        (price(6_000_000_000), price(30_000_000_000)),
        "the later one wins"
    );
    assert_eq!(long.cached_input, price(300_000_000), "missing prices are inherited");
    let longest = one.pricing.for_input_tokens(TokenCount::new(500_001));
    assert_eq!((longest.input, longest.output), (price(9_000_000_000), price(30_000_000_000)));
    assert_eq!(one.supports(Capability::Tools), Some(true));
    assert_eq!(one.supports(Capability::JsonSchema), Some(false));
    assert_eq!(one.supports(Capability::Prefill), None);
    assert_eq!(one.rejected_parameters, [RequestParameter::TopP]);
    assert_eq!(one.retirement_date, Some(jiff::civil::date(2027, 1, 2)));
    assert!(
        read.models[1..].iter().all(|m| m.pricing.base == TokenPrices::default()),
        "a zero price is unknown"
    );
}

#[test]
fn models_dev_keeps_known_facts() {
    let text = r#"{"google":{"models":{"gemini-3.8-flash":{"reasoning":true,"tool_call":true,"temperature":true,
        "limit":{"context":7,"output":0},"cost":{"input":0.75,"output":3.75}}}},
        "anthropic":{"models":{"claude-sonnet-4-5":{"cost":{"input":4,"output":20,"cache_read":0.4,
        "context_over_200k":{"input":8,"output":30}}}}},"unknown":{"models":{"x":{}}}}"#;
    let read = import_text(text).unwrap();
    assert_eq!((read.models.len(), read.skipped), (2, 1));
    let [claude, gemini] = &read.models[..] else { panic!("two models") };
    assert_eq!(gemini.context_tokens, Some(TokenCount::new(7)));
    assert_eq!(gemini.reasoning_control, Some(ReasoningControl::Level), "from the catalog");
    assert_eq!(
        gemini.rejected_parameters,
        [RequestParameter::Temperature, RequestParameter::TopP],
        "from the catalog"
    );
    assert_eq!(
        gemini.pricing.base.cached_input,
        price(75_000_000),
        "from the catalog: the price is unchanged"
    );
    assert_eq!(claude.pricing.base.cache_write, None, "the price changed, so missing parts are unknown");
    assert_eq!(claude.pricing.for_input_tokens(TokenCount::new(200_001)).input, price(8_000_000_000));
}

#[test]
fn own_csv_format_is_imported() {
    let text = "# a comment\nmodel,provider,usd_input,usd_output\nm,gemini,0.1,0.4\n\"quoted\",gemini,,\n";
    let read = import_text(text).unwrap();
    assert_eq!((read.models.len(), read.skipped), (2, 0));
    assert_eq!(read.models[0].pricing.base.output, price(400_000_000));
    let shipped = import_catalog(crate::catalog::BUILT_IN_CSV, &|_| true, &Catalog::default()).unwrap();
    assert_eq!(shipped.models, Catalog::default().all());
    for models in [read.models, shipped.models] {
        let saved = FetchedCatalog::new(jiff::civil::date(2027, 1, 2), &models);
        assert_eq!(FetchedCatalog::parse(saved.text().to_owned()), Ok(saved));
    }
}

#[test]
fn error_location_cases() {
    for (text, expected) in [
        ("", "missing column `provider`"),
        ("provider,model,usd_imput\n", "unknown column `usd_imput`"),
        ("# two\n# lines\nprovider\nx\n", "line 3: missing column `model`"),
        ("provider,model,usd_input\ngemini,m,0.1\ngemini,n,cheap\n", "line 3: invalid price `cheap`"),
        ("provider,model\ngemini,m\ngemini,m\n", "line 3: duplicate model `gemini/m`"),
        ("provider,model\ngemini\n", "line 2"),
        ("# one\nprovider,model,usd_input\ngemini,m,0.1\ngemini,n,-1\n", "line 4: invalid price `-1`"),
        ("provider,model\ngemini,\"a,b\"\n", "line 2: `a,b` contains a comma"),
        ("provider,model\ngemini,m\nunknown,m\n", "line 3: unknown provider `unknown`"),
        ("provider,model\ngemini,a#b\n", "line 2: a name contains"),
        ("provider,model\n", "no models of a known provider"),
        (
            "provider,model,usd_cached_input\ngemini,m,cheap\n",
            "invalid price `cheap` in column usd_cached_input",
        ),
        ("{", "line 1"),
        ("{\"data\": 5}", "data"),
        (
            "{\"data\":[{\"id\":\"a\",\"pricing\":{\"prompt\":\"cheap\"}}]}",
            "`data[0].pricing.prompt`: invalid price `cheap`",
        ),
        ("{\"data\":[{\"id\":\"a\"}]}", "data[0]"),
        ("{\"data\":[]}", "no models of a known provider"),
        ("{\"gemini\":{\"models\":{\"m\":{\"cost\":{\"input\":[]}}}}}", "`gemini.models.m.cost.input`"),
        ("{\"gemini\":[]}", "gemini"),
    ] {
        let error = import_text(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn catalog_changes_are_listed() {
    let mut models = Catalog::default().all();
    models.retain(|facts| facts.provider == "deepseek");
    let gone = models.pop().unwrap();
    models[0].pricing.base.input = price(1);
    models.push(ModelFacts { provider: "deepseek".into(), model: "zzz".into(), ..ModelFacts::default() });
    let changes = diff_catalog(&Catalog::default(), &models);
    assert_eq!(changes.len(), 3);
    assert!(changes.contains(&("deepseek".into(), gone.model, CatalogChange::Unlisted)));
    assert!(changes.contains(&("deepseek".into(), "zzz".into(), CatalogChange::Added([None, None]))));
    assert!(
        changes
            .iter()
            .any(|(_, _, change)| matches!(change, CatalogChange::PriceChanged { after: [after, _], .. } if *after == price(1)))
    );
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC*", cut in 0..OPENROUTER_JSON.len()) {
        let _ = import_text(&text);
        let _ = import_text(&format!("{{{text}"));
        let _ = import_text(&format!("provider,model,tiers,usd_input\ngemini,m,{text},\n"));
        let _ = import_text(&OPENROUTER_JSON[..cut]);
    }
}
