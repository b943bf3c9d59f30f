//! Reports in every format, parsed by independent readers, with answers that try to inject markup.

use std::fs;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use crate::harness::{CliHarness, CountingSimulator};

/// Closes HTML and Markdown blocks, and contains workflow commands and characters that are invalid in XML.
const HOSTILE_ANSWER: &str = "</script></pre></details><img src=x onerror=alert(1)>\n::error::pwned\n  ::set-output name=a::b\nx ##[add-mask]y\n| a | b |\n```\n~~~\n@somebody #1 https://evil.example\n]]>&amp;{{ 7 * 7 }}\u{0}\u{fffe}\u{1b}[2J\tx\u{202e}end";

/// Hostile text for the fields written by a set's author.
const HOSTILE_NAME: &str = "evil | <b>@somebody</b> \"q\" 'a'";

fn hostile_harness() -> CliHarness {
    let yaml = |text: &str| serde_json::to_string(text).unwrap().replace('\u{fffe}', "\\ufffe");
    let (name, answer) = (yaml(HOSTILE_NAME), yaml(HOSTILE_ANSWER));
    let set = format!(
        "version: 1\nname: {name}\ndescription: {name}\nmodels: [sim-openai/good]\nprompt: '{{{{ q }}}}'\nassert: [equals: {answer}, not-contains: pwned]\ncases:\n  - id: {name}\n    vars: {{q: {answer}}}\n    reference: {answer}\n  - id: fine\n    vars: {{q: two}}\n    reference: {answer}\n    assert: [length: {{max: 1000}}]\n"
    );
    CliHarness::new().with_file("set.yaml", &set)
}

fn read_file(cli: &CliHarness, name: &str) -> String {
    fs::read_to_string(cli.path(name)).unwrap()
}

/// Replaces characters that XML cannot express with U+FFFD, and tabs with spaces.
fn replace_controls(text: &str) -> String {
    text.replace(['\u{0}', '\u{fffe}', '\u{1b}'], "\u{fffd}").replace('\t', "    ")
}

#[test]
fn json_jsonl_csv_keep_answer_verbatim() {
    let cli = hostile_harness();
    cli.run(&["eval", "set.yaml", "-o", "r.json", "-o", "r.JSONL", "-o", "r.csv"]).assert_exit_code(1);
    let json: Value = serde_json::from_str(&read_file(&cli, "r.json")).unwrap();
    let gate = &json["runs"][0]["gate"];
    assert_eq!(gate["codes"].as_array().unwrap().len(), gate["reasons"].as_array().unwrap().len(), "{gate}");
    let results = json["runs"][0]["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]["text"]), (2, &HOSTILE_ANSWER.into()));
    assert_eq!(json["exit_code"], 1);
    let lines: Vec<Value> =
        read_file(&cli, "r.JSONL").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for (line, result) in lines.iter().zip(results) {
        assert_eq!((&line["set"], &line["run"]), (&HOSTILE_NAME.into(), &json["runs"][0]["run"]));
        for (key, value) in result.as_object().unwrap() {
            assert_eq!(&line[key], value, "{key}");
        }
    }
    let csv = read_file(&cli, "r.csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let text = headers.iter().position(|name| name == "text").unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), &rows[0][text], &rows[1][0]), (2, HOSTILE_ANSWER, HOSTILE_NAME));
}

#[derive(Debug, Default)]
struct XmlElement {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<XmlElement>,
}

impl XmlElement {
    fn attr(&self, name: &str) -> &str {
        self.attributes.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a XmlElement> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn child(&self, name: &str) -> &XmlElement {
        self.children.iter().find(|child| child.name == name).unwrap()
    }
}

fn xml_name(name: &[u8]) -> String {
    String::from_utf8(name.to_vec()).unwrap()
}

fn parse_xml(xml: &str) -> XmlElement {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![XmlElement::default()];
    loop {
        let event = reader.read_event().unwrap();
        let (start, ends) = match &event {
            Event::Start(start) => (Some(start), false),
            Event::Empty(start) => (Some(start), true),
            Event::End(_) => (None, true),
            Event::Text(text) => {
                open.last_mut().unwrap().text += &text.xml10_content().unwrap();
                continue;
            }
            Event::GeneralRef(reference) => {
                let c = match &*reference.decode().unwrap() {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => reference.resolve_char_ref().unwrap().unwrap(),
                };
                open.last_mut().unwrap().text.push(c);
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        if let Some(start) = start {
            let attributes = start.attributes().map(|attribute| {
                let attribute = attribute.unwrap();
                (
                    xml_name(attribute.key.as_ref()),
                    attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap().into_owned(),
                )
            });
            let name = xml_name(start.name().as_ref());
            open.push(XmlElement { name, attributes: attributes.collect(), ..XmlElement::default() });
        }
        if ends {
            let done = open.pop().unwrap();
            open.last_mut().unwrap().children.push(done);
        }
    }
    assert_eq!(open.len(), 1, "every element is closed");
    open.pop().unwrap().children.pop().unwrap()
}

#[test]
fn junit_has_one_suite_per_subject() {
    let cli = hostile_harness();
    cli.run(&["eval", "set.yaml", "-m", "sim-openai/good,sim-gemini/good", "-o", "r.xml"])
        .assert_exit_code(1);
    let xml = read_file(&cli, "r.xml");
    assert!(!xml.contains(['\u{0}', '\u{fffe}', '\u{1b}']), "{xml}");
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.tests, report.failures, report.errors, report.skipped), (4, 4, 0, 0));
    let root = parse_xml(&xml);
    assert_eq!((root.name.as_str(), root.attr("tests"), root.attr("failures")), ("testsuites", "4", "4"));
    let suites: Vec<&XmlElement> = root.children_named("testsuite").collect();
    assert_eq!(suites.len(), 2);
    for (suite, subject) in suites.iter().zip(["sim-openai/good", "sim-gemini/good"]) {
        assert_eq!(suite.attr("name"), format!("{HOSTILE_NAME} · {subject}"));
        assert_eq!((suite.attr("tests"), suite.attr("failures"), suite.attr("errors")), ("2", "2", "0"));
        let properties = suite.child("properties");
        let property = |name: &str| {
            properties.children_named("property").find(|p| p.attr("name") == name).unwrap().attr("value")
        };
        assert_eq!((property("pass_rate"), property("gate.passed")), ("0", "false"));
        assert_eq!(
            property("gate.reason"),
            "sim-openai/good: 2 of 2 cases failed (no minimum is set, so every case must pass)"
        );
        let case = suite.child("testcase");
        assert_eq!(case.attr("name"), HOSTILE_NAME);
        assert!(case.attr("time").parse::<f64>().unwrap() < 60.0, "time is in seconds");
        let failure = case.child("failure");
        assert_eq!(failure.attr("type"), "not-contains");
        assert!(failure.attr("message").starts_with("not-contains: the answer contains “pwned”"));
        assert!(
            failure.text.contains(&format!("answer:\n{}", replace_controls(HOSTILE_ANSWER))),
            "{}",
            failure.text
        );
    }
}

#[test]
fn junit_reports_unscored_case_as_error() {
    let simulator = CountingSimulator::start();
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\nassert: [contains: called]\ncases:\n  - {id: a, vars: {q: one}}\n  - {id: b, vars: {q: refuse this}}\n";
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", set);
    cli.run(&["eval", "set.yaml", "-o", "r.xml"]).assert_exit_code(3);
    let root = parse_xml(&read_file(&cli, "r.xml"));
    let suite = root.child("testsuite");
    assert_eq!((suite.attr("tests"), suite.attr("failures"), suite.attr("errors")), ("2", "0", "1"));
    let cases: Vec<&XmlElement> = suite.children_named("testcase").collect();
    assert_eq!((cases[0].children.len(), cases[1].child("error").attr("type")), (0, "bad_request"));
}

/// With `min_pass`, the repeats of a case are one test.
#[test]
fn junit_merges_repeats_with_min_pass() {
    let cli = hostile_harness();
    let arguments = ["eval", "set.yaml", "--repeat", "3", "--min-pass", "2", "-o", "r.xml"];
    cli.run(&arguments).assert_exit_code(1);
    let root = parse_xml(&read_file(&cli, "r.xml"));
    let cases: Vec<&XmlElement> = root.child("testsuite").children_named("testcase").collect();
    assert_eq!(cases.len(), 2);
    assert!(cases[0].child("failure").text.contains("0 of 3 answers pass, 2 required"));
    cli.run(&["eval", "set.yaml", "--repeat", "3", "-o", "r.xml"]).assert_exit_code(1);
    let root = parse_xml(&read_file(&cli, "r.xml"));
    let names: Vec<&str> =
        root.child("testsuite").children_named("testcase").map(|case| case.attr("name")).collect();
    assert_eq!(&names[3..], ["fine #1", "fine #2", "fine #3"]);
}

/// The Markdown lines outside fenced code blocks.
fn outside_fences(text: &str) -> Vec<&str> {
    let mut fence: Option<&str> = None;
    let mut outside = Vec::new();
    for line in text.lines() {
        match fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if line.starts_with("```") => fence = line.strip_suffix("text"),
            None => outside.push(line),
        }
    }
    assert_eq!(fence, None, "every fence is closed");
    outside
}

#[test]
fn markdown_escapes_hostile_text() {
    let cli = hostile_harness();
    cli.run(&["eval", "set.yaml", "-o", "r.md"]).assert_exit_code(1);
    let text = read_file(&cli, "r.md");
    let outside = outside_fences(&text);
    assert!(
        outside[0].starts_with("## <code>evil") && outside[0].ends_with(": ❌ the gate failed"),
        "{text}"
    );
    for line in &outside {
        let bare = ["<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>"]
            .iter()
            .fold((*line).to_owned(), |line, tag| line.replace(tag, ""));
        assert!(!bare.contains(['<', '>', '@', '`']) && !bare.contains("://"), "{line}");
    }
    let tables: Vec<&&str> = outside.iter().filter(|line| line.contains('|')).collect();
    assert_eq!(tables.len(), 3, "{tables:?}");
    assert!(tables.iter().all(|row| row.matches('|').count() == 9), "{tables:?}");
    let count = |tag: &str| outside.iter().filter(|line| line.contains(tag)).count();
    assert_eq!((count("<details>"), count("</details>")), (2, 2));
    assert!(text.contains("not-contains: the answer contains “pwned”") && text.contains("::error::pwned"));
    assert!(!text.contains(['\u{0}', '\u{1b}', '\u{202e}']));
}

/// The report fits a GitHub comment even if hundreds of cases fail.
#[test]
fn markdown_fits_github_comment_limit() {
    let rows: String = (0..400).map(|n| format!("c{n},{},x\n", "word ".repeat(100))).collect();
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\nassert: [contains: nowhere]\ncases_from: [c.csv]\n";
    let cli =
        CliHarness::new().with_file("set.yaml", set).with_file("c.csv", &format!("id,q,reference\n{rows}"));
    cli.run(&["eval", "set.yaml", "-o", "r.md"]).assert_exit_code(1);
    let text = read_file(&cli, "r.md");
    assert!(text.chars().count() < 65_536, "{}", text.len());
    assert!(outside_fences(&text).last().unwrap().starts_with("… and "));
}

#[test]
fn html_escapes_hostile_text() {
    let cli = hostile_harness();
    cli.run(&["eval", "set.yaml", "-o", "r.html"]).assert_exit_code(1);
    let page = read_file(&cli, "r.html");
    // Every tag is one that the report itself writes.
    for (at, _) in page.match_indices('<') {
        let tag: String = page[at + 1..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '!' | '/'))
            .collect();
        let known = [
            "!doctype", "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li", "b",
            "table", "tr", "th", "td", "details", "summary", "span", "pre",
        ];
        assert!(known.contains(&tag.trim_start_matches('/')), "<{tag}");
    }
    assert_eq!(
        page.matches("<script").count() + page.matches("<img").count() + page.matches("<b>@").count(),
        0
    );
    assert_eq!(
        page.matches("src=").count(),
        page.matches("&lt;img src=x").count(),
        "the page loads no external resource"
    );
    assert!(page.contains("&lt;b&gt;@somebody&lt;") && page.contains("{{ 7 * 7 }}"), "{page}");
    assert!(!page.contains(['\u{0}', '\u{1b}', '\u{202e}']));
}

#[test]
fn failed_case_shows_prompt_answer_reason() {
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\nassert: [contains: Paris, contains: Seine]\ncases:\n  - {id: a, vars: {q: \"Capital of\\nFrance?\"}, reference: \"It is Rome,\\nwhich lies on the Tiber\\e[2J.\"}\n";
    let cli = CliHarness::new().with_file("set.yaml", set);
    let short = cli.run(&["eval", "set.yaml"]).assert_exit_code(1).stdout;
    for line in [
        "    prompt: Capital of France?\n",
        "    answer: It is Rome, which lies on the Tiber\u{fffd}[2J.\n",
        "    contains: the answer does not contain “Paris” (and 1 more)\n",
    ] {
        assert!(short.contains(line), "no {line:?} in {short}");
    }
    let full = cli.run(&["eval", "set.yaml", "-v"]).assert_exit_code(1).stdout;
    for line in [
        "    prompt │ Capital of\n           │ France?\n",
        "    answer │ It is Rome,\n           │ which lies on the Tiber\u{fffd}[2J.\n",
        "    contains: the answer does not contain “Paris”\n    contains: the answer does not contain “Seine”\n",
    ] {
        assert!(full.contains(line), "no {line:?} in {full}");
    }
    let narrow = cli.with_env("COLUMNS", "40").run(&["eval", "set.yaml"]).assert_exit_code(1).stdout;
    assert!(narrow.contains("    answer: It is Rome, which lies on t…\n"), "{narrow}");
}

#[test]
fn annotations_are_off_outside_github_actions() {
    let cli = hostile_harness().with_file("summary.md", "before\n");
    let path = cli.path("summary.md").display().to_string();
    for value in ["", "false"] {
        let cli = hostile_harness().with_env("GITHUB_ACTIONS", value).with_env("GITHUB_STEP_SUMMARY", &path);
        let output = cli.run(&["eval", "set.yaml"]).assert_exit_code(1);
        assert!(!output.stderr.contains("::error"), "{}", output.stderr);
    }
    assert_eq!(read_file(&cli, "summary.md"), "before\n");
}

fn with_github_env(cli: CliHarness) -> CliHarness {
    let (summary, workspace) = (cli.path("summary.md"), cli.home().to_owned());
    cli.with_env("GITHUB_ACTIONS", "true")
        .with_env("GITHUB_STEP_SUMMARY", &summary.display().to_string())
        .with_env("GITHUB_WORKSPACE", &workspace.display().to_string())
}

/// Output lines that a GitHub runner treats as workflow commands.
fn workflow_commands(output: &str) -> Vec<&str> {
    output.lines().filter(|line| line.trim_start().starts_with("::") || line.contains("##[")).collect()
}

#[test]
fn github_actions_enables_annotations() {
    let cli = with_github_env(hostile_harness().with_file("summary.md", "before\n"));
    for arguments in
        [&["eval", "set.yaml"][..], &["eval", "set.yaml", "-v"], &["eval", "set.yaml", "-q", "--json"]]
    {
        let output = cli.run(arguments).assert_exit_code(1);
        assert_eq!(workflow_commands(&output.stdout), Vec::<&str>::new(), "{arguments:?}");
        let annotations = workflow_commands(&output.stderr);
        assert_eq!(annotations.len(), 3, "{}", output.stderr);
        assert!(
            annotations[0].starts_with("::error file=project/set.yaml,line=1,title=golden set evil")
                && annotations[0].ends_with(
                    "::sim-openai/good: 2 of 2 cases failed (no minimum is set, so every case must pass)"
                ),
            "{annotations:?}"
        );
        let fine = "::error file=project/set.yaml,line=11,title=fine · sim-openai/good::not-contains: the answer contains “pwned”%0A";
        assert!(annotations[2].starts_with(fine), "{annotations:?}");
        assert!(
            annotations[1].contains("line=8,")
                && annotations.iter().all(|line| line.starts_with("::error file=")),
            "{annotations:?}"
        );
        if arguments.contains(&"--json") {
            assert_eq!(output.json()["schema"], "slalom.eval/1");
        }
    }
    let summary = read_file(&cli, "summary.md");
    assert!(summary.starts_with("before\n## <code>evil"), "{summary}");
    assert_eq!(summary.matches("the gate failed").count(), 3, "each step appends its own summary");
    outside_fences(&summary);
}

/// GitHub shows ten annotations per level: the gate comes first, and each case points to its own file.
#[test]
fn annotations_are_limited_to_ten() {
    let rows: String = (0..30).map(|n| format!("c{n},question {n},x\n")).collect();
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\nassert: [contains: nowhere]\ncases_from: [more/c.csv]\n";
    let cli = CliHarness::new()
        .with_file("set.yaml", set)
        .with_file("more/c.csv", &format!("id,q,reference\n{rows}"));
    let cli = with_github_env(cli);
    let failed = cli.run(&["eval", "set.yaml"]).assert_exit_code(1);
    let annotations = workflow_commands(&failed.stderr);
    assert_eq!(annotations.len(), 10);
    assert!(
        annotations[0].contains("30 of 30 cases failed")
            && annotations[1].starts_with("::error file=project/more/c.csv,line=2,")
    );
    // Failures that the gate allows are warnings.
    let passed = cli.run(&["eval", "set.yaml", "--min-pass-rate", "0"]).assert_exit_code(0);
    let annotations = workflow_commands(&passed.stderr);
    assert_eq!(annotations.len(), 10);
    assert!(annotations.iter().all(|line| line.starts_with("::warning ")), "{annotations:?}");
}

#[test]
fn unwritable_step_summary_is_warning() {
    let cli = with_github_env(hostile_harness());
    let missing = cli.path("no/such/folder/summary.md").display().to_string();
    let cli = cli.with_env("GITHUB_STEP_SUMMARY", &missing);
    cli.run(&["eval", "set.yaml"])
        .assert_exit_code(1)
        .assert_stderr_contains(&["warning: cannot write the step summary to "]);
    cli.run(&["eval", "set.yaml", "--min-pass-rate", "0"]).assert_exit_code(0);
}

/// An unwritable report path fails before the first call and leaves no temporary files.
#[test]
fn unwritable_output_path_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let set = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\nassert: [contains: called]\ncases:\n  - {id: a, vars: {q: one}}\n";
    let cli = CliHarness::new()
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_file("set.yaml", set)
        .with_file("old.md", "old");
    fs::create_dir(cli.path("folder.json")).unwrap();
    for bad in ["no/such/r.md", "folder.json", "r.txt", "r"] {
        cli.run(&["eval", "set.yaml", "-o", "old.md", "-o", bad])
            .assert_exit_code(2)
            .assert_stderr_contains(&["error: ", "hint: "]);
    }
    assert_eq!((simulator.request_count(), read_file(&cli, "old.md").as_str()), (0, "old"));
    cli.run(&["eval", "set.yaml", "-o", "old.md", "-o", "new.xml"]).assert_exit_code(0);
    assert!(read_file(&cli, "old.md").contains("✅ the gate passed"));
    let mut names: Vec<String> = fs::read_dir(cli.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["folder.json", "new.xml", "old.md", "routes.yaml", "set.yaml"]);
}
