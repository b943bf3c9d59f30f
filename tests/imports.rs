//! Module layering: every `crate::module` path in src/ points to a lower layer of docs/architecture.md.

use std::fs;
use std::path::{Path, PathBuf};

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
    ("ledger", &["route", "eval"]),
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

/// The modules named after `crate::`, including groups such as `crate::{a, b::c}`.
fn imported_modules(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + 7..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => modules.push(std::mem::take(&mut word)),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            modules.push(word);
        } else {
            modules.push(rest.to_owned());
        }
    }
    let name = |path: &String| {
        path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    modules.iter().map(name).filter(|path| !path.is_empty()).collect()
}

#[test]
fn modules_depend_only_on_lower_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect_rust_files(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        if !root.join(module).is_dir() {
            continue;
        }
        // Tests of routing use a real ledger.
        let is_test_code =
            relative.to_string_lossy().ends_with("tests.rs") || relative.ends_with("route_fixture.rs");
        let Some((_, allowed)) = ALLOWED_IMPORTS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{module} is missing from ALLOWED_IMPORTS"));
            continue;
        };
        for imported in imported_modules(&fs::read_to_string(&file).unwrap()) {
            let is_module = ALLOWED_IMPORTS.iter().any(|(name, _)| *name == imported);
            let is_allowed = allowed.contains(&imported.as_str()) || is_test_code && imported == "ledger";
            if is_module && imported != module && !is_allowed {
                wrong.push(format!("{}: crate::{imported}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports of a higher layer:\n{}", wrong.join("\n"));
}

#[test]
fn crate_paths_are_found_outside_comments() {
    assert_eq!(
        imported_modules("use crate::{chat::{A, B}, route};\nlet x = crate::eval::run();"),
        ["chat", "route", "eval"]
    );
    assert!(imported_modules("// use crate::route;").is_empty());
}

#[test]
fn source_files_have_at_most_450_lines() {
    let mut files = Vec::new();
    collect_rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let long: Vec<_> =
        files.iter().filter(|f| fs::read_to_string(f).unwrap().lines().count() > 450).collect();
    assert!(long.is_empty(), "{long:?}");
}
