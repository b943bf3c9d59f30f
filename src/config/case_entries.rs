//! Case entries, from the set itself or from its CSV and JSONL files.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::assertions::AssertionEntry;
use super::diagnostic::Diagnostic;
use super::request_entry::RequestEntry;
use super::set_folder::SetFolder;
use super::yaml::Spanned;
use crate::eval::Digest;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseEntry {
    pub id: Spanned<String>,
    #[serde(default)]
    pub vars: Map<String, Value>,
    pub reference: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    pub cluster: Option<String>,
    /// Boxed, because few cases have one.
    pub request: Option<Box<RequestEntry>>,
    #[serde(default)]
    pub assert: Vec<AssertionEntry>,
}

#[derive(Clone, Debug)]
pub(super) enum CaseOrigin {
    /// In the set file, where diagnostics underline it.
    SetFile,
    /// On this line of another file.
    RowFile(Arc<str>, u64),
}

impl fmt::Display for CaseOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetFile => Ok(()),
            Self::RowFile(file, line) => write!(f, " ({file}, line {line})"),
        }
    }
}

/// Streams the cases of a CSV or JSONL file, because there may be too many for memory. Errors name the file
/// and line.
pub(super) fn load_case_rows(
    folder: &SetFolder,
    name: &str,
    take: &mut dyn FnMut(CaseEntry, CaseOrigin, u64),
) -> Result<(), Diagnostic> {
    let hint = "use a .csv file with a header line or a .jsonl file with one object per line (paths are relative to the set)";
    let wrong = |message: String| Diagnostic::new(message, None, hint);
    let path = folder.file(name).map_err(wrong)?;
    let unreadable = |error: io::Error| wrong(format!("cannot read {}: {error}", path.display()));
    let mut file = BufReader::new(File::open(&path).map_err(unreadable)?);
    if file.fill_buf().map_err(unreadable)?.starts_with("\u{feff}".as_bytes()) {
        file.consume('\u{feff}'.len_utf8());
    }
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let file_name: Arc<str> = name.into();
    let mut count = 0_usize;
    let mut row = |line: u64, row: CaseRow| {
        count += 1;
        let case = row_to_case(row, || format!("{stem}-{count}"))?;
        take(case, CaseOrigin::RowFile(Arc::clone(&file_name), line), line);
        Ok(())
    };
    let read = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => read_csv_rows(file, &mut row),
        Some("jsonl" | "ndjson") => read_jsonl_rows(file, &mut row),
        _ => return Err(wrong(format!("unsupported file type `{name}`: expected .csv or .jsonl"))),
    };
    read.map_err(|(line, error)| {
        let message = format!("{name}, line {line}: {}", error.message);
        Diagnostic::new(message, None, error.hint.unwrap_or_else(|| hint.to_owned()))
    })?;
    if count == 0 { Err(wrong(format!("no cases in `{name}`"))) } else { Ok(()) }
}

/// Case IDs by a prefix of their digest, to save memory in large sets.
#[derive(Default)]
pub(super) struct CaseIdSet(HashSet<u128>);

impl CaseIdSet {
    /// Adds the ID and returns whether it was already present.
    pub(super) fn mark_seen(&mut self, id: &str) -> bool {
        !self.0.insert(Digest::of([id]).prefix())
    }
}

/// The fields of a row, in order.
type CaseRow = Vec<(String, Value)>;

type RowHandler<'a> = &'a mut dyn FnMut(u64, CaseRow) -> Result<(), RowError>;

struct RowError {
    message: String,
    /// `None` if only the general hint about case files applies.
    hint: Option<String>,
}

impl RowError {
    /// `kind` is `column` or `field`.
    fn misspelled(kind: &str, name: &str, suggestion: &str) -> Self {
        let hint = Some(format!("did you mean `{suggestion}`?"));
        Self { message: format!("unknown {kind} `{name}`"), hint }
    }
}

impl<T: Into<String>> From<T> for RowError {
    fn from(message: T) -> Self {
        Self { message: message.into(), hint: None }
    }
}

/// The error is the line number and the reason.
type RowsResult = Result<(), (u64, RowError)>;

/// An object that keeps duplicate names, so that they can be reported.
struct OrderedFields(CaseRow);

impl<'de> Deserialize<'de> for OrderedFields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderedFieldsVisitor;
        impl<'de> serde::de::Visitor<'de> for OrderedFieldsVisitor {
            type Value = OrderedFields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<OrderedFields, A::Error> {
                let mut fields: CaseRow = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("duplicate field `{name}`")));
                    }
                    fields.push((name, value));
                }
                Ok(OrderedFields(fields))
            }
        }
        deserializer.deserialize_map(OrderedFieldsVisitor)
    }
}

fn read_csv_rows(mut file: impl BufRead, take: RowHandler<'_>) -> RowsResult {
    // The reader counts the `\n` of a CRLF header as part of the next line.
    let start = file.fill_buf().map_err(|error| (1, error.to_string().into()))?;
    let first = start.split(|byte| *byte == b'\n').next().filter(|first| first.len() < start.len());
    let offset = u64::from(first.is_some_and(|first| first.ends_with(b"\r")));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(file);
    let headers = reader.headers().map_err(|e| (1, e.to_string().into()))?.clone();
    if let [only] = headers.iter().collect::<Vec<_>>()[..]
        && let Some((_, name)) =
            [(';', "semicolons"), ('\t', "tabs")].into_iter().find(|(c, _)| only.contains(*c))
    {
        return Err((1, format!("columns are separated by {name}: a .csv file must use commas").into()));
    }
    let mut seen = HashSet::new();
    if let Some(duplicate) = headers.iter().find(|h| !seen.insert(*h)) {
        return Err((1, format!("duplicate column `{duplicate}`").into()));
    }
    let misspelled = headers.iter().find_map(|name| Some((name, suggest_column(name)?)));
    if let Some((name, suggestion)) = misspelled {
        return Err((1, RowError::misspelled("column", name, suggestion)));
    }
    for record in reader.records() {
        let line = |e: &csv::Error| e.position().map_or(0, |at| at.line() + offset);
        let record = record.map_err(|e| (line(&e), e.to_string().into()))?;
        let line = record.position().map_or(0, |at| at.line() + offset);
        let fields = headers.iter().zip(&record);
        let row = fields.map(|(name, value)| (name.to_owned(), Value::String(value.to_owned()))).collect();
        take(line, row).map_err(|why| (line, why))?;
    }
    Ok(())
}

fn read_jsonl_rows(file: impl BufRead, take: RowHandler<'_>) -> RowsResult {
    for (n, line) in (1..).zip(file.lines()) {
        let line = line.map_err(|error| (n, error.to_string().into()))?;
        if line.trim().is_empty() {
            continue;
        }
        let OrderedFields(row) =
            serde_json::from_str(&line).map_err(|error| (n, error.to_string().into()))?;
        take(n, row).map_err(|why| (n, why))?;
    }
    Ok(())
}

/// Known names set parts of the case, `assert:NAME` adds an assertion, and all others are variables.
fn row_to_case(row: CaseRow, default_id: impl FnOnce() -> String) -> Result<CaseEntry, RowError> {
    let mut case = CaseEntry {
        id: Spanned { value: String::new(), span: None },
        vars: Map::new(),
        reference: None,
        tags: Vec::new(),
        cluster: None,
        request: None,
        assert: Vec::new(),
    };
    for (name, value) in row {
        let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_blank = value.is_null() || value.as_str().is_some_and(str::is_empty);
        match name.as_str() {
            "id" if is_blank => return Err("empty `id`".into()),
            "id" => case.id.value = text(),
            "reference" => case.reference = (!value.is_null()).then(text),
            "tags" => case.tags = parse_tags(&value)?,
            "cluster" => case.cluster = (!is_blank).then(text),
            _ => match name.strip_prefix("assert:") {
                Some(_) if is_blank => {}
                Some(assertion) => {
                    case.assert.push(AssertionEntry::from_column(assertion, parse_cell(value)));
                }
                None => match suggest_column(&name) {
                    Some(suggestion) => {
                        return Err(RowError::misspelled("field", &name, suggestion));
                    }
                    None => drop(case.vars.insert(name, value)),
                },
            },
        }
    }
    if case.id.value.is_empty() {
        case.id.value = default_id();
    }
    Ok(case)
}

/// The column that a misspelled name probably meant. An assertion that silently became a variable would never
/// be checked.
fn suggest_column(name: &str) -> Option<&'static str> {
    let known = ["id", "reference", "tags", "cluster"];
    if known.contains(&name) || name.starts_with("assert:") {
        return None;
    }
    let lower = name.trim().to_lowercase();
    if let Some(suggestion) = known.into_iter().find(|known| *known == lower || is_typo_of(&lower, known)) {
        return Some(suggestion);
    }
    let first = lower.split(':').next().unwrap_or_default();
    let resembles_assert = strsim::jaro_winkler(first, "assert") > 0.85 || lower.contains(':');
    (resembles_assert || matches!(lower.as_str(), "vars" | "request" | "messages")).then_some("assert:NAME")
}

/// Whether a name has one letter too many, too few, or out of place. A substituted letter (`tabs`) or a
/// different first letter (`preference`) usually makes another word, and short names resemble too many words.
fn is_typo_of(name: &str, known: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let other_letter = name.len() == known.len() && sorted(name) != sorted(known) && known.len() < 7;
    known.len() > 3
        && name.chars().next() == known.chars().next()
        && !other_letter
        && strsim::osa_distance(name, known) == 1
}

/// Lists and maps in a column are JSON; everything else is text.
fn parse_cell(value: Value) -> Value {
    let parsed = value
        .as_str()
        .filter(|t| t.trim_start().starts_with(['[', '{']))
        .and_then(|t| serde_json::from_str(t).ok());
    parsed.unwrap_or(value)
}

fn parse_tags(value: &Value) -> Result<Vec<String>, String> {
    match parse_cell(value.clone()) {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => {
            Ok(text.split([',', ';', ' ']).filter(|w| !w.is_empty()).map(str::to_owned).collect())
        }
        Value::Array(items) => items
            .iter()
            .map(|i| i.as_str().map(str::to_owned).ok_or_else(|| "`tags` must be strings".to_owned()))
            .collect(),
        _ => Err("`tags` must be strings".into()),
    }
}
