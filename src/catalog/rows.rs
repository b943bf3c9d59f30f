//! Rows of the catalogue: one line a model, fields without commas or quotes, so that one is found without reading all.

use super::decimal::nano_to_usd;
use super::facts::{parameter_of, parameter_word};
use super::{Capabilities, Mode, ModelFacts, Price, Pricing, Thinking, usd_to_nano};

/// The columns, in order.
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

/// The lines of rows, without the header and what stands above it.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip_while(|line| !line.starts_with("provider,")).skip(1)
}

/// The row of one model, found by how its line begins.
pub(super) fn find(text: &str, provider: &str, model: &str) -> Option<ModelFacts> {
    let of_it = |line: &&str| {
        let rest = line.strip_prefix(provider).and_then(|rest| rest.strip_prefix(','));
        rest.and_then(|rest| rest.strip_prefix(model)).is_some_and(|rest| rest.starts_with(','))
    };
    lines(text).find(of_it).and_then(|line| read(line).ok())
}

/// Reads a row.
///
/// # Errors
/// In words: which column holds what it cannot.
pub(super) fn read(line: &str) -> Result<ModelFacts, String> {
    let fields: Vec<&str> = line.split(',').collect();
    let fields: [&str; COLUMNS.len()] = fields
        .try_into()
        .map_err(|fields: Vec<&str>| format!("{} fields, where {} belong", fields.len(), COLUMNS.len()))?;
    let [
        provider,
        model,
        mode,
        context,
        most,
        prices @ ..,
        refuses,
        efforts,
        supports,
        thinking,
        deprecated,
        tiers,
    ] = fields;
    if provider.is_empty() || model.is_empty() {
        return Err("a row without a provider or a model".to_owned());
    }
    let mut capabilities = Capabilities::default();
    words(supports, "supports", |word| capabilities.set_word(word).then_some(()))?;
    Ok(ModelFacts {
        provider: provider.to_owned(),
        model: model.to_owned(),
        mode: one_of(mode, "mode", Mode::ALL, Mode::name)?.unwrap_or_default(),
        context_tokens: count(context, "context_tokens")?,
        max_output_tokens: count(most, "max_output_tokens")?,
        price: Pricing { base: price(prices, |at| COLUMNS[5 + at])?, tiers: read_tiers(tiers)? },
        refuses: words(refuses, "refuses", parameter_of)?,
        efforts: words(efforts, "efforts", |word| word.parse().ok())?,
        capabilities,
        thinking: one_of(thinking, "thinking", Thinking::ALL, Thinking::name)?,
        deprecated: date(deprecated)?,
    })
}

/// Writes a row.
pub(super) fn write(facts: &ModelFacts) -> String {
    let count = |tokens: Option<u64>| tokens.map(|n| n.to_string()).unwrap_or_default();
    let base = prices_of(&facts.price.base).map(|nano| nano.map(nano_to_usd).unwrap_or_default());
    let tiers = facts.price.tiers.iter().map(|(above, price)| {
        let prices = prices_of(price).map(|nano| nano.map_or_else(|| "-".to_owned(), nano_to_usd));
        format!("{above} {}", prices.join(" "))
    });
    let refuses: Vec<String> = facts.refuses.iter().map(|p| parameter_word(*p)).collect();
    let efforts: Vec<&str> = facts.efforts.iter().map(|e| e.name()).collect();
    [
        facts.provider.clone(),
        facts.model.clone(),
        facts.mode.name().to_owned(),
        count(facts.context_tokens),
        count(facts.max_output_tokens),
        base.join(","),
        refuses.join(" "),
        efforts.join(" "),
        facts.capabilities.words(),
        facts.thinking.map(Thinking::name).unwrap_or_default().to_owned(),
        facts.deprecated.clone().unwrap_or_default(),
        tiers.collect::<Vec<_>>().join(";"),
    ]
    .join(",")
}

fn prices_of(price: &Price) -> [Option<u64>; 6] {
    [price.input, price.cached_input, price.cache_write, price.cache_write_1h, price.output, price.reasoning]
}

/// Six prices as written; an empty one and `-` are unknown.
fn price(written: [&str; 6], column: impl Fn(usize) -> &'static str) -> Result<Price, String> {
    let mut nano = [None; 6];
    for (at, (nano, text)) in nano.iter_mut().zip(written).enumerate() {
        if !matches!(text, "" | "-") {
            *nano =
                Some(usd_to_nano(text).ok_or_else(|| format!("`{text}` under {} is no price", column(at)))?);
        }
    }
    let [input, cached_input, cache_write, cache_write_1h, output, reasoning] = nano;
    Ok(Price { input, cached_input, cache_write, cache_write_1h, output, reasoning })
}

/// `100000 0.5 0.05 0.625 - 2.5 -;…`: above so many input tokens these six prices, in the columns' order.
fn read_tiers(written: &str) -> Result<Vec<(u64, Price)>, String> {
    let mut tiers: Vec<(u64, Price)> = Vec::new();
    for tier in written.split(';').filter(|tier| !tier.is_empty()) {
        let wrong = || format!("`{tier}` under tiers is not a number of tokens and six prices, ascending");
        let fields: Vec<&str> = tier.split(' ').collect();
        let [above, prices @ ..]: [&str; 7] = fields.try_into().map_err(|_| wrong())?;
        let above = above.parse().map_err(|_| wrong())?;
        if tiers.last().is_some_and(|(before, _)| *before >= above) {
            return Err(wrong());
        }
        tiers.push((above, price(prices, |_| "tiers")?));
    }
    Ok(tiers)
}

fn count(text: &str, column: &str) -> Result<Option<u64>, String> {
    let read = || text.parse().map_err(|_| format!("`{text}` under {column} is no whole number"));
    if text.is_empty() { Ok(None) } else { read().map(Some) }
}

fn words<T>(text: &str, column: &str, mut read: impl FnMut(&str) -> Option<T>) -> Result<Vec<T>, String> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| read(word).ok_or_else(|| format!("`{word}` under {column} is no word known there")))
        .collect()
}

fn one_of<T: Copy, const N: usize>(
    text: &str,
    column: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let found = all.into_iter().find(|one| name(*one) == text);
    found.map(Some).ok_or_else(|| format!("`{text}` under {column} is no word known there"))
}

fn date(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| format!("`{text}` under deprecated is no date");
    text.parse::<jiff::civil::Date>().map_err(wrong)?;
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::SHIPPED;

    #[test]
    fn every_shipped_row_reads_and_writes_itself() {
        assert_eq!(SHIPPED.lines().next(), Some(COLUMNS.join(",").as_str()));
        let mut seen = std::collections::HashSet::new();
        for line in lines(SHIPPED) {
            let facts = read(line).unwrap_or_else(|why| panic!("{line}: {why}"));
            assert!(!line.contains('"'), "{line}");
            assert_eq!(write(&facts), line);
            assert!(seen.insert((facts.provider.clone(), facts.model.clone())), "twice: {line}");
            assert_eq!(find(SHIPPED, &facts.provider, &facts.model), Some(facts));
        }
        assert!(seen.len() > 2_000, "{}", seen.len());
    }

    #[test]
    fn a_wrong_row_says_what_is_wrong() {
        let row = |at: usize, value: &str| {
            let mut fields = vec![""; COLUMNS.len()];
            (fields[0], fields[1]) = ("p", "m");
            fields[at] = value;
            read(&fields.join(","))
        };
        for (at, value, said) in [
            (0, "", "without a provider"),
            (2, "chatty", "mode"),
            (3, "-1", "context_tokens"),
            (5, "1e3", "`1e3` under usd_input is no price"),
            (11, "temprature", "`temprature` under refuses"),
            (12, "huge", "efforts"),
            (13, "no-wings", "supports"),
            (14, "hard", "thinking"),
            (15, "2026-02-30", "no date"),
            (16, "5 1", "tiers"),
            (16, "9 1 1 1 1 1 1;5 1 1 1 1 1 1", "ascending"),
        ] {
            let why = row(at, value).unwrap_err();
            assert!(why.contains(said), "{value}: {why}");
        }
        assert!(read("a,b").unwrap_err().contains("2 fields"));
        assert!(row(16, "9 1 - - - 1 -").is_ok());
    }
}
