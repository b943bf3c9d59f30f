//! Reads the paths that a Rust source file names. It knows just enough syntax for the rules on imports.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

static COMMENT_OR_LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    ascii_regex(
        r##"(?xs) //[^\n]* | /\*.*?\*/
        | \bb?r"[^"]*" | \bb?r\#".*?"\# | \bb?r\#\#".*?"\#\# | "(?:[^"\\]|\\.)*"
        | '(?:[^'\\\n]|\\.[^'\n]*)'"##,
    )
});
static TEST_MODULE: LazyLock<Regex> = LazyLock::new(|| {
    ascii_regex(
        r"(?x) \#\[cfg\((?:test|all\(test,[^\]]*)\)\]\s* (?:\#\[[^\]]*\]\s*)*
        (?:pub(?:\([^)]*\))?\ )?mod\ \w+\ \{",
    )
});
static INLINE_MODULE: LazyLock<Regex> = LazyLock::new(|| ascii_regex(r"\bmod (\w+) \{"));
static USE_STATEMENT: LazyLock<Regex> =
    LazyLock::new(|| ascii_regex(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);"));
static VISIBILITY: LazyLock<Regex> = LazyLock::new(|| ascii_regex(r"\bpub\(in [^)]*\)"));
static PATH: LazyLock<Regex> = LazyLock::new(|| ascii_regex(r"\w+(?:::\w+)+"));

/// A regex whose `\b` and `\w` are ASCII, because Unicode ones take seconds in unoptimized builds.
fn ascii_regex(pattern: &str) -> Regex {
    Regex::new(&pattern.replace(r"\b", r"(?-u:\b)").replace(r"\w", "[0-9A-Za-z_]")).unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PathKind {
    Use,
    /// A `use` that is visible outside its module.
    Reexport,
    /// A path anywhere else in the code.
    Expression,
}

/// A path as written, for example `super::chat::Request`.
#[derive(Debug, PartialEq)]
pub(super) struct NamedPath {
    pub(super) kind: PathKind,
    pub(super) line: usize,
    /// The inline modules of the file that contain the path.
    pub(super) inline_modules: Vec<String>,
    pub(super) segments: Vec<String>,
    /// The name after `as`.
    pub(super) alias: Option<String>,
}

/// A file without comments and literals; everything else keeps its position.
pub(super) struct RustSource {
    code: String,
}

impl RustSource {
    pub(super) fn new(text: &str) -> Self {
        Self { code: blank(text, COMMENT_OR_LITERAL.find_iter(text).map(|found| found.range())) }
    }

    /// Removes `#[cfg(test)] mod name { … }`.
    pub(super) fn without_test_modules(self) -> Self {
        let blocks = TEST_MODULE.find_iter(&self.code);
        let blocks = blocks.map(|found| found.start()..block_end(&self.code, found.end()));
        Self { code: blank(&self.code, blocks) }
    }

    pub(super) fn paths(&self) -> Vec<NamedPath> {
        let inline_modules = self.inline_modules();
        let line_ends: Vec<usize> = self.code.match_indices('\n').map(|(at, _)| at).collect();
        let named_path = |kind, at: usize, segments: Vec<String>, alias| {
            let around = inline_modules.iter().filter(|(_, body)| body.contains(&at));
            NamedPath {
                kind,
                line: line_ends.partition_point(|end| *end < at) + 1,
                inline_modules: around.map(|(name, _)| name.clone()).collect(),
                segments,
                alias,
            }
        };
        let mut paths = Vec::new();
        let mut no_expressions = Vec::new();
        for found in USE_STATEMENT.captures_iter(&self.code) {
            let statement = found.get(0).unwrap().range();
            let kind = if found.get(1).is_some() { PathKind::Reexport } else { PathKind::Use };
            for path in expand_groups(&found[2]) {
                let (path, alias) = path
                    .split_once(" as ")
                    .map_or((path.as_str(), None), |(path, alias)| (path, Some(alias.to_owned())));
                // `a::{self}` names `a`.
                let path = path.strip_suffix("::self").unwrap_or(path);
                let segments = path.split("::").filter(|segment| !segment.is_empty());
                paths.push(named_path(kind, statement.start, segments.map(str::to_owned).collect(), alias));
            }
            no_expressions.push(statement);
        }
        let code = blank(&self.code, no_expressions);
        let code = blank(&code, VISIBILITY.find_iter(&code).map(|found| found.range()));
        for found in PATH.find_iter(&code) {
            let segments = found.as_str().split("::").map(str::to_owned).collect();
            paths.push(named_path(PathKind::Expression, found.start(), segments, None));
        }
        paths
    }

    /// The modules with a body in this file, outer ones first, and where their bodies are.
    fn inline_modules(&self) -> Vec<(String, Range<usize>)> {
        let modules = INLINE_MODULE.captures_iter(&self.code);
        modules
            .map(|found| {
                let body = found.get(0).unwrap().end();
                (found[1].to_owned(), body..block_end(&self.code, body))
            })
            .collect()
    }
}

/// The text with spaces instead of the ranges, which are in order. Line ends stay.
fn blank(text: &str, ranges: impl IntoIterator<Item = Range<usize>>) -> String {
    let (mut blanked, mut copied) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        blanked.push_str(&text[copied..range.start]);
        blanked.extend(text[range.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        copied = range.end;
    }
    blanked + &text[copied..]
}

/// The end of the block whose content starts at `body`.
fn block_end(code: &str, body: usize) -> usize {
    let mut depth = 1;
    for (at, c) in code[body..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return body + at + 1;
        }
    }
    code.len()
}

/// The paths of `a::{b, c::{d, e}}`: `a::b`, `a::c::d`, and `a::c::e`.
fn expand_groups(tree: &str) -> Vec<String> {
    let Some((prefix, group)) = tree.split_once('{') else {
        return vec![tree.split_whitespace().collect::<Vec<_>>().join(" ")];
    };
    let group = &group[..block_end(group, 0).saturating_sub(1)];
    let (mut members, mut depth) = (vec![String::new()], 0);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            members.push(String::new());
        } else {
            members.last_mut().unwrap().push(c);
        }
    }
    let members = members.iter().filter(|member| !member.trim().is_empty());
    members.flat_map(|member| expand_groups(member)).map(|path| format!("{}{path}", prefix.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        RustSource::new(text).without_test_modules().paths().iter().map(|p| p.segments.join("::")).collect()
    }

    #[test]
    fn use_groups_are_expanded() {
        assert_eq!(
            paths("use crate::{\n    chat::{A, b::{self, B}},\n    route,\n};\nuse super::*;"),
            ["crate::chat::A", "crate::chat::b", "crate::chat::b::B", "crate::route", "super::*"]
        );
    }

    #[test]
    fn reexports_keep_their_alias() {
        let source = RustSource::new("pub(crate) use self::a::{B as C, D};\nuse x::Y as Z;");
        let found: Vec<_> = source.paths().into_iter().map(|p| (p.kind, p.segments, p.alias)).collect();
        let segments = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                (PathKind::Reexport, segments("self::a::B"), Some("C".to_owned())),
                (PathKind::Reexport, segments("self::a::D"), None),
                (PathKind::Use, segments("x::Y"), Some("Z".to_owned())),
            ]
        );
    }

    #[test]
    fn expressions_have_lines_and_inline_modules() {
        let source = RustSource::new("fn f() {\n    crate::a::b();\n}\nmod inner {\n    use super::x::Y;\n}");
        let found: Vec<_> =
            source.paths().into_iter().map(|p| (p.line, p.segments.join("::"), p.inline_modules)).collect();
        let inner = vec!["inner".to_owned()];
        assert_eq!(found, [(5, "super::x::Y".to_owned(), inner), (2, "crate::a::b".to_owned(), vec![])]);
    }

    #[test]
    fn comments_literals_and_visibilities_are_ignored() {
        let text = r##"
            // use crate::a;
            /* use crate::b; */
            let text = "crate::c \" crate::d"; let raw = r#"crate::"e"#;
            let (quote, brace): (char, &'static str) = ('"', "{"); crate::f::g('\'', '"');
            pub(in crate::h) fn f<'a>(x: &'a str) {}
        "##;
        assert_eq!(paths(text), ["crate::f::g"]);
    }

    #[test]
    fn test_modules_are_removed() {
        let text = "use a::B;\n#[cfg(test)]\n#[expect(dead_code)]\nmod tests {\n    fn f() { c::d() }\n}\n\
                    #[cfg(all(test, unix))]\nmod unix_tests {\n    use e::F;\n}\nuse g::H;";
        assert_eq!(paths(text), ["a::B", "g::H"]);
    }
}
