//! The vendors' files, and of each no more than a request needs: the whole of some would take minutes to parse.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of the specs, which a user's clone does not have.
pub(super) fn specs_folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wire/specs");
    if folder.join("MANIFEST.md").is_file() {
        return Some(folder);
    }
    println!("skipped: the vendors' specs are not here");
    None
}

/// Where schemas are found by name.
pub(super) enum SchemaSource {
    /// A file of JSON, and where in it the schemas stand.
    Json(Value, &'static str),
    /// A text of YAML whose schemas stand four spaces deep below `  schemas:`.
    Yaml(String),
}

impl SchemaSource {
    pub(super) fn from_json(path: &Path, place: &'static str) -> Self {
        Self::Json(serde_json::from_slice(&fs::read(path).unwrap()).unwrap(), place)
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

    /// The schema of that name.
    pub(super) fn schema(&self, name: &str) -> Value {
        match self {
            Self::Json(file, place) => file
                .pointer(place)
                .and_then(|schemas| schemas.get(name))
                .unwrap_or_else(|| panic!("no {name}"))
                .clone(),
            Self::Yaml(text) => {
                let schemas = text.find("\n  schemas:\n").unwrap();
                yaml_block(&text[schemas + 1..], &format!("    {name}:"))
            }
        }
    }

    /// What stands below a line of YAML, the first after a certain other line.
    pub(super) fn yaml_value_after(&self, after: &str, line: &str) -> Value {
        let Self::Yaml(text) = self else { panic!("no YAML") };
        yaml_block(&text[text.find(&format!("\n{after}\n")).unwrap() + 1..], line)
    }
}

/// The value of a key that has a line of its own: all lines below that are deeper.
fn yaml_block(text: &str, line: &str) -> Value {
    let depth = line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|l| *l != line).skip(1);
    let deeper = |l: &&str| l.trim().is_empty() || l.len() - l.trim_start().len() > depth;
    // A list may stand as deep as its key.
    let mut body: Vec<&str> = lines.by_ref().take_while(deeper).collect();
    body.push("");
    assert!(body.len() > 1, "no `{}`", line.trim());
    // A coordinate, not the yes of older YAML.
    serde_yaml::from_str(&body.join("\n").replace("- y\n", "- 'y'\n")).unwrap()
}
