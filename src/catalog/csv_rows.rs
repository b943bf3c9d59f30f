//! Rows of the catalog: one line per model, without commas or quotes in fields, so that one row can be found
//! without parsing the rest.

use jiff::civil::Date;

use super::decimal::format_usd_exact;
use super::model_facts::{parameter_name, parse_parameter};
use super::{Capabilities, ModelFacts, ModelMode, Pricing, ReasoningControl, TokenPrices, parse_usd};
use crate::chat::{NanoDollars, TokenCount};

pub(super) const COLUMNS: [&str; 17] = [
    "provider",
    "model",
    "mode",
    "context_tokens",
    "max_output_tokens",
    "usd_input",
    "usd_cached_input",
    "usd_cache_write",
    "usd_cache_write_1h",
    "usd_output",
    "usd_reasoning",
    "refuses",
    "efforts",
    "supports",
    "thinking",
    "deprecated",
    "tiers",
];

/// The lines after the header.
pub(super) fn data_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip_while(|line| !line.starts_with("provider,")).skip(1)
}

/// Finds a model's row by the start of its line.
pub(super) fn find_model(text: &str, provider: &str, model: &str) -> Option<ModelFacts> {
    let is_row = |line: &&str| {
        let rest = line.strip_prefix(provider).and_then(|rest| rest.strip_prefix(','));
        rest.and_then(|rest| rest.strip_prefix(model)).is_some_and(|rest| rest.starts_with(','))
    };
    data_lines(text).find(is_row).and_then(parse_checked_row)
}

pub(super) fn all_models(text: &str) -> impl Iterator<Item = ModelFacts> {
    data_lines(text).filter_map(parse_checked_row)
}

/// Checks every row.
///
/// # Errors
/// A message that names the first invalid line and its column.
pub(super) fn check_rows(text: &str) -> Result<(), String> {
    let header_lines = text.lines().count() - data_lines(text).count();
    for (index, line) in data_lines(text).enumerate() {
        parse_row(line).map_err(|why| format!("line {}: {why}", header_lines + index + 1))?;
    }
    Ok(())
}

/// A row that [`check_rows`] has accepted: when a fetched catalog is loaded, and in a test for the built-in
/// one. An invalid row would otherwise read as an unknown model.
fn parse_checked_row(line: &str) -> Option<ModelFacts> {
    parse_row(line).ok()
}

/// Parses a row.
///
/// # Errors
/// A message that names the column.
pub(super) fn parse_row(line: &str) -> Result<ModelFacts, String> {
    let fields: Vec<&str> = line.split(',').collect();
    let fields: [&str; COLUMNS.len()] = fields
        .try_into()
        .map_err(|fields: Vec<&str>| format!("{} fields, expected {}", fields.len(), COLUMNS.len()))?;
    let [
        provider,
        model,
        mode,
        context,
        max_output,
        prices @ ..,
        refuses,
        efforts,
        supports,
        thinking,
        deprecated,
        tiers,
    ] = fields;
    if provider.is_empty() || model.is_empty() {
        return Err("missing provider or model".to_owned());
    }
    let mut capabilities = Capabilities::default();
    parse_words(supports, "supports", |word| capabilities.parse_and_set(word).then_some(()))?;
    Ok(ModelFacts {
        provider: provider.to_owned(),
        model: model.to_owned(),
        mode: parse_choice(mode, "mode", ModelMode::ALL, ModelMode::name)?.unwrap_or_default(),
        context_tokens: parse_token_count(context, "context_tokens")?,
        max_output_tokens: parse_token_count(max_output, "max_output_tokens")?,
        pricing: Pricing { base: parse_prices(prices, |at| COLUMNS[5 + at])?, tiers: parse_tiers(tiers)? },
        rejected_parameters: parse_words(refuses, "refuses", parse_parameter)?,
        efforts: parse_words(efforts, "efforts", |word| word.parse().ok())?,
        capabilities,
        reasoning_control: parse_choice(thinking, "thinking", ReasoningControl::ALL, ReasoningControl::name)?,
        retirement_date: parse_date(deprecated)?,
    })
}

pub(super) fn format_row(facts: &ModelFacts) -> String {
    let count = |tokens: Option<TokenCount>| tokens.map(|n| n.to_string()).unwrap_or_default();
    let base = price_columns(&facts.pricing.base).map(|nano| nano.map(format_usd_exact).unwrap_or_default());
    let tiers = facts.pricing.tiers.iter().map(|(above, price)| {
        let prices = price_columns(price).map(|nano| nano.map_or_else(|| "-".to_owned(), format_usd_exact));
        format!("{above} {}", prices.join(" "))
    });
    let refuses: Vec<String> = facts.rejected_parameters.iter().map(|p| parameter_name(*p)).collect();
    let efforts: Vec<&str> = facts.efforts.iter().map(|e| e.as_str()).collect();
    [
        facts.provider.clone(),
        facts.model.clone(),
        facts.mode.name().to_owned(),
        count(facts.context_tokens),
        count(facts.max_output_tokens),
        base.join(","),
        refuses.join(" "),
        efforts.join(" "),
        facts.capabilities.to_csv_field(),
        facts.reasoning_control.map(ReasoningControl::name).unwrap_or_default().to_owned(),
        facts.retirement_date.map(|date| date.to_string()).unwrap_or_default(),
        tiers.collect::<Vec<_>>().join(";"),
    ]
    .join(",")
}

fn price_columns(price: &TokenPrices) -> [Option<NanoDollars>; 6] {
    [price.input, price.cached_input, price.cache_write, price.cache_write_1h, price.output, price.reasoning]
}

/// Six prices; an empty field and `-` are unknown.
fn parse_prices(written: [&str; 6], column: impl Fn(usize) -> &'static str) -> Result<TokenPrices, String> {
    let mut nano = [None; 6];
    for (at, (nano, text)) in nano.iter_mut().zip(written).enumerate() {
        if !matches!(text, "" | "-") {
            *nano = Some(
                parse_usd(text).ok_or_else(|| format!("invalid price `{text}` in column {}", column(at)))?,
            );
        }
    }
    let [input, cached_input, cache_write, cache_write_1h, output, reasoning] = nano;
    Ok(TokenPrices { input, cached_input, cache_write, cache_write_1h, output, reasoning })
}

/// `100000 0.5 0.05 0.625 - 2.5 -;…`: the number of input tokens above which these six prices apply, in
/// column order.
fn parse_tiers(written: &str) -> Result<Vec<(TokenCount, TokenPrices)>, String> {
    let mut tiers: Vec<(TokenCount, TokenPrices)> = Vec::new();
    for tier in written.split(';').filter(|tier| !tier.is_empty()) {
        let invalid = || {
            format!("invalid tier `{tier}`: expected a number of tokens and six prices, in ascending order")
        };
        let fields: Vec<&str> = tier.split(' ').collect();
        let [above, prices @ ..]: [&str; 7] = fields.try_into().map_err(|_| invalid())?;
        let above = above.parse().map(TokenCount::new).map_err(|_| invalid())?;
        if tiers.last().is_some_and(|(before, _)| *before >= above) {
            return Err(invalid());
        }
        tiers.push((above, parse_prices(prices, |_| "tiers")?));
    }
    Ok(tiers)
}

fn parse_token_count(text: &str, column: &str) -> Result<Option<TokenCount>, String> {
    let read = || text.parse().map_err(|_| format!("invalid integer `{text}` in column {column}"));
    if text.is_empty() { Ok(None) } else { read().map(TokenCount::new).map(Some) }
}

fn parse_words<T>(
    text: &str,
    column: &str,
    mut read: impl FnMut(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| read(word).ok_or_else(|| format!("unknown value `{word}` in column {column}")))
        .collect()
}

fn parse_choice<T: Copy, const N: usize>(
    text: &str,
    column: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let found = all.into_iter().find(|one| name(*one) == text);
    found.map(Some).ok_or_else(|| format!("unknown value `{text}` in column {column}"))
}

fn parse_date(text: &str) -> Result<Option<Date>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |_| format!("invalid date `{text}` in column deprecated");
    text.parse().map(Some).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::BUILT_IN_CSV;

    #[test]
    fn shipped_rows_round_trip() {
        assert_eq!(BUILT_IN_CSV.lines().next(), Some(COLUMNS.join(",").as_str()));
        check_rows(BUILT_IN_CSV).unwrap();
        let mut seen = std::collections::HashSet::new();
        for line in data_lines(BUILT_IN_CSV) {
            let facts = parse_row(line).unwrap_or_else(|why| panic!("{line}: {why}"));
            assert!(!line.contains('"'), "{line}");
            assert_eq!(format_row(&facts), line);
            assert!(seen.insert((facts.provider.clone(), facts.model.clone())), "duplicate: {line}");
            assert_eq!(find_model(BUILT_IN_CSV, &facts.provider, &facts.model), Some(facts));
        }
        assert!(seen.len() > 2_000, "{}", seen.len());
    }

    #[test]
    fn invalid_row_cases() {
        let row = |at: usize, value: &str| {
            let mut fields = vec![""; COLUMNS.len()];
            (fields[0], fields[1]) = ("p", "m");
            fields[at] = value;
            parse_row(&fields.join(","))
        };
        for (at, value, expected) in [
            (0, "", "missing provider"),
            (2, "chatty", "mode"),
            (3, "-1", "context_tokens"),
            (5, "1e3", "invalid price `1e3` in column usd_input"),
            (11, "temprature", "unknown value `temprature` in column refuses"),
            (12, "huge", "efforts"),
            (13, "no-wings", "supports"),
            (14, "hard", "thinking"),
            (15, "2026-02-30", "invalid date"),
            (16, "5 1", "invalid tier `5 1`"),
            (16, "9 1 1 1 1 1 1;5 1 1 1 1 1 1", "ascending"),
        ] {
            let why = row(at, value).unwrap_err();
            assert!(why.contains(expected), "{value}: {why}");
        }
        assert!(parse_row("a,b").unwrap_err().contains("2 fields"));
        assert!(row(16, "9 1 - - - 1 -").is_ok());
    }
}
