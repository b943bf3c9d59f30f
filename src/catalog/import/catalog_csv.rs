//! A CSV file with the catalog's own columns, as built in or as written by an update.

use super::super::csv_rows::{self, COLUMNS};
use super::{ImportError, ImportedCatalog, fill_from_catalog, is_csv_safe};
use crate::catalog::Catalog;

/// Columns may be in any order, and all but `provider` and `model` are optional.
pub(super) fn parse(
    text: &str,
    known: &dyn Fn(&str) -> bool,
    catalog: &Catalog,
) -> Result<ImportedCatalog, ImportError> {
    // Comments precede the header, as in the file that an update writes.
    let comments: usize = text.lines().take_while(|line| line.starts_with('#')).count();
    let body: usize = text.split_inclusive('\n').take(comments).map(str::len).sum();
    let line = |position: Option<&csv::Position>| {
        let own = position.map_or(1, csv::Position::line);
        format!("line {}", own.saturating_add(comments as u64))
    };
    let csv_error = |error: &csv::Error| ImportError::new(line(error.position()), error.to_string());
    let mut reader = csv::Reader::from_reader(&text.as_bytes()[body..]);
    let header = reader.headers().map_err(|error| csv_error(&error))?.clone();
    let header_line = line(None);
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        let columns = COLUMNS.join(", ");
        return Err(ImportError::new(
            header_line,
            format!("unknown column `{unknown}`: expected one of {columns}"),
        ));
    }
    if let Some(missing) = COLUMNS[..2].iter().find(|name| !header.iter().any(|have| have == **name)) {
        return Err(ImportError::new(header_line, format!("missing column `{missing}`")));
    }
    // A file with every column is complete; one with fewer keeps known values for the rest.
    let has_all_columns = COLUMNS.iter().all(|name| header.iter().any(|have| have == *name));
    let mut imported = ImportedCatalog::default();
    let mut seen = std::collections::HashSet::new();
    for record in reader.records() {
        let record = record.map_err(|error| csv_error(&error))?;
        let location = line(record.position());
        let field = |name: &&str| {
            let at = header.iter().position(|have| have == *name);
            at.and_then(|at| record.get(at)).unwrap_or_default()
        };
        let fields: Vec<&str> = COLUMNS.iter().map(field).collect();
        if let Some(text) = fields.iter().find(|text| text.contains([',', '"', '\n', '\r'])) {
            return Err(ImportError::new(
                location,
                format!("`{text}` contains a comma, a quote, or a line break"),
            ));
        }
        let facts =
            csv_rows::parse_row(&fields.join(",")).map_err(|why| ImportError::new(location.clone(), why))?;
        let facts = if has_all_columns { facts } else { fill_from_catalog(facts, catalog) };
        if !known(&facts.provider) {
            let message = format!("unknown provider `{}`", facts.provider);
            return Err(ImportError::new(location, message));
        }
        if !is_csv_safe(&facts) {
            return Err(ImportError::new(location, "a name contains unsupported characters"));
        }
        if !seen.insert((facts.provider.clone(), facts.model.clone())) {
            let message = format!("duplicate model `{}/{}`", facts.provider, facts.model);
            return Err(ImportError::new(location, message));
        }
        imported.models.push(facts);
    }
    if imported.models.is_empty() {
        return Err(ImportError::new("", "no models of a known provider"));
    }
    Ok(imported)
}
