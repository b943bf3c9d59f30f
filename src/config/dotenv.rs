//! The `.env` file beside the `routes.yaml` in use. Only provider keys are read from it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::{Config, ConfigOrigin};
use crate::provider::built_in_providers;

const MAX_FILE_BYTES: u64 = 1 << 20;

#[derive(Clone, Default)]
pub(crate) struct DotEnv {
    values: HashMap<String, String>,
    /// Problems found. They never quote the content of a line.
    pub warnings: Vec<String>,
}

impl DotEnv {
    /// Loads the file beside a project's or an explicitly named `routes.yaml`. Takes the keys of built-in
    /// providers, and those of the file's own providers if it is trusted.
    pub(crate) fn load_beside(config: &Config) -> Self {
        let chosen = matches!(config.source_file.origin, ConfigOrigin::Project | ConfigOrigin::Explicit);
        let folder = config.source_file.path.as_ref().filter(|_| chosen).and_then(|path| path.parent());
        let Some(path) = folder.map(|folder| folder.join(".env")) else { return Self::default() };
        let text = match read_private_file(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return Self::default(),
            Err(warning) => return Self { warnings: vec![warning], ..Self::default() },
        };
        let built_in = match built_in_providers() {
            Ok(built_in) => built_in,
            Err(error) => {
                let warning = format!("ignoring {}: {error}", path.display());
                return Self { warnings: vec![warning], ..Self::default() };
            }
        };
        // The author of an untrusted file must not choose which variables the `.env` file sets.
        let own = config.providers.values().filter(|_| config.is_trusted).map(|p| &**p);
        let keys: HashSet<&str> = built_in.iter().chain(own).flat_map(|p| p.secret_variables()).collect();
        let (pairs, invalid) = parse_lines(&text);
        let warnings = invalid
            .into_iter()
            .map(|line| format!("{}, line {line}: expected NAME=VALUE; ignoring the line", path.display()));
        let mut values: HashMap<String, String> =
            pairs.into_iter().filter(|(name, _)| keys.contains(name.as_str())).collect();
        // An empty value counts as unset, and it also unsets an earlier value of the same name.
        values.retain(|_, value| !value.trim().is_empty());
        Self { values, warnings: warnings.collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The names of the loaded variables, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// `None` if the file does not exist.
fn read_private_file(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let path_text = path.display();
    // A symlink could point to any of the user's files.
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(None) };
    if !metadata.is_file() {
        return Err(format!("ignoring {path_text}: not a regular file"));
    }
    if is_accessible_to_others(&metadata) {
        return Err(format!("ignoring {path_text}: other users can access it; run `chmod 600 {path_text}`"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(format!("ignoring {path_text}: larger than {} MiB", MAX_FILE_BYTES >> 20));
    }
    std::fs::read(path).map(Some).map_err(|error| format!("cannot read {path_text}: {}", error.kind()))
}

#[cfg(unix)]
fn is_accessible_to_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o006 != 0
}

#[cfg(not(unix))]
fn is_accessible_to_others(_: &std::fs::Metadata) -> bool {
    false
}

/// Returns the pairs in order, so that the last one of a name wins, and the numbers of invalid lines.
fn parse_lines(text: &[u8]) -> (Vec<(String, String)>, Vec<usize>) {
    let (mut pairs, mut invalid) = (Vec::new(), Vec::new());
    for (n, line) in text.split(|byte| *byte == b'\n').enumerate() {
        // An invalid byte affects only its own line.
        let Ok(line) = std::str::from_utf8(line) else {
            invalid.push(n + 1);
            continue;
        };
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let pair = line
            .split_once('=')
            .and_then(|(name, value)| Some((parse_name(name)?, parse_value(value.trim())?)));
        match pair {
            Some(pair) => pairs.push(pair),
            None => invalid.push(n + 1),
        }
    }
    (pairs, invalid)
}

fn parse_name(text: &str) -> Option<String> {
    let name = text.trim();
    let is_word_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let has_valid_start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (has_valid_start && name.chars().all(is_word_char)).then(|| name.to_owned())
}

/// Single-quoted values are literal, double-quoted ones have escapes, and bare ones end at a comment.
fn parse_value(text: &str) -> Option<String> {
    let is_end = |rest: &str| rest.trim().is_empty() || rest.trim_start().starts_with('#');
    if let Some(rest) = text.strip_prefix('\'') {
        let (value, rest) = rest.split_once('\'')?;
        return is_end(rest).then(|| value.to_owned());
    }
    let Some(rest) = text.strip_prefix('"') else {
        let bare = if text.starts_with('#') { "" } else { text.split(" #").next().unwrap_or_default() };
        return Some(bare.trim().to_owned());
    };
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return is_end(characters.as_str()).then_some(value),
            '\\' => match characters.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse_lines;

    #[test]
    fn parse_lines_cases() {
        let text = "\u{feff}# mine\nA=1\n export B = two words # c\nC='#x' # y\nD=\"a\\\"b\\\\#\"\nE=\nF= # none\n\nG=a#b\n";
        let (pairs, invalid) = parse_lines(text.as_bytes());
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("A", "1"),
                ("B", "two words"),
                ("C", "#x"),
                ("D", "a\"b\\#"),
                ("E", ""),
                ("F", ""),
                ("G", "a#b")
            ]
        );
        assert!(invalid.is_empty());
        let (pairs, invalid) = parse_lines(b"sk-planted\n1A=x\nA='open\nB=\"x\" y\nC=ok\r\nD=\xff\n");
        assert_eq!((pairs, invalid), (vec![("C".to_owned(), "ok".to_owned())], vec![1, 2, 3, 4, 6]));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Quoted values round-trip, and no input makes the parser panic.
        #[test]
        fn quoted_values_round_trip(value in "[^\\n\\r]{0,20}", noise in ".{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let (pairs, invalid) = parse_lines(format!("A=\"{quoted}\" # c").as_bytes());
            proptest::prop_assert_eq!((pairs, invalid), (vec![("A".to_owned(), value)], vec![]));
            parse_lines(noise.as_bytes());
        }
    }
}
