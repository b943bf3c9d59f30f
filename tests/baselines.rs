//! `eval --baseline`: who may replace whom, and what the gate says of it.

use serde_json::Value;

use crate::tool::{CountingSimulator, Ran, Tool};

/// Thirty cases, of which `terse` fails those whose number is under `hard`: it leaves out the second sentence.
fn set_of(hard: usize, gate: &str) -> String {
    let cases: String = (0..30)
        .map(|n| {
            let wanted = if n < hard { "river" } else { "City" };
            format!(
                "  - {{id: c{n}, vars: {{n: {n}}}, reference: City {n}. It has a river., assert: [contains: {wanted}]}}\n"
            )
        })
        .collect();
    format!("version: 1\nname: cities\nprompt: City {{{{ n }}}}?\n{gate}cases:\n{cases}")
}

fn with(hard: usize, gate: &str) -> Tool {
    Tool::new().file("set.yaml", &set_of(hard, gate))
}

fn eval(tool: &Tool, words: &[&str]) -> Ran {
    tool.run(&[&["eval", "set.yaml"][..], words].concat())
}

const TERSE_FOR_GOOD: [&str; 4] = ["-m", "sim-anthropic/terse", "--baseline", "sim-openai/good"];

fn comparison(ran: &Ran) -> Value {
    ran.json()["runs"][0]["comparison"][0].clone()
}

#[test]
fn a_worse_model_is_stopped_and_a_better_one_is_not() {
    let tool = with(12, "");
    let ran = eval(&tool, &[&TERSE_FOR_GOOD[..], &["--json"]].concat()).exits(1);
    let found = comparison(&ran);
    assert_eq!((&found["verdict"], &found["pairs"]), (&"worse".into(), &30.into()));
    assert_eq!(found["difference"], -0.4);
    assert_eq!(found["regressed"].as_array().unwrap().len(), 12);
    assert_eq!(found["confidence"], 0.95);
    assert!(found["p_value"].as_f64().unwrap() < 0.001);
    let table = eval(&tool, &TERSE_FOR_GOOD).exits(1).stdout;
    for words in ["WORSE", "-0.400", "worse on c0, c1, c2, c3, c4 and 7 more", "gate: FAILED", "30"] {
        assert!(table.contains(words), "no {words:?} in {table}");
    }
    // The other way round nothing fails, however low the baseline itself is.
    let swapped = ["-m", "sim-openai/good", "--baseline", "sim-anthropic/terse", "--min-pass-rate", "0.9"];
    let table = eval(&tool, &swapped).exits(0).stdout;
    assert!(table.contains("better") && table.contains("gate: passed"), "{table}");
}

#[test]
fn what_is_no_regression_passes_and_says_how_little_is_known() {
    let tool = with(2, "");
    let ran = eval(&tool, &TERSE_FOR_GOOD).exits(0);
    for words in
        ["unclear", "a drop of up to 0.2", "is not ruled out", "gate: passed; neither better nor worse"]
    {
        assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    }
    // A drop that may not even be observed, and one that must be ruled out.
    let ran = eval(&tool, &[&TERSE_FOR_GOOD[..], &["--max-drop", "0.05"]].concat()).exits(1);
    assert!(ran.stdout.contains("0.067 under sim-openai/good's 1.000"), "{}", ran.stdout);
    assert!(ran.stdout.contains("an equally good model drops beyond"), "{}", ran.stdout);
    eval(&tool, &[&TERSE_FOR_GOOD[..], &["--max-drop", "0.07"]].concat()).exits(0);
    let strict = eval(&tool, &[&TERSE_FOR_GOOD[..], &["--max-drop", "0.07", "--strict"]].concat()).exits(1);
    assert!(strict.stdout.contains("cannot be ruled out"), "{}", strict.stdout);
    eval(&tool, &[&TERSE_FOR_GOOD[..], &["--max-drop", "0.4", "--strict"]].concat()).exits(0);
}

#[test]
fn a_model_compared_with_itself_passes() {
    for hard in [0, 12, 30] {
        let tool = with(hard, "");
        let itself = ["-m", "sim-anthropic/terse", "--baseline", "sim-anthropic/terse"];
        let ran = eval(&tool, &itself).exits(0);
        assert!(ran.stdout.contains("the very same answers stand on both sides"), "{}", ran.stdout);
        eval(&tool, &[&itself[..], &["--strict", "--max-drop", "0.01"]].concat()).exits(0);
        // It is still held to the floors, as any challenger is.
        let code = if hard == 0 { 0 } else { 1 };
        eval(&tool, &[&itself[..], &["--min-pass-rate", "0.9"]].concat()).exits(code);
    }
}

#[test]
fn a_saved_baseline_stands_for_its_model() {
    let tool = with(12, "");
    let saved = ["-m", "sim-openai/good", "--save-baseline", "good.json"];
    assert!(eval(&tool, &saved).exits(0).stderr.contains("written: good.json"));
    let text = std::fs::read_to_string(tool.path("good.json")).unwrap();
    assert!(!text.contains("river"), "it holds answers: {text}");
    let file: Value = serde_json::from_str(&text).unwrap();
    let subject = &file["subjects"][0];
    assert_eq!((&subject["subject"], &subject["passed"]), (&"sim-openai/good".into(), &30.into()));
    assert_eq!(subject["simulated"], true);
    assert_eq!(subject["served_by"]["sim-openai/good"], 30);

    let against = ["-m", "sim-anthropic/terse", "--baseline", "good.json", "--json"];
    let found = comparison(&eval(&tool, &against).exits(1));
    assert_eq!((&found["verdict"], &found["baseline_file"]), (&"worse".into(), &"good.json".into()));
    assert_eq!(found["baseline"], "sim-openai/good");
    // The gate that it failed does not become the next one's measure.
    let both = [&against[..4], &["--save-baseline", "good.json"]].concat();
    let ran = eval(&tool, &both).exits(1);
    assert!(ran.stderr.contains("good.json was not written"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(tool.path("good.json")).unwrap(), text);

    // A case that asks for something else is another case, and one with another name is the same.
    let changed = set_of(12, "").replace("City 3. It", "Town 3. It").replace("id: c4,", "id: c4-renamed,");
    let tool = tool.file("set.yaml", &changed);
    let ran = eval(&tool, &against).exits(1);
    let found = comparison(&ran);
    assert_eq!(
        (&found["pairs"], &found["unpaired"], &found["gone"]),
        (&29.into(), &serde_json::json!(["c3"]), &serde_json::json!(["c3"]))
    );
}

#[test]
fn a_baseline_of_another_set_costs_nothing() {
    let simulator = CountingSimulator::start();
    let tool = with(12, "").file("routes.yaml", &simulator.routes());
    eval(&tool, &["-m", "sim-openai/good", "--save-baseline", "good.json"]).exits(1);
    let before = simulator.hits();
    let tool = tool
        .file("set.yaml", &set_of(12, "").replace("prompt: City", "prompt: Which city"))
        .file("none.json", "{\"schema\": \"slalom.eval/1\", \"runs\": []}")
        .file("broken.json", "{");
    let mistakes: [(&[&str], &str); 11] = [
        (&["--baseline", "good.json"], "the baseline has none of the 30 cases"),
        (&["--baseline", "none.json"], "it is no baseline, but slalom.eval/1"),
        (&["--baseline", "broken.json"], "it is no baseline"),
        (&["--baseline", "absent.json"], "cannot be read"),
        (&["--baseline", "good.json:sim-openai/terse"], "it has no subject `sim-openai/terse`"),
        (&["--baseline", "01KAK3QH8M0000000000000000"], "there is no run 01KAK3QH8M0000000000000000"),
        (&["--baseline", "sim-openai"], "sim-openai"),
        (&["--baseline", "sim-openai/terse", "--strict"], "strict needs the drop"),
        (&["--strict"], "--strict has nothing to hold"),
        (&["--max-p95-ms", "500"], "takes 200 answers, and 30 are asked for"),
        (&["--save-baseline", "baseline.yaml"], "would not be known as a baseline"),
    ];
    for (words, why) in mistakes {
        let ran = eval(&tool, &[&["-m", "sim-openai/good"], words].concat()).exits(2);
        assert!(ran.stderr.contains(why), "no {why:?} in {}", ran.stderr);
    }
    assert_eq!(simulator.hits(), before);
}

#[test]
fn an_earlier_run_is_a_baseline() {
    let tool = with(12, "");
    let id = |ran: &Ran| ran.json()["runs"][0]["run"].as_str().unwrap().to_owned();
    let good = id(&eval(&tool, &["-m", "sim-openai/good", "--json"]).exits(0));
    let found =
        comparison(&eval(&tool, &["-m", "sim-anthropic/terse", "--baseline", &good, "--json"]).exits(1));
    assert_eq!((&found["verdict"], &found["baseline_run"]), (&"worse".into(), &Value::from(good)));

    let two = id(&eval(&tool, &["-m", "sim-openai/good,sim-gemini/good", "--json"]).exits(0));
    let ran = eval(&tool, &["-m", "sim-anthropic/terse", "--baseline", &two]).exits(2);
    assert!(ran.stderr.contains("sim-openai/good, sim-gemini/good"), "{}", ran.stderr);
    let named = format!("{two}:sim-gemini/good");
    eval(&tool, &["-m", "sim-anthropic/terse", "--baseline", &named]).exits(1);
}

#[test]
fn an_outage_is_no_regression() {
    let tool = with(0, "");
    let down = ["-m", "sim-openai/overloaded", "--baseline", "sim-openai/good"];
    let ran = eval(&tool, &down).exits(3);
    assert!(!ran.stdout.contains("worse than"), "{}", ran.stdout);
    assert!(ran.stdout.contains("not one of 30 cases"), "{}", ran.stdout);
    // What is missing can be filled in, and is compared then.
    let again = ["--resume ", " -m sim-openai/overloaded --baseline sim-openai/good"];
    assert!(again.iter().all(|words| ran.stderr.contains(words)), "{}", ran.stderr);
    // Nor may a baseline that is gone turn the gate green.
    eval(&tool, &["-m", "sim-openai/good", "--baseline", "sim-openai/overloaded"]).exits(3);
}

#[test]
fn several_challengers_are_held_to_a_stricter_level() {
    let tool = with(5, "gate: {metric: score}\n");
    let words = ["-m", "sim-anthropic/terse,sim-gemini/good", "--baseline", "sim-openai/good", "--json"];
    let json = eval(&tool, &words).json();
    let all = json["runs"][0]["comparison"].as_array().unwrap();
    let confidence = |n: usize| all[n]["confidence"].as_f64().unwrap();
    assert!((confidence(0) - 0.975).abs() < 1e-12 && all.len() == 2, "{all:?}");
    assert_eq!((&all[0]["metric"], &all[0]["method"]), (&"score".into(), &"bootstrap".into()));
}

#[test]
fn cases_of_a_cluster_are_no_independent_trials() {
    let clustered = |clusters: usize| {
        let mut text = set_of(12, "");
        for n in 0..30 {
            let cluster = format!("{{id: c{n}, cluster: k{}, ", n % clusters);
            text = text.replace(&format!("{{id: c{n}, "), &cluster);
        }
        Tool::new().file("set.yaml", &text)
    };
    let found = comparison(&eval(&clustered(15), &[&TERSE_FOR_GOOD[..], &["--json"]].concat()).exits(1));
    assert_eq!((&found["verdict"], &found["clusters"]), (&"worse".into(), &15.into()));
    let ran = eval(&clustered(5), &[&TERSE_FOR_GOOD[..], &["--json"]].concat()).exits(0);
    assert_eq!(comparison(&ran)["doubt"], "few_clusters");
    // The interval of one subject knows it too.
    let width = |tool: &Tool| {
        let json = eval(tool, &["-m", "sim-anthropic/terse", "--json"]).json();
        let ends = json["runs"][0]["subjects"][0]["interval"].clone();
        ends[1].as_f64().unwrap() - ends[0].as_f64().unwrap()
    };
    assert!(width(&clustered(3)) > width(&with(12, "")));
}

#[test]
fn limits_of_cost_and_time_fail_the_gate() {
    let tool = with(0, "");
    let ran = eval(&tool, &["-m", "sim-openai/good", "--max-cost-usd", "0.000001"]).exits(1);
    assert!(ran.stdout.contains("the cost $"), "{}", ran.stdout);
    eval(&tool, &["-m", "sim-openai/good", "--max-cost-usd", "1", "--max-p50-ms", "60000"]).exits(0);
    let ran = eval(&tool, &["-m", "sim-openai/good", "--max-p50-ms", "0"]).exits(1);
    assert!(ran.stdout.contains("p50"), "{}", ran.stdout);
    // Of seven times thirty answers a 95th percentile can be said.
    eval(&tool, &["-m", "sim-openai/good", "--repeat", "7", "--max-p95-ms", "60000"]).exits(0);
    let tool = with(0, "gate: {max_p95_ms: 500}\n");
    assert!(eval(&tool, &["-m", "sim-openai/good"]).exits(2).stderr.contains("set.yaml:4"));
    // With --strict it is the lower end that has to clear a floor.
    let tool = with(0, "gate: {min_pass_rate: 0.9}\n");
    eval(&tool, &["-m", "sim-openai/good"]).exits(0);
    let ran = eval(&tool, &["-m", "sim-openai/good", "--strict"]).exits(1);
    assert!(ran.stdout.contains("may be as low as 0.886"), "{}", ran.stdout);
}

#[test]
fn a_baseline_of_fewer_answers_is_none_for_repeats() {
    let tool = with(12, "");
    eval(&tool, &["-m", "sim-openai/good", "--save-baseline", "once.json"]).exits(0);
    let thrice = ["-m", "sim-anthropic/terse", "--repeat", "3", "--min-pass", "2"];
    let ran = eval(&tool, &[&thrice[..], &["--baseline", "once.json"]].concat()).exits(2);
    assert!(ran.stderr.contains("the baseline has 1 to case `c0`, and 3 are asked for"), "{}", ran.stderr);
    let good = [&["-m", "sim-openai/good"], &thrice[2..], &["--save-baseline", "thrice.json"]].concat();
    eval(&tool, &good).exits(0);
    eval(&tool, &[&thrice[..], &["--baseline", "thrice.json"]].concat()).exits(1);
}

#[test]
fn no_report_takes_the_place_of_what_is_read() {
    let rows = "{\"id\": \"a\", \"n\": 1, \"assert:contains\": \"City\"}\n";
    let set = "version: 1\nname: own\nprompt: City {{ n }}?\ncases_from: [own.jsonl]\n";
    let tool = Tool::new().file("set.yaml", set).file("own.jsonl", rows);
    let good = ["-m", "sim-openai/good"];
    eval(&tool, &[&good[..], &["--save-baseline", "b.json", "--min-pass-rate", "0"]].concat()).exits(0);
    let mistakes: [(&[&str], &str); 4] = [
        (&["-o", "own.jsonl"], "own.jsonl is read by this command"),
        (&["--baseline", "b.json", "-o", "b.json"], "b.json is read by this command"),
        (&["-o", "x.json", "--save-baseline", "x.json"], "x.json is named for two files"),
        (&["--ledger", "l.json", "-o", "l.json"], "l.json is read by this command"),
    ];
    let tool = tool.file("l.json", "");
    for (words, why) in mistakes {
        eval(&tool, &[&good[..], words].concat()).exits(2).says(&[why]);
    }
    assert_eq!(std::fs::read_to_string(tool.path("own.jsonl")).unwrap(), rows);
    eval(&tool, &[&good[..], &["--baseline", "b.json", "--save-baseline", "b.json"]].concat()).exits(0);
}
