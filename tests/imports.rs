//! Rules about imports in src/: layers, cycles, pure modules, and SQLite; and the limit on the length of files.

mod import_graph;
mod rust_source;

use std::fs;
use std::path::{Path, PathBuf};

use import_graph::ImportGraph;
use rust_source::RustSource;

/// Each module with the modules it may import.
const ALLOWED_IMPORTS: &[(&str, &[&str])] = &[
    ("chat", &[]),
    ("dialect", &["chat"]),
    ("catalog", &["chat"]),
    ("http_server", &["chat", "dialect"]),
    ("sim", &["chat", "dialect", "http_server"]),
    ("provider", &["chat", "dialect", "catalog"]),
    ("route", &["chat", "dialect", "catalog", "provider"]),
    ("eval", &["chat", "dialect", "catalog", "provider", "route"]),
    ("ledger", &["chat", "route", "eval"]),
    ("view", &["chat", "dialect", "catalog", "provider", "route", "eval"]),
    ("config", &["chat", "dialect", "catalog", "provider", "route", "eval"]),
    ("cli", &[]),
    (
        "command",
        &[
            "chat",
            "dialect",
            "catalog",
            "provider",
            "ledger",
            "route",
            "eval",
            "view",
            "config",
            "cli",
            "sim",
            "http_server",
        ],
    ),
];

/// A type and its methods may share a small cycle of files; in a larger one, no file can be read alone.
const MAX_CYCLE_FILES: usize = 3;

/// Modules without I/O, async runtime, environment, or clock.
const PURE_MODULES: [&str; 3] = ["chat", "dialect", "catalog"];

/// What a pure module may not name, as consecutive segments of a path.
const IMPURE_PATHS: &[&[&str]] = &[
    &["tokio"],
    &["reqwest"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["thread", "sleep"],
    &["Instant"],
    &["SystemTime"],
    &["Timestamp", "now"],
    &["Zoned", "now"],
    &["std", "*"],
    &["time", "*"],
];

struct SourceFile {
    /// Relative to `src`, with `/` as separator.
    path: String,
    text: String,
}

fn source_files() -> Vec<SourceFile> {
    let root =
        std::env::var("ROOT").map(PathBuf::from).unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut found = Vec::new();
    collect_rust_files(&root, &mut found);
    let file = |path: PathBuf| SourceFile {
        path: path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"),
        text: fs::read_to_string(&path).unwrap(),
    };
    found.into_iter().map(file).collect()
}

fn collect_rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

impl SourceFile {
    /// The first component of the path, without `.rs`.
    fn top_module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn is_test_file(&self) -> bool {
        self.path.ends_with("tests.rs")
    }
}

#[test]
fn modules_depend_only_on_lower_layers() {
    let mut wrong = Vec::new();
    for file in source_files().iter().filter(|file| file.path.contains('/')) {
        let module = file.top_module();
        // Tests of routing use a real ledger.
        let is_test_code = file.is_test_file() || file.path.ends_with("/route_fixture.rs");
        let Some((_, allowed)) = ALLOWED_IMPORTS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{module} is missing from ALLOWED_IMPORTS"));
            continue;
        };
        for path in RustSource::new(&file.text).paths() {
            let [root, imported, ..] = path.segments.as_slice() else { continue };
            let is_module = root == "crate" && ALLOWED_IMPORTS.iter().any(|(name, _)| name == imported);
            let is_allowed = allowed.contains(&imported.as_str()) || is_test_code && imported == "ledger";
            if is_module && imported != module && !is_allowed {
                wrong.push(format!("{}:{}: crate::{imported}", file.path, path.line));
            }
        }
    }
    assert!(wrong.is_empty(), "imports of a higher layer:\n{}", wrong.join("\n"));
}

#[test]
fn import_cycles_have_at_most_three_files() {
    let files = source_files();
    // src/main.rs is another crate.
    let graph = ImportGraph::new(
        files
            .iter()
            .filter(|file| !file.is_test_file() && file.path != "main.rs")
            .map(|file| (file.path.as_str(), file.text.as_str())),
    );
    let cycles = graph.cycles();
    let long = cycles.iter().filter(|cycle| cycle.len() > MAX_CYCLE_FILES);
    let described: Vec<String> = long.map(|cycle| graph.describe_cycle(cycle)).collect();
    assert!(described.is_empty(), "{}", described.join("\n"));
}

/// The lines of a file with a path that a pure module may not name.
fn impure_lines(text: &str) -> Vec<(usize, String)> {
    let names = |segments: &[String]| {
        IMPURE_PATHS.iter().any(|impure| segments.windows(impure.len()).any(|window| window == *impure))
    };
    let paths = RustSource::new(text).without_test_modules().paths();
    let impure = paths.into_iter().filter(|path| names(&path.segments));
    impure.map(|path| (path.line, path.segments.join("::"))).collect()
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    let mut wrong = Vec::new();
    for file in source_files() {
        if PURE_MODULES.contains(&file.top_module()) && !file.is_test_file() {
            let lines = impure_lines(&file.text);
            wrong.extend(lines.into_iter().map(|(line, path)| format!("src/{}:{line}: {path}", file.path)));
        }
    }
    assert!(wrong.is_empty(), "I/O, clock, or environment in a pure module:\n{}", wrong.join("\n"));
}

#[test]
fn impure_paths_are_found() {
    let impure = |text: &str| impure_lines(text).into_iter().map(|(_, path)| path).collect::<Vec<_>>();
    assert_eq!(
        impure("use std::{collections::BTreeMap, fs::File, time::{Duration, Instant}};\nuse tokio;"),
        ["std::fs::File", "std::time::Instant", "tokio"]
    );
    assert_eq!(
        impure("fn f() { jiff::Timestamp::now(); Zoned::now(); time::SystemTime::now(); }"),
        ["jiff::Timestamp::now", "Zoned::now", "time::SystemTime::now"]
    );
    assert_eq!(impure_lines("\nuse std::thread;"), [(2, "std::thread".to_owned())]);
    assert!(
        impure("use jiff::Timestamp;\n// use std::fs;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}")
            .is_empty()
    );
}

#[test]
fn only_the_ledger_names_sqlite() {
    let mut wrong = Vec::new();
    for file in source_files().iter().filter(|file| file.top_module() != "ledger") {
        let lines = file.text.lines().zip(1..).filter(|(line, _)| line.contains("rusqlite"));
        wrong.extend(lines.map(|(line, number)| format!("src/{}:{number}: {}", file.path, line.trim())));
    }
    assert!(wrong.is_empty(), "SQLite outside of src/ledger:\n{}", wrong.join("\n"));
}

#[test]
fn source_files_have_at_most_450_lines() {
    let files = source_files();
    let long: Vec<&str> =
        files.iter().filter(|file| file.text.lines().count() > 450).map(|file| file.path.as_str()).collect();
    assert!(long.is_empty(), "{long:?}");
}
