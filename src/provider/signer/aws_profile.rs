//! The AWS profile files `~/.aws/credentials` and `~/.aws/config`.

use std::collections::HashMap;
use std::path::PathBuf;

use super::cloud_environment::{home_folder, read_if_file};
use crate::provider::Environment;

/// A profile, merged from both files.
#[derive(Clone, Debug, Default)]
pub(super) struct AwsProfile {
    pub(super) name: String,
    /// Whether the user selected it with a variable.
    pub(super) is_explicit: bool,
    /// Whether either file has a section for it.
    pub(super) is_found: bool,
    values: HashMap<String, String>,
}

impl AwsProfile {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// # Errors
/// A message if one of the files exists but cannot be read.
pub(super) fn load_profile(environment: &dyn Environment) -> Result<AwsProfile, String> {
    let set = |name: &str| environment.variable(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    let named = set("AWS_PROFILE").or_else(|| set("AWS_DEFAULT_PROFILE"));
    let mut profile = AwsProfile {
        is_explicit: named.is_some(),
        name: named.unwrap_or_else(|| "default".to_owned()),
        ..AwsProfile::default()
    };
    let text = |variable: &str, default_name: &str| -> Result<String, String> {
        let file = match set(variable) {
            Some(path) => match path.strip_prefix("~/") {
                Some(rest) => home_folder(environment).map(|home| home.join(rest)),
                None => Some(PathBuf::from(path)),
            },
            None => home_folder(environment).map(|home| home.join(".aws").join(default_name)),
        };
        // A missing file is an empty one.
        Ok(file.map(|file| read_if_file(&file)).transpose()?.flatten().unwrap_or_default())
    };
    let config = text("AWS_CONFIG_FILE", "config")?;
    let credentials = text("AWS_SHARED_CREDENTIALS_FILE", "credentials")?;
    let in_config = [format!("profile {}", profile.name), profile.name.clone()];
    // In the config file, only the default profile may omit the word `profile`.
    let names = if profile.name == "default" { &in_config[..] } else { &in_config[..1] };
    for (section, key, value) in parse_ini(&config) {
        if names.contains(&section) {
            profile.is_found = true;
            profile.values.extend(key.map(|key| (key, value)));
        }
    }
    for (section, key, value) in parse_ini(&credentials) {
        if section == profile.name {
            profile.is_found = true;
            profile.values.extend(key.map(|key| (key, value)));
        }
    }
    Ok(profile)
}

/// `None` if there is no region in the profile, or if a file cannot be read, which the search for credentials
/// reports.
pub(in crate::provider) fn profile_region(environment: &dyn Environment) -> Option<String> {
    load_profile(environment).ok()?.get("region").map(str::to_owned)
}

/// The section, key, and value of every entry, and an entry without a key for every section header.
fn parse_ini(text: &str) -> Vec<(String, Option<String>, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = name.0.split_whitespace().collect::<Vec<_>>().join(" ");
            found.push((section.clone(), None, String::new()));
        } else if let Some((key, value)) = line.split_once('=')
            // An indented line belongs to the key above it and is ignored.
            && !line.starts_with([' ', '\t'])
        {
            let value = value.split(" #").next().unwrap_or_default().trim();
            found.push((section.clone(), Some(key.trim().to_lowercase()), value.to_owned()));
        }
    }
    found
}

/// Splits a `credential_process` line into arguments. Only quotes and backslashes work as in a shell. `None`
/// for an empty line or an unclosed quote.
pub(super) fn split_command_line(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    // On Windows a backslash is part of a path.
    let escapes = !cfg!(windows);
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some('"') | None, '\\') if escapes => {
                let next = characters.next()?;
                let word = word.get_or_insert_default();
                if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (quote.is_none() && !words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_file_extends_config_profile() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".aws");
        std::fs::create_dir(&folder).unwrap();
        let config = "[default]\nregion = eu-west-1 # near\n[profile  work]\nregion=us-east-1\ns3 =\n  max = 9\n[other]\nregion = x\n";
        std::fs::write(folder.join("config"), config).unwrap();
        let credentials = "# mine\n[work]\naws_access_key_id = AKID\naws_secret_access_key=se=cret/+\n";
        std::fs::write(folder.join("credentials"), credentials).unwrap();
        let read = |name: Option<&'static str>| {
            load_profile(&|variable: &str| match variable {
                "HOME" => Some(home.path().display().to_string()),
                "AWS_PROFILE" => name.map(str::to_owned),
                _ => None,
            })
            .unwrap()
        };
        assert_eq!(read(None).get("region"), Some("eu-west-1"));
        let work = read(Some("work"));
        assert_eq!(
            (work.get("region"), work.get("aws_secret_access_key")),
            (Some("us-east-1"), Some("se=cret/+"))
        );
        assert_eq!(work.get("max"), None);
        assert!(!read(Some("other")).is_found && read(Some("other")).is_explicit);
    }

    #[test]
    fn unreadable_file_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let environment = |variable: &str| (variable == "HOME").then(|| home.path().display().to_string());
        assert!(!load_profile(&environment).unwrap().is_found);
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/config"), b"[default]\nregion = \xff\n").unwrap();
        let why = load_profile(&environment).unwrap_err();
        assert!(why.starts_with("cannot read ") && why.contains(".aws/config: "), "{why}");
        assert_eq!(profile_region(&environment), None);
    }

    #[test]
    fn command_line_split_cases() {
        let split = |line| split_command_line(line).unwrap_or_default();
        assert_eq!(split("a  b"), ["a", "b"]);
        assert_eq!(
            split(r#""/opt/my tool" --x '$HOME' "" a"b c"d"#),
            ["/opt/my tool", "--x", "$HOME", "", "ab cd"]
        );
        assert!(split_command_line("a 'b").is_none() && split_command_line("  ").is_none());
        #[cfg(unix)]
        assert_eq!(split(r#"a\ b "c\"d\e""#), ["a b", r#"c"d\e"#]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Quoted words survive unchanged, and no input panics.
        #[test]
        fn quoted_arguments_are_preserved(words in proptest::collection::vec("[^']{0,10}", 1..4), noise in ".{0,40}") {
            let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
            proptest::prop_assert_eq!(super::split_command_line(&line), Some(words));
            super::split_command_line(&noise);
            super::parse_ini(&noise);
        }
    }
}
