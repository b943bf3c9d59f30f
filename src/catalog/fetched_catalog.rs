//! Catalog rows that the user fetched, with their date.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::Date;

use super::ModelFacts;
use super::csv_rows::{self, COLUMNS};

const FILE_HEADER_PREFIX: &str = "# slalom catalogue ";

/// Prices are likely to have changed after this many days.
const STALE_AFTER_DAYS: i32 = 90;

/// Fetched rows, which take precedence over older built-in ones. Parsed on lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedCatalog {
    date: Date,
    text: Arc<str>,
}

impl FetchedCatalog {
    pub fn new(date: Date, models: &[ModelFacts]) -> Self {
        let mut text = format!("{FILE_HEADER_PREFIX}{date}\n{}\n", COLUMNS.join(","));
        for facts in models {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", csv_rows::format_row(facts));
        }
        Self { date, text: text.into() }
    }

    /// Parses a file.
    ///
    /// # Errors
    /// A message if the header or a row is invalid.
    pub fn parse(text: String) -> Result<Self, String> {
        let mut lines = text.lines();
        let date = lines.next().and_then(|line| line.strip_prefix(FILE_HEADER_PREFIX)?.trim().parse().ok());
        let date = date.ok_or_else(|| format!("the first line must be `{FILE_HEADER_PREFIX}` and a date"))?;
        if lines.next() != Some(COLUMNS.join(",").as_str()) {
            return Err("the second line must list the columns of this version".to_owned());
        }
        csv_rows::check_rows(&text)?;
        Ok(Self { date, text: text.into() })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn date(&self) -> Date {
        self.date
    }

    pub(super) fn find(&self, provider: &str, model: &str) -> Option<ModelFacts> {
        csv_rows::find_model(&self.text, provider, model)
    }

    pub fn all(&self) -> impl Iterator<Item = ModelFacts> {
        csv_rows::all_models(&self.text)
    }
}

/// The age of a catalog in days; `None` if it is recent enough.
pub(crate) fn stale_age_days(date: Date, today: Date) -> Option<i32> {
    let days = today.since(date).ok()?.get_days();
    (days > STALE_AFTER_DAYS).then_some(days)
}

/// The state of a model relative to its retirement date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The date is unknown or more than 30 days away.
    Active,
    RetiringSoon,
    Retired,
}

const RETIRING_SOON_DAYS: i32 = 30;

impl ModelFacts {
    pub fn lifecycle_on(&self, today: Date) -> Lifecycle {
        let Some(end) = self.retirement_date else { return Lifecycle::Active };
        match end.since(today).map_or(i32::MAX, |span| span.get_days()) {
            days if days <= 0 => Lifecycle::Retired,
            days if days <= RETIRING_SOON_DAYS => Lifecycle::RetiringSoon,
            _ => Lifecycle::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn date_cases() {
        assert_eq!(stale_age_days(date(2026, 1, 1), date(2026, 4, 1)), None);
        assert_eq!(stale_age_days(date(2026, 1, 1), date(2026, 4, 2)), Some(91));
        assert_eq!(stale_age_days(date(2027, 1, 1), date(2026, 4, 2)), None);
        let model = ModelFacts { retirement_date: Some(date(2026, 11, 30)), ..ModelFacts::default() };
        for (today, expected) in [
            (date(2026, 10, 30), Lifecycle::Active),
            (date(2026, 10, 31), Lifecycle::RetiringSoon),
            (date(2026, 11, 29), Lifecycle::RetiringSoon),
            (date(2026, 11, 30), Lifecycle::Retired),
            (date(2027, 11, 30), Lifecycle::Retired),
        ] {
            assert_eq!(model.lifecycle_on(today), expected, "{today}");
        }
        assert_eq!(ModelFacts::default().lifecycle_on(date(2026, 1, 1)), Lifecycle::Active);
    }

    #[test]
    fn updated_file_round_trips() {
        let facts = ModelFacts { provider: "p".into(), model: "m".into(), ..ModelFacts::default() };
        let updated = FetchedCatalog::new(date(2026, 3, 4), std::slice::from_ref(&facts));
        let read = FetchedCatalog::parse(updated.text().to_owned()).unwrap();
        assert_eq!(
            (read.date(), read.find("p", "m"), read.all().count()),
            (date(2026, 3, 4), Some(facts), 1)
        );
        assert!(FetchedCatalog::parse("provider,model\n".into()).unwrap_err().contains("first line"));
        assert!(
            FetchedCatalog::parse(format!("{FILE_HEADER_PREFIX}2026-01-01\nprovider,model\n"))
                .unwrap_err()
                .contains("columns")
        );
        let invalid = format!("{}broken,row\n", updated.text());
        assert!(FetchedCatalog::parse(invalid).unwrap_err().starts_with("line 4: 2 fields"));
    }
}
