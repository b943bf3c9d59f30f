//! Rows that the user fetched, with their date.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::Date;

use super::rows::{self, COLUMNS};
use super::{CATALOG_DATE, ModelFacts};

/// What the first line of the file begins with.
const HEAD: &str = "# slalom catalogue ";

/// A catalogue is old after this many days: prices will have changed.
const OLD: i32 = 90;

/// Rows that stand before the shipped ones. They are read when a model is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    date: Date,
    text: Arc<str>,
}

impl Updated {
    /// These models as of that day.
    pub fn new(date: Date, models: &[ModelFacts]) -> Self {
        let mut text = format!("{HEAD}{date}\n{}\n", COLUMNS.join(","));
        for facts in models {
            // Building the text cannot fail: it is memory.
            let _ = writeln!(text, "{}", rows::write(facts));
        }
        Self { date, text: text.into() }
    }

    /// A file's text.
    ///
    /// # Errors
    /// In words, when it is not such a file. Its rows are not looked at yet.
    pub fn read(text: String) -> Result<Self, String> {
        let mut lines = text.lines();
        let date = lines.next().and_then(|line| line.strip_prefix(HEAD)?.trim().parse().ok());
        let date = date.ok_or_else(|| format!("its first line is not `{HEAD}` and a date"))?;
        if lines.next() != Some(COLUMNS.join(",").as_str()) {
            return Err("its second line does not name the columns of this version".to_owned());
        }
        Ok(Self { date, text: text.into() })
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The day of its rows.
    pub fn date(&self) -> Date {
        self.date
    }

    /// What it says of a model.
    pub(super) fn find(&self, provider: &str, model: &str) -> Option<ModelFacts> {
        rows::find(&self.text, provider, model)
    }

    /// All its models.
    pub fn all(&self) -> impl Iterator<Item = ModelFacts> {
        rows::lines(&self.text).filter_map(|line| rows::read(line).ok())
    }
}

/// How long a catalogue of that day is old, in days; `None` where it is not.
pub fn days_too_old(date: Date, today: Date) -> Option<i32> {
    let days = today.since(date).ok()?.get_days();
    (days > OLD).then_some(days)
}

/// The day of the shipped rows.
pub fn shipped_date() -> Date {
    // A test reads the constant.
    CATALOG_DATE.parse().unwrap_or_default()
}

/// How a model stands to the day from which its provider may stop serving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No such day is known, or it is far.
    Served,
    /// Within 30 days.
    Leaving,
    /// It has come.
    Past,
}

/// Days before the end in which a model is leaving.
const NOTICE: i32 = 30;

impl ModelFacts {
    /// How it stands on a day.
    pub fn standing(&self, today: Date) -> Standing {
        let Some(end) = self.deprecated.as_deref().and_then(|date| date.parse::<Date>().ok()) else {
            return Standing::Served;
        };
        match end.since(today).map_or(i32::MAX, |span| span.get_days()) {
            days if days <= 0 => Standing::Past,
            days if days <= NOTICE => Standing::Leaving,
            _ => Standing::Served,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_count() {
        assert_eq!(shipped_date().to_string(), CATALOG_DATE);
        assert_eq!(days_too_old(date(2026, 1, 1), date(2026, 4, 1)), None);
        assert_eq!(days_too_old(date(2026, 1, 1), date(2026, 4, 2)), Some(91));
        assert_eq!(days_too_old(date(2027, 1, 1), date(2026, 4, 2)), None);
        let model = ModelFacts { deprecated: Some("2026-11-30".into()), ..ModelFacts::default() };
        for (today, standing) in [
            (date(2026, 10, 30), Standing::Served),
            (date(2026, 10, 31), Standing::Leaving),
            (date(2026, 11, 29), Standing::Leaving),
            (date(2026, 11, 30), Standing::Past),
            (date(2027, 11, 30), Standing::Past),
        ] {
            assert_eq!(model.standing(today), standing, "{today}");
        }
        assert_eq!(ModelFacts::default().standing(date(2026, 1, 1)), Standing::Served);
    }

    #[test]
    fn writes_what_it_reads() {
        let facts = ModelFacts { provider: "p".into(), model: "m".into(), ..ModelFacts::default() };
        let updated = Updated::new(date(2026, 3, 4), std::slice::from_ref(&facts));
        let read = Updated::read(updated.text().to_owned()).unwrap();
        assert_eq!(
            (read.date(), read.find("p", "m"), read.all().count()),
            (date(2026, 3, 4), Some(facts), 1)
        );
        assert!(Updated::read("provider,model\n".into()).unwrap_err().contains("first line"));
        assert!(
            Updated::read(format!("{HEAD}2026-01-01\nprovider,model\n")).unwrap_err().contains("columns")
        );
    }
}
