//! Assertions, from one-key maps to checks.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::diagnostic::{Problem, nearest};
use super::yaml::{Located, ScalarOrMap};
use crate::eval::{Assertion, Check, Comparison, Kind, PathTest, Place, Quantity, Tolerance, numbers_in};

/// An assertion as it is written: `- is-json`, `- contains: Paris`, `- contains: {value: Paris, weight: 2}`.
#[derive(Clone, Debug)]
pub(super) struct AssertionEntry {
    name: String,
    argument: Value,
    /// The name's place, which an error underlines.
    span: Option<Range<usize>>,
}

impl<'de> Deserialize<'de> for AssertionEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let item = Located::<ScalarOrMap>::deserialize(deserializer)?;
        let ScalarOrMap { name, argument } = item.value;
        Ok(Self {
            name: name.value,
            argument: argument.map_or(Value::Null, |a| a.value),
            span: name.span.or(item.span),
        })
    }
}

impl AssertionEntry {
    /// The assertion of a column `assert:NAME`.
    pub(super) fn of_column(name: &str, argument: Value) -> Self {
        Self { name: name.to_owned(), argument, span: None }
    }
}

/// Every assertion, without `not-`, with an example of it and the options that it takes beside `weight` and `kind`.
const ASSERTIONS: [(&str, &str, &str); 19] = [
    ("equals", "equals: Paris", "value"),
    ("iequals", "iequals: paris", "value"),
    ("contains", "contains: Paris", "value"),
    ("icontains", "icontains: paris", "value"),
    ("contains-all", "contains-all: [Paris, France]", "value"),
    ("contains-any", "contains-any: [Paris, Lutetia]", "value"),
    ("icontains-all", "icontains-all: [paris, france]", "value"),
    ("icontains-any", "icontains-any: [paris, lutetia]", "value"),
    ("starts-with", "starts-with: 'Yes'", "value"),
    ("ends-with", "ends-with: Paris.", "value"),
    ("regex", "regex: '\\d{4}'", "value"),
    ("word-count", "word-count: {min: 1, max: 50}", "min max"),
    ("is-json", "is-json", "value"),
    ("json-schema", "json-schema: schema.json", "value schema"),
    ("json-path", "json-path: {path: $.city, equals: Paris}", "path value equals matches exists"),
    ("choice", "choice: {options: [low, high], equals: high}", "options equals"),
    ("numeric", "numeric: {equals: 42, tolerance: 1%}", "equals value tolerance"),
    ("latency", "latency: {max_ms: 2000}", "max_ms value"),
    ("cost", "cost: {max_usd: 0.01}", "max_usd value"),
];

/// Builds an assertion, and what identifies it: file contents, not paths.
///
/// # Errors
/// What is wrong with it, at its name.
pub(super) fn build(
    entry: &AssertionEntry,
    reference: Option<&str>,
    folder: &Path,
) -> Result<(Assertion, Value), Problem> {
    let (negated, plain) = match entry.name.strip_prefix("not-") {
        Some(rest) => (true, rest),
        None => (false, entry.name.as_str()),
    };
    let names = || ASSERTIONS.iter().map(|(name, _, _)| *name);
    let Some((_, example, options)) = ASSERTIONS.iter().find(|(name, _, _)| *name == plain) else {
        let hint = match nearest(plain, names()) {
            Some(near) => format!("did you mean `{}{near}`?", if negated { "not-" } else { "" }),
            None => format!(
                "the assertions are {}, each also with `not-` before it",
                names().collect::<Vec<_>>().join(", ")
            ),
        };
        return Err(Problem::new(format!("unknown assertion `{}`", entry.name), entry.span.clone(), hint));
    };
    let mut arguments = Arguments::new(&entry.argument);
    let about = |why: String| {
        let hint = format!("write it as for example `- {example}`");
        Problem::new(format!("`{}`: {why}", entry.name), entry.span.clone(), hint)
    };
    let built = (|| {
        // A misspelt option is why another one seems to be missing, so it is named first.
        arguments.only(options)?;
        let weight = arguments.number("weight")?.unwrap_or(1.0);
        if !(0.0..=1e6).contains(&weight) {
            return Err("`weight` must be between 0 and a million".to_owned());
        }
        let kind = match arguments.take("kind") {
            None => default_kind(plain),
            Some(Value::String(kind)) if kind == "format" => Kind::Format,
            Some(Value::String(kind)) if kind == "content" => Kind::Content,
            Some(_) => return Err("`kind` is `format` or `content`".to_owned()),
        };
        let (check, identity) = check(plain, &mut arguments, reference, folder)?;
        Ok((Assertion { name: entry.name.clone(), negated, check, weight, kind }, identity, weight))
    })();
    let (assertion, identity, weight) = built.map_err(about)?;
    Ok((assertion, json!([entry.name, identity, weight])))
}

fn default_kind(name: &str) -> Kind {
    match name {
        "is-json" | "json-schema" | "word-count" | "latency" | "cost" => Kind::Format,
        _ => Kind::Content,
    }
}

fn check(
    name: &str,
    arguments: &mut Arguments,
    reference: Option<&str>,
    folder: &Path,
) -> Result<(Check, Value), String> {
    let text = |place, ignore_case, all, needles: Vec<String>| {
        let identity = json!(needles);
        (Check::Text(Comparison { place, ignore_case, needles, all }), identity)
    };
    Ok(match name {
        "equals" => text(Place::Whole, false, true, vec![arguments.whole_or(reference)?]),
        "iequals" => text(Place::Whole, true, true, vec![arguments.whole_or(reference)?]),
        "contains" => text(Place::Anywhere, false, true, vec![arguments.text_or(reference)?]),
        "icontains" => text(Place::Anywhere, true, true, vec![arguments.text_or(reference)?]),
        "contains-all" => text(Place::Anywhere, false, true, arguments.list("value")?),
        "contains-any" => text(Place::Anywhere, false, false, arguments.list("value")?),
        "icontains-all" => text(Place::Anywhere, true, true, arguments.list("value")?),
        "icontains-any" => text(Place::Anywhere, true, false, arguments.list("value")?),
        "starts-with" => text(Place::Start, false, true, vec![arguments.text_or(reference)?]),
        "ends-with" => text(Place::End, false, true, vec![arguments.text_or(reference)?]),
        "regex" => {
            let written = arguments.text("value")?.ok_or("it needs an expression")?;
            let regex = regex(&written)?;
            if ["", "x", "7 \u{e4}\n"].iter().all(|probe| regex.is_match(probe)) {
                return Err(format!("the expression `{written}` is found in every answer"));
            }
            (Check::Regex(regex), json!(written))
        }
        "is-json" => {
            // `- is-json:` and `- is-json: true` say the same.
            match arguments.take("value") {
                None | Some(Value::Bool(true)) => {}
                Some(Value::String(text)) if text == "true" => {}
                Some(_) => return Err("it takes no argument; its opposite is `not-is-json`".into()),
            }
            (Check::IsJson, Value::Null)
        }
        "json-schema" => {
            let schema = match (arguments.take("schema"), arguments.take("value")) {
                (Some(schema), None) => schema,
                (None, Some(Value::String(path))) => read_schema(&folder.join(path))?,
                _ => return Err("it needs a path, or {schema: {…}}".into()),
            };
            let validator =
                jsonschema::validator_for(&schema).map_err(|e| format!("the schema is broken: {e}"))?;
            (Check::JsonSchema(Arc::new(validator)), schema)
        }
        "json-path" => json_path(arguments)?,
        "word-count" => {
            let (min, max) = (arguments.count("min")?, arguments.count("max")?);
            if min == Some(0) && max.is_none() {
                return Err("every answer has at least 0 words".into());
            }
            if min.is_none() && max.is_none() {
                return Err("it needs `min`, `max` or both".into());
            }
            if min.zip(max).is_some_and(|(min, max)| min > max) {
                return Err("`min` is larger than `max`".into());
            }
            (Check::WordCount { min, max }, json!([min, max]))
        }
        "choice" => {
            let options = arguments.list("options")?;
            let equals =
                arguments.text("equals")?.or(reference.map(|r| r.trim().trim_end_matches('.').to_owned()));
            let equals = equals.ok_or("it needs `equals`, or the case a reference")?;
            if !options.iter().any(|o| o.eq_ignore_ascii_case(&equals)) {
                return Err(format!("“{equals}” is none of its options"));
            }
            let identity = json!([options, equals]);
            (Check::Choice { options, equals }, identity)
        }
        "numeric" => numeric(arguments, reference)?,
        "latency" => at_most(arguments, "max_ms", Quantity::LatencyMilliseconds)?,
        _ => at_most(arguments, "max_usd", Quantity::CostUsd)?,
    })
}

fn json_path(arguments: &mut Arguments) -> Result<(Check, Value), String> {
    let written = match arguments.text("path")? {
        Some(path) => path,
        None => arguments.text("value")?.ok_or("it needs `path`")?,
    };
    let path = serde_json_path::JsonPath::parse(&written)
        .map_err(|e| format!("the path `{written}` is broken: {e}"))?;
    let tests = [arguments.take("equals"), arguments.take("matches"), arguments.take("exists")];
    let (test, identity) = match tests {
        [Some(value), None, None] => (PathTest::Equals(value.clone()), json!([written, "equals", value])),
        [None, Some(Value::String(m)), None] => {
            (PathTest::Matches(regex(&m)?), json!([written, "matches", m]))
        }
        [None, None, Some(Value::Bool(e))] => (PathTest::Exists(e), json!([written, "exists", e])),
        [None, None, None] => (PathTest::Exists(true), json!([written, "exists", true])),
        _ => {
            return Err(
                "it takes one of `equals`, `matches` (an expression) and `exists` (true or false)".into()
            );
        }
    };
    Ok((Check::JsonPath(path, test), identity))
}

fn numeric(arguments: &mut Arguments, reference: Option<&str>) -> Result<(Check, Value), String> {
    let equals = match arguments.number("equals")?.or(arguments.number("value")?) {
        Some(number) => number,
        None => {
            let from = reference.map(numbers_in).and_then(|n| n.last().copied());
            from.ok_or("it needs `equals`, or the case a reference with a number")?
        }
    };
    let tolerance = match arguments.take("tolerance") {
        None => Tolerance::Absolute(0.0),
        Some(Value::Number(by)) => Tolerance::Absolute(by.as_f64().unwrap_or(0.0)),
        Some(Value::String(share)) => {
            let percent = share.trim().strip_suffix('%').and_then(|p| p.trim().parse::<f64>().ok());
            Tolerance::Share(percent.ok_or("`tolerance` is a number, or a share as `1%`")? / 100.0)
        }
        Some(_) => return Err("`tolerance` is a number, or a share as `1%`".into()),
    };
    if let Tolerance::Absolute(by) | Tolerance::Share(by) = tolerance
        && !(by >= 0.0 && by.is_finite())
    {
        return Err("`tolerance` must not be negative".into());
    }
    Ok((Check::Numeric { equals, tolerance }, json!([equals, format!("{tolerance:?}")])))
}

fn at_most(arguments: &mut Arguments, name: &str, quantity: Quantity) -> Result<(Check, Value), String> {
    let limit =
        arguments.number(name)?.or(arguments.number("value")?).ok_or_else(|| format!("it needs `{name}`"))?;
    if limit < 0.0 {
        return Err(format!("`{name}` must not be negative"));
    }
    Ok((Check::AtMost(quantity, limit), json!([name, limit])))
}

fn regex(written: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(written).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("the expression `{written}` is broken: {last}")
    })
}

fn read_schema(path: &Path) -> Result<Value, String> {
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{} is not JSON: {e}", path.display()))
}

/// The options of an assertion. What is no map is its main argument, `value`.
struct Arguments(Map<String, Value>);

impl Arguments {
    fn new(argument: &Value) -> Self {
        match argument {
            Value::Null => Self(Map::new()),
            Value::Object(map) => Self(map.clone()),
            other => Self(Map::from_iter([("value".to_owned(), other.clone())])),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("`{name}` must be a text")),
        }
    }

    fn whole_or(&mut self, reference: Option<&str>) -> Result<String, String> {
        let text = self.text("value")?.or(reference.map(str::to_owned));
        text.ok_or_else(|| "it needs a text, or the case a reference".to_owned())
    }

    fn text_or(&mut self, reference: Option<&str>) -> Result<String, String> {
        let text = self.whole_or(reference)?;
        if text.trim().is_empty() { Err("an empty text is in every answer".into()) } else { Ok(text) }
    }

    fn number(&mut self, name: &str) -> Result<Option<f64>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(Value::String(text)) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Some(number)),
                _ => Err(format!("`{name}` must be a number")),
            },
            Some(_) => Err(format!("`{name}` must be a number")),
        }
    }

    fn count(&mut self, name: &str) -> Result<Option<usize>, String> {
        match self.number(name)? {
            None => Ok(None),
            Some(number) if number >= 0.0 && number.fract() == 0.0 && number < 1e9 => {
                Ok(Some(number as usize))
            }
            Some(_) => Err(format!("`{name}` must be a whole number")),
        }
    }

    fn list(&mut self, name: &str) -> Result<Vec<String>, String> {
        let items = match self.take(name) {
            Some(Value::Array(items)) if !items.is_empty() => items,
            _ => {
                return Err(format!(
                    "{} a list of texts",
                    if name == "value" { "it needs".into() } else { format!("`{name}` must be") }
                ));
            }
        };
        let text = |item: Value| match item {
            Value::String(text) if !text.is_empty() => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err("every item of its list must be a text that is not empty".to_owned()),
        };
        items.into_iter().map(text).collect()
    }

    fn only(&self, options: &str) -> Result<(), String> {
        let known =
            |key: &str| matches!(key, "weight" | "kind") || options.split(' ').any(|option| option == key);
        match self.0.keys().find(|key| !known(key)) {
            None => Ok(()),
            Some(key) => Err(format!("it has no option `{key}`")),
        }
    }
}
