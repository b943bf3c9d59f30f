//! A file in the shipped columns: what is shipped, and what an update writes.

use super::super::csv_rows::{self, COLUMNS};
use super::{ImportError, ImportedCatalog, fill_from_catalog, is_csv_safe};
use crate::catalog::Catalog;

/// Reads such a file; columns may stand in any order and be left out, but for `provider` and `model`.
pub(super) fn parse(
    text: &str,
    known: &dyn Fn(&str) -> bool,
    catalog: &Catalog,
) -> Result<ImportedCatalog, ImportError> {
    // Comments stand above the header, as in the file that an update writes.
    let comments: usize = text.lines().take_while(|line| line.starts_with('#')).count();
    let body: usize = text.split_inclusive('\n').take(comments).map(str::len).sum();
    let line = |position: Option<&csv::Position>| {
        let own = position.map_or(1, csv::Position::line);
        format!("line {}", own.saturating_add(comments as u64))
    };
    let wrong = |error: &csv::Error| ImportError::new(line(error.position()), error.to_string());
    let mut reader = csv::Reader::from_reader(&text.as_bytes()[body..]);
    let header = reader.headers().map_err(|error| wrong(&error))?.clone();
    let head = line(None);
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        let columns = COLUMNS.join(", ");
        return Err(ImportError::new(head, format!("`{unknown}` is no column; these are: {columns}")));
    }
    if let Some(missing) = COLUMNS[..2].iter().find(|name| !header.iter().any(|have| have == **name)) {
        return Err(ImportError::new(head, format!("the column `{missing}` is missing")));
    }
    // A file with every column says all there is to say; one with fewer leaves the rest as it is known.
    let whole = COLUMNS.iter().all(|name| header.iter().any(|have| have == *name));
    let mut imported = ImportedCatalog::default();
    let mut seen = std::collections::HashSet::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(&error))?;
        let place = line(record.position());
        let field = |name: &&str| {
            let at = header.iter().position(|have| have == *name);
            at.and_then(|at| record.get(at)).unwrap_or_default()
        };
        let fields: Vec<&str> = COLUMNS.iter().map(field).collect();
        if let Some(text) = fields.iter().find(|text| text.contains([',', '"', '\n', '\r'])) {
            return Err(ImportError::new(place, format!("`{text}` holds a comma, a quote or a line break")));
        }
        let facts =
            csv_rows::parse_row(&fields.join(",")).map_err(|why| ImportError::new(place.clone(), why))?;
        let facts = if whole { facts } else { fill_from_catalog(facts, catalog) };
        if !known(&facts.provider) {
            let message = format!("there is no provider `{}`", facts.provider);
            return Err(ImportError::new(place, message));
        }
        if !is_csv_safe(&facts) {
            return Err(ImportError::new(place, "a name holds what no row can hold"));
        }
        if !seen.insert((facts.provider.clone(), facts.model.clone())) {
            let message = format!("`{}/{}` stands here twice", facts.provider, facts.model);
            return Err(ImportError::new(place, message));
        }
        imported.models.push(facts);
    }
    if imported.models.is_empty() {
        return Err(ImportError::new("the whole file", "it holds no model of a provider that is known here"));
    }
    Ok(imported)
}
