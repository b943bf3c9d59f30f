//! A dialect lives in its folder: outside of it, only the places that CONTRIBUTING.md lists may name it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use slalom::dialect::Dialect;

/// Files that name a provider, a model family, or a cloud service with the same word as a dialect.
const HOMONYMS: &[(&str, &str)] = &[
    ("src/catalog/import/models_dev.rs", "names of providers in another catalog"),
    ("src/cli/check.rs", "an example with providers"),
    ("src/cli/compare.rs", "an example with providers"),
    ("src/cli/help.rs", "an example with providers"),
    ("src/cli/models.rs", "an example with providers"),
    ("src/dialect/bedrock/embedding.rs", "a family of embedding models that Bedrock hosts"),
    ("src/eval/graders/model_family.rs", "words in model names"),
    ("src/provider/model_ref.rs", "an example with a provider"),
    ("src/provider/signer/aws.rs", "an AWS service in a message"),
    ("src/provider/signer/sigv4.rs", "an AWS service"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The forms in which code may name a dialect: as text, as a module, as a type, and as a static.
fn word_forms(dialect: Dialect) -> [String; 4] {
    let name = dialect.as_str();
    let capitalize = |word: &str| word[..1].to_uppercase() + &word[1..];
    [
        name.to_owned(),
        name.replace('-', "_"),
        name.split('-').map(capitalize).collect(),
        name.replace('-', "_").to_uppercase(),
    ]
}

fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphabetic) && !after.is_some_and(char::is_lowercase)
    })
}

/// The files of the modules that a file declares for tests only.
fn test_modules(file: &Path, text: &str) -> Vec<PathBuf> {
    let parent = file.parent().unwrap();
    let folder =
        if file.file_name().unwrap() == "mod.rs" { parent.to_owned() } else { file.with_extension("") };
    let mut modules = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !(line.starts_with("#[cfg(") && line.contains("test")) {
            continue;
        }
        let Some(next) = lines.next() else { break };
        if let Some(path) = next.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            modules.push(parent.join(path));
        } else if let Some((_, name)) = next.strip_suffix(';').and_then(|line| line.split_once("mod ")) {
            modules.push(folder.join(format!("{name}.rs")));
        }
    }
    modules
}

/// The lines of code in `src`, with their files, without tests and comments.
fn code_lines() -> Vec<(String, String)> {
    let files: Vec<(PathBuf, String)> = files_below(&root().join("src"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    let tests: BTreeSet<PathBuf> = files.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let mut lines = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| !tests.contains(path)) {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.extend(code.map(|line| (name.clone(), line.trim().to_owned())));
    }
    lines
}

/// The lines outside its folder that name a dialect.
fn outside_lines(dialect: Dialect, lines: &[(String, String)]) -> Vec<(String, String)> {
    let forms = word_forms(dialect);
    let folder = format!("src/dialect/{}/", forms[1]);
    let names_it = |line: &str| forms.iter().any(|form| contains_word(line, form));
    lines.iter().filter(|(file, line)| !file.starts_with(&folder) && names_it(line)).cloned().collect()
}

#[test]
fn dialects_are_named_only_in_their_folder_and_the_table() {
    let lines = code_lines();
    let mut used = BTreeSet::new();
    for dialect in Dialect::all() {
        let [_, module, _, item] = word_forms(dialect);
        let allowed = [format!("mod {module};"), format!("&{module}::{item},")];
        let mut table = Vec::new();
        for (file, line) in outside_lines(dialect, &lines) {
            if HOMONYMS.iter().any(|(homonym, _)| *homonym == file) {
                used.insert(file);
            } else {
                assert_eq!(file, "src/dialect/mod.rs", "{dialect} is named in: {line}");
                table.push(line);
            }
        }
        assert_eq!(table, allowed, "{dialect}");
        assert!(root().join(format!("src/dialect/{module}/mod.rs")).is_file(), "{dialect}");
    }
    let listed: BTreeSet<String> = HOMONYMS.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(used, listed, "HOMONYMS lists a file that names no dialect");
}

/// The files in the first column of the table under a heading of CONTRIBUTING.md.
fn listed_files(heading: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let (_, section) = text.split_once(&format!("## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

#[test]
fn contributing_lists_every_file_of_a_new_dialect() {
    // Its example; another dialect would be listed in the same way.
    let dialect = Dialect::from_name("cohere").unwrap();
    let mut files: BTreeSet<String> = outside_lines(dialect, &code_lines())
        .into_iter()
        .map(|(file, _)| file)
        .filter(|file| !HOMONYMS.iter().any(|(homonym, _)| homonym == file))
        .collect();
    files.insert("src/dialect/cohere/".to_owned());
    for path in files_below(&root().join("src")) {
        let is_data = path.extension().is_some_and(|e| e == "json");
        let row = format!("\"dialect\": \"{dialect}\"");
        if is_data && fs::read_to_string(&path).unwrap().contains(&row) {
            files.insert(path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/"));
        }
    }
    assert_eq!(listed_files("How to add a dialect"), files);
}

#[test]
fn every_dialect_has_a_provider_and_a_simulated_provider() {
    let providers = slalom::provider::built_in_providers().unwrap();
    for dialect in Dialect::all() {
        for simulated in [false, true] {
            let serves = |provider: &&slalom::provider::Provider| {
                provider.simulated == simulated
                    && (provider.dialect == dialect
                        || provider.dialects.iter().any(|(other, _)| *other == dialect))
            };
            assert!(providers.iter().any(|row| serves(&row)), "{dialect}, simulated: {simulated}");
        }
    }
}

#[test]
fn words_are_found_in_every_form() {
    let dialect = Dialect::from_name("openai-chat").unwrap();
    assert_eq!(word_forms(dialect), ["openai-chat", "openai_chat", "OpenaiChat", "OPENAI_CHAT"]);
    assert!(contains_word("struct OpenaiChatDecoder;", "OpenaiChat"));
    assert!(contains_word("\"openai-chat\"", "openai-chat"));
    assert!(!contains_word("Openaichatter and xopenai-chat", "openai-chat"));
}
