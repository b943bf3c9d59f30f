//! Which file imports which, with names resolved to the file that defines them.

use std::collections::{BTreeMap, BTreeSet};

use super::rust_source::{NamedPath, PathKind, RustSource};

type ModulePath = Vec<String>;

/// An import from another file of the graph.
struct Import {
    file: usize,
    /// Where the import is and what it names.
    description: String,
}

/// The imports of each file. Files are numbered in the order in which they were given.
pub(super) struct ImportGraph {
    imports: Vec<Vec<Import>>,
}

/// Finds the file that defines a name.
struct NameResolver {
    files: BTreeMap<ModulePath, usize>,
    /// The re-exported paths and what each one stands for.
    reexports: BTreeMap<ModulePath, ModulePath>,
}

impl ImportGraph {
    /// Reads files, given as paths relative to `src` with their text. Test code is left out.
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut files = Vec::new();
        let mut paths_by_file = Vec::new();
        let mut resolver = NameResolver { files: BTreeMap::new(), reexports: BTreeMap::new() };
        for (file, text) in texts {
            resolver.files.insert(module_path(file), files.len());
            files.push(file.to_owned());
            paths_by_file.push(RustSource::new(text).without_test_modules().paths());
        }
        for (file, paths) in files.iter().zip(&paths_by_file) {
            for path in paths.iter().filter(|path| path.kind == PathKind::Reexport) {
                let target = absolute_path(&module_path(file), path);
                let mut exported = enclosing_module(&module_path(file), path);
                exported.extend(path.alias.as_ref().or(path.segments.last()).cloned());
                assert_ne!(exported.last().unwrap(), "*", "{file}:{}: re-export each name", path.line);
                resolver.reexports.insert(exported, target);
            }
        }
        let imports_of = |importing: usize, paths: &Vec<NamedPath>| {
            let imports = paths.iter().filter(|path| is_import(path)).filter_map(|path| {
                let file = resolver.defining_file(absolute_path(&module_path(&files[importing]), path))?;
                let (from, name) = (&files[importing], path.segments.join("::"));
                let description = format!("{from}:{} imports {name} from {}", path.line, files[file]);
                (file != importing).then_some(Import { file, description })
            });
            imports.collect()
        };
        let imports = paths_by_file.iter().enumerate().map(|(file, paths)| imports_of(file, paths)).collect();
        Self { imports }
    }

    /// The groups of two or more files that all import each other, directly or through others; the largest
    /// one first.
    pub(super) fn cycles(&self) -> Vec<Vec<usize>> {
        let reachable: Vec<BTreeSet<usize>> =
            (0..self.imports.len()).map(|file| self.reachable_from(file)).collect();
        let groups: BTreeSet<Vec<usize>> = (0..self.imports.len())
            .map(|file| reachable[file].iter().copied().filter(|n| reachable[*n].contains(&file)).collect())
            .collect();
        let mut groups: Vec<_> = groups.into_iter().filter(|group| group.len() > 1).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        groups
    }

    /// One line for each file of a cycle: an import that leads to another of its files.
    pub(super) fn describe_cycle(&self, cycle: &[usize]) -> String {
        let lines = cycle.iter().filter_map(|file| {
            let inside = self.imports[*file].iter().find(|import| cycle.contains(&import.file));
            inside.map(|import| format!("  {}", import.description))
        });
        format!("import cycle of {} files:\n{}", cycle.len(), lines.collect::<Vec<_>>().join("\n"))
    }

    fn reachable_from(&self, start: usize) -> BTreeSet<usize> {
        let (mut found, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(file) = open.pop() {
            open.extend(self.imports[file].iter().map(|import| import.file).filter(|n| found.insert(*n)));
        }
        found
    }
}

impl NameResolver {
    fn defining_file(&self, mut path: ModulePath) -> Option<usize> {
        // In valid code, no chain of re-exports is longer than the number of re-exports.
        for _ in 0..=self.reexports.len() {
            let module = (0..=path.len()).rev().find(|end| self.files.contains_key(&path[..*end]))?;
            let reexport = (module + 1..=path.len())
                .find_map(|end| self.reexports.get(&path[..end]).map(|target| (end, target)));
            let Some((end, target)) = reexport else { return self.files.get(&path[..module]).copied() };
            path = [target, &path[end..]].concat();
        }
        None
    }
}

/// Paths relative to a child module do not count: a `mod.rs` always leads to its children, also by re-exports.
fn is_import(path: &NamedPath) -> bool {
    match path.segments[0].as_str() {
        "crate" | "super" => true,
        "self" => path.kind != PathKind::Reexport,
        _ => false,
    }
}

fn module_path(file: &str) -> ModulePath {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

fn enclosing_module(file_module: &[String], path: &NamedPath) -> ModulePath {
    [file_module, &path.inline_modules].concat()
}

/// The path from the root of the crate.
fn absolute_path(file_module: &[String], path: &NamedPath) -> ModulePath {
    let mut absolute = enclosing_module(file_module, path);
    for segment in &path.segments {
        match segment.as_str() {
            "crate" => absolute.clear(),
            "super" => {
                absolute.pop();
            }
            "self" => {}
            name => absolute.push(name.to_owned()),
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles<'a>(files: &[(&'a str, &'a str)]) -> Vec<Vec<&'a str>> {
        let graph = ImportGraph::new(files.iter().copied());
        graph.cycles().iter().map(|cycle| cycle.iter().map(|file| files[*file].0).collect()).collect()
    }

    #[test]
    fn reexports_lead_to_the_defining_file() {
        let files = [
            ("lib.rs", "mod a;\nmod b;"),
            ("a/mod.rs", "mod one;\nmod two;\npub(crate) use one::One as First;\npub use two::Two;"),
            ("a/one.rs", "use crate::b::Both;\npub struct One;"),
            ("a/two.rs", "pub struct Two;"),
            ("b.rs", "use crate::a::{First, Two};\npub struct Both(First, Two);"),
        ];
        assert_eq!(cycles(&files), [["a/one.rs", "b.rs"]]);
    }

    #[test]
    fn reexports_are_followed_through_several_modules() {
        let files = [
            ("a/mod.rs", "pub use self::b::{Deep, name};\npub mod facade { pub use super::b::other; }"),
            ("a/b/mod.rs", "pub use deep::{Deep, other};\npub mod name;\nmod deep;"),
            ("a/b/deep.rs", "fn f() { crate::c::f() }"),
            ("a/b/name.rs", "fn f() { crate::d::f() }"),
            ("c.rs", "use crate::a::facade::other;"),
            ("d.rs", "use crate::a::name::f;"),
        ];
        assert_eq!(cycles(&files), [["a/b/deep.rs", "c.rs"], ["a/b/name.rs", "d.rs"]]);
    }

    #[test]
    fn function_with_the_name_of_its_module_is_found() {
        let files = [
            ("a/mod.rs", "pub use run::run;"),
            ("a/run.rs", "use crate::b;"),
            ("b.rs", "use crate::a::run;"),
        ];
        assert_eq!(cycles(&files), [["a/run.rs", "b.rs"]]);
    }

    #[test]
    fn tests_and_reexports_of_children_close_no_cycle() {
        let files = [
            ("a/mod.rs", "pub use self::one::One;\npub struct Owner;"),
            ("a/one.rs", "use super::Owner;\n#[cfg(test)]\nmod tests {\n    use crate::a::two::Two;\n}"),
            ("a/two.rs", "use super::one::One;\n// use super::two::Two;"),
        ];
        assert!(cycles(&files).is_empty());
    }

    #[test]
    fn cycle_is_described_with_an_import_of_each_file() {
        let files = [
            ("a.rs", "use crate::d::D;\nuse crate::b::B;"),
            ("b.rs", "fn f() {\n    super::c::f();\n}"),
            ("c.rs", "use crate::{a, d};"),
            ("d.rs", ""),
        ];
        let graph = ImportGraph::new(files);
        let described: Vec<String> = graph.cycles().iter().map(|cycle| graph.describe_cycle(cycle)).collect();
        assert_eq!(
            described,
            ["import cycle of 3 files:\n  a.rs:2 imports crate::b::B from b.rs\n  \
              b.rs:2 imports super::c::f from c.rs\n  c.rs:1 imports crate::a from a.rs"]
        );
    }
}
