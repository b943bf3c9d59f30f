//! The `.env` file beside the `routes.yaml` in use: keys for providers, and nothing else of what it may hold.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::{Config, ConfigOrigin};
use crate::provider::built_in_providers;

/// A file may be this long, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What was read, and what could not be.
#[derive(Clone, Default)]
pub struct DotEnv {
    values: HashMap<String, String>,
    /// What is wrong, in words; never what a line holds.
    pub warnings: Vec<String>,
}

impl DotEnv {
    /// Reads the file beside a project's or a named `routes.yaml`, as far as it holds keys of built-in providers, and of
    /// the file's own where it is trusted.
    pub fn load_beside(config: &Config) -> Self {
        let chosen = matches!(config.source_file.origin, ConfigOrigin::Project | ConfigOrigin::Explicit);
        let folder = config.source_file.path.as_ref().filter(|_| chosen).and_then(|path| path.parent());
        let Some(path) = folder.map(|folder| folder.join(".env")) else { return Self::default() };
        let text = match read_private_file(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return Self::default(),
            Err(warning) => return Self { warnings: vec![warning], ..Self::default() },
        };
        let built_in = built_in_providers();
        // Whoever wrote an untrusted file must not choose which variables the file beside it sets.
        let own = config.providers.values().filter(|_| config.is_trusted).map(|p| &**p);
        let keys: HashSet<&str> = built_in.iter().chain(own).flat_map(|p| p.secret_variables()).collect();
        let (pairs, bad) = parse_lines(&text);
        let warnings = bad
            .into_iter()
            .map(|line| format!("{}, line {line} is not NAME=VALUE and was passed over", path.display()));
        let mut values: HashMap<String, String> =
            pairs.into_iter().filter(|(name, _)| keys.contains(name.as_str())).collect();
        // An empty one counts as unset, here as anywhere; it also takes back one of its name above it.
        values.retain(|_, value| !value.trim().is_empty());
        Self { values, warnings: warnings.collect() }
    }

    /// The value of a key's variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The variables that it gives, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// What the file holds; `None` where there is no file.
fn read_private_file(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let shown = path.display();
    // A link could lead to any file of the user's.
    let Ok(about) = std::fs::symlink_metadata(path) else { return Ok(None) };
    if !about.is_file() {
        return Err(format!("{shown} was not read: it is no regular file"));
    }
    if is_accessible_to_others(&about) {
        return Err(format!("{shown} was not read: others on this machine can; run `chmod 600 {shown}`"));
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(format!("{shown} was not read: it is larger than {} MiB", MAX_FILE_BYTES >> 20));
    }
    std::fs::read(path).map(Some).map_err(|error| format!("{shown} was not read: {}", error.kind()))
}

#[cfg(unix)]
fn is_accessible_to_others(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o006 != 0
}

#[cfg(not(unix))]
fn is_open(_: &std::fs::Metadata) -> bool {
    false
}

/// The pairs in a text, the last of a name last, and the numbers of the lines that are none.
fn parse_lines(text: &[u8]) -> (Vec<(String, String)>, Vec<usize>) {
    let (mut pairs, mut bad) = (Vec::new(), Vec::new());
    for (n, line) in text.split(|byte| *byte == b'\n').enumerate() {
        // A stray byte spoils its own line and no other.
        let Ok(line) = std::str::from_utf8(line) else {
            bad.push(n + 1);
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
            None => bad.push(n + 1),
        }
    }
    (pairs, bad)
}

fn parse_name(text: &str) -> Option<String> {
    let name = text.trim();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts && name.chars().all(word)).then(|| name.to_owned())
}

/// A value: in single quotes as it stands, in double quotes with escapes, bare up to a comment.
fn parse_value(text: &str) -> Option<String> {
    let ended = |rest: &str| rest.trim().is_empty() || rest.trim_start().starts_with('#');
    if let Some(rest) = text.strip_prefix('\'') {
        let (value, rest) = rest.split_once('\'')?;
        return ended(rest).then(|| value.to_owned());
    }
    let Some(rest) = text.strip_prefix('"') else {
        let bare = if text.starts_with('#') { "" } else { text.split(" #").next().unwrap_or_default() };
        return Some(bare.trim().to_owned());
    };
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return ended(characters.as_str()).then_some(value),
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
        let (pairs, bad) = parse_lines(text.as_bytes());
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
        assert!(bad.is_empty());
        let (pairs, bad) = parse_lines(b"sk-planted\n1A=x\nA='open\nB=\"x\" y\nC=ok\r\nD=\xff\n");
        assert_eq!((pairs, bad), (vec![("C".to_owned(), "ok".to_owned())], vec![1, 2, 3, 4, 6]));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// What is quoted comes back, and no text makes the parser panic.
        #[test]
        fn quoted_values_round_trip(value in "[^\\n\\r]{0,20}", noise in ".{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let (pairs, bad) = parse_lines(format!("A=\"{quoted}\" # c").as_bytes());
            proptest::prop_assert_eq!((pairs, bad), (vec![("A".to_owned(), value)], vec![]));
            parse_lines(noise.as_bytes());
        }
    }
}
