//! What is said to whoever mistypes something about a golden set, through the real binary.

use crate::tool::{Ran, Tool};

/// A set whose cases come from `cases.csv`.
fn set(prompt: &str) -> String {
    format!(
        "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{prompt}'\nassert: [contains: Paris]\ncases_from: [cases.csv]\n"
    )
}

fn with_cases(cases: &str) -> Ran {
    let tool = Tool::new().file("set.yaml", &set("Where is {{ q }}?")).file("cases.csv", cases);
    tool.run(&["eval", "set.yaml", "--dry-run"])
}

/// One mistake that every case shares is told three times, and then counted.
#[test]
fn mistakes_of_one_kind_are_counted() {
    let cases: String = (0..40).map(|n| format!("c{},a\n", n % 20)).collect();
    let ran = with_cases(&format!("id,place\n{cases}")).exits(2);
    let told = |words: &str| ran.stderr.matches(words).count();
    assert_eq!(
        (told("variable `q` is not defined"), told("two cases have the id")),
        (3, 3),
        "{}",
        ran.stderr
    );
    assert_eq!((told("and 37 more like it"), told("and 17 more like it")), (1, 1), "{}", ran.stderr);
    // Three of a kind are all that there are, and another variable is another mistake.
    let ran = with_cases("id,place\na,a\nb,b\nc,c\n").exits(2);
    assert!(!ran.stderr.contains("more like it"), "{}", ran.stderr);
}

#[test]
fn a_broken_template_is_no_missing_variable() {
    let tool = Tool::new().file("set.yaml", &set("{{ q | shout }}")).file("cases.csv", "q\na\n");
    let ran = tool
        .run(&["eval", "set.yaml", "--dry-run"])
        .exits(2)
        .says(&["the template is broken", "hint: templates are Jinja"]);
    assert!(!ran.stderr.contains("vars:"), "{}", ran.stderr);
}

#[test]
fn a_file_of_cases_with_other_separators() {
    let hint = "a .csv file has commas between them";
    with_cases("id;q;reference\na;b;c\n").exits(2).says(&[
        "cases.csv, line 1",
        "separated by semicolons",
        hint,
    ]);
    with_cases("id\tq\na\tb\n").exits(2).says(&["separated by tabs"]);
    // One column is a file of cases, too, and a semicolon in a row says nothing.
    with_cases("q\na;b\n").exits(0);
}

/// A misspelt column would silently become a variable, and its cases go without what it says.
#[test]
fn a_misspelt_column_is_no_variable() {
    for (wrong, meant) in [
        ("refrence", "reference"),
        ("Referance", "reference"),
        ("references", "reference"),
        ("tag", "tags"),
        ("tgas", "tags"),
        ("clusters", "cluster"),
        ("assrt:contains", "assert:NAME"),
    ] {
        let words = format!("did you mean `{meant}`?");
        with_cases(&format!("q,{wrong}\na,b\n")).exits(2).says(&["cases.csv, line 2", &words]);
    }
    for fine in ["preference", "tabs", "closer", "ids", "customer", "inference", "referee", "stage"] {
        with_cases(&format!("q,{fine}\na,b\n")).exits(0);
    }
}
