//! Reads the needed parts of schema files; some would take minutes to parse completely.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

pub(super) enum SchemaSource {
    /// A JSON document and the JSON pointer to its schemas.
    Json(Value, &'static str),
    /// YAML text with its schemas indented by four spaces under `  schemas:`.
    Yaml(String),
}

impl SchemaSource {
    pub(super) fn from_json(path: &Path, pointer: &'static str) -> Self {
        Self::Json(serde_json::from_slice(&fs::read(path).unwrap()).unwrap(), pointer)
    }

    pub(super) fn from_yaml(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let mut text = String::new();
        if path.extension().is_some_and(|extension| extension == "gz") {
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        Self::Yaml(text)
    }

    /// A root of an SDK's schema: a type that is not in `$defs`.
    pub(super) fn sdk_root(&self, name: &str) -> Value {
        let Self::Json(file, _) = self else { panic!("not a JSON source") };
        file["roots"].get(name).unwrap_or_else(|| panic!("missing root {name}")).clone()
    }

    pub(super) fn schema(&self, name: &str) -> Value {
        match self {
            Self::Json(file, pointer) => file
                .pointer(pointer)
                .and_then(|schemas| schemas.get(name))
                .unwrap_or_else(|| panic!("missing schema {name}"))
                .clone(),
            Self::Yaml(text) => {
                let schemas = text.find("\n  schemas:\n").unwrap();
                yaml_block(&text[schemas + 1..], &format!("    {name}:"))
            }
        }
    }

    /// The value of the first `line` after the line `after`.
    pub(super) fn yaml_value_after(&self, after: &str, line: &str) -> Value {
        let Self::Yaml(text) = self else { panic!("not a YAML source") };
        yaml_block(&text[text.find(&format!("\n{after}\n")).unwrap() + 1..], line)
    }
}

/// The value of a key on its own line: all following lines that are indented deeper.
fn yaml_block(text: &str, line: &str) -> Value {
    let depth = line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|l| *l != line).skip(1);
    let deeper = |l: &&str| l.trim().is_empty() || l.len() - l.trim_start().len() > depth;
    // A list may have the same indentation as its key.
    let mut body: Vec<&str> = lines.by_ref().take_while(deeper).collect();
    body.push("");
    assert!(body.len() > 1, "missing value of `{}`", line.trim());
    // `y` is a coordinate here, but YAML 1.1 reads it as a boolean.
    serde_yaml::from_str(&body.join("\n").replace("- y\n", "- 'y'\n")).unwrap()
}
