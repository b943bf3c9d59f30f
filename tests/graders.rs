//! Assertions that need an LLM judge, embeddings, or a program.

use serde_json::Value;

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

/// A set of two cases: `good` answers with the reference, and `terse` leaves out its second sentence.
fn set_with_assertions(assertions: &str) -> String {
    format!(
        "version: 1
name: s
models: [sim-anthropic/good]
judge: sim-openai/judge
embedding: sim-gemini/good
prompt: What is the capital of {{{{ country }}}}?
assert: [{assertions}]
cases:
  - {{id: france, vars: {{country: France}}, reference: It is Paris. It lies on the Seine and has many bridges.}}
  - {{id: spain, vars: {{country: Spain}}, reference: It is Madrid. It lies high above the sea and has museums.}}
"
    )
}

fn harness(assertions: &str) -> CliHarness {
    CliHarness::new().with_file("set.yaml", &set_with_assertions(assertions))
}

/// The CLI output and the run from its JSON report.
fn run_eval(cli: &CliHarness, more: &[&str]) -> (CliOutput, Value) {
    let output = cli.run(&[&["eval", "set.yaml", "-o", "out.json"][..], more].concat());
    let report = std::fs::read_to_string(cli.path("out.json"))
        .unwrap_or_else(|error| panic!("{error}: {}{}", output.stdout, output.stderr));
    let report: Value = serde_json::from_str(&report).unwrap();
    (output, report["runs"][0].clone())
}

fn first_reason(run: &Value, case: usize) -> &str {
    run["results"][case]["assertions"][0]["reason"].as_str().unwrap()
}

#[test]
fn llm_rubric_grade_sets_score() {
    let cli = harness("{llm-rubric: 'Names the capital of {{ country }}'}");
    let (output, run) = run_eval(&cli, &[]);
    output.assert_exit_code(0);
    assert_eq!(run["results"][0]["score"], 1.0);
    assert!(
        first_reason(&run, 0).contains("sim-openai/judge: 5 on a scale of 1 to 5: simulated"),
        "{}",
        first_reason(&run, 0)
    );
    let (output, run) = run_eval(&cli, &["-m", "sim-anthropic/terse"]);
    let output = output.assert_exit_code(1);
    let score = run["results"][0]["score"].as_f64().unwrap();
    assert!(0.0 < score && score < 0.75, "{score}");
    assert!(output.stdout.contains("expected at least 0.75"), "{}", output.stdout);
    let lenient = CliHarness::new().with_file(
        "set.yaml",
        &set_with_assertions("{llm-rubric: {value: Short, scale: [0, 1], threshold: 1}}"),
    );
    run_eval(&lenient, &[]).0.assert_exit_code(0);
}

#[test]
fn factuality_similar_cases() {
    let cli = harness("factuality, similar, {not-factuality: It is Rome}");
    let (output, run) = run_eval(&cli, &[]);
    let output = output.assert_exit_code(1);
    let found: Vec<(&Value, &Value)> = run["results"][0]["assertions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (&a["name"], &a["passed"]))
        .collect();
    // The simulated judge compares with the case's reference and ignores the assertion's own value.
    let (yes, no) = (Value::from(true), Value::from(false));
    assert_eq!(
        found,
        [(&"factuality".into(), &yes), (&"similar".into(), &yes), (&"not-factuality".into(), &no)]
    );
    let all = &run["results"][0]["assertions"];
    assert!(all[0]["reason"].as_str().unwrap().contains("agrees"), "{all}");
    assert!(all[1]["reason"].as_str().unwrap().contains("1.000, expected at least 0.75"), "{all}");
    assert!(output.stdout.contains("judging: 6 calls"), "{}", output.stdout);
    let (_, terse) = run_eval(&cli, &["-m", "sim-anthropic/terse"]);
    let cosine = terse["results"][0]["assertions"][1]["score"].as_f64().unwrap();
    assert!(0.0 < cosine && cosine < 0.95, "{cosine}");
    assert!(terse["results"][0]["assertions"][0]["reason"].as_str().unwrap().contains("says nothing"));
}

/// If the judge gives no verdict, the case is unscored, not failed.
#[test]
fn judge_without_verdict_exits_3() {
    for (judge, expected) in [
        ("sim-openai/verbose", "cannot parse the verdict of sim-openai/verbose: not valid JSON"),
        ("sim-openai/overloaded", "sim-openai/overloaded failed: "),
        ("sim-openai/cut", "sim-openai/cut failed: "),
        ("sim-openai/bad-key", "sim-openai/bad-key failed: "),
    ] {
        let cli = harness(&format!("{{llm-rubric: {{value: Good, judge: {judge}}}}}"));
        let (output, run) = run_eval(&cli, &[]);
        output.assert_exit_code(3);
        let subject = &run["subjects"][0];
        assert_eq!((&subject["failed"], &subject["unscored"]), (&0.into(), &2.into()), "{judge}");
        assert_eq!(subject["mean_score"], Value::Null);
        assert!(run["results"][0]["text"].as_str().unwrap().contains("Paris"), "the answer is kept");
        let message = run["results"][0]["failure"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{judge}: {message}");
    }
    let cli = harness("{similar: {model: sim-gemini/overloaded}}");
    let (output, run) = run_eval(&cli, &[]);
    output.assert_exit_code(3);
    assert!(run["results"][0]["failure"]["message"].as_str().unwrap().contains("no embeddings from"));
    // Another assertion can still fail the case, and a combination may not need the verdict.
    let broken = "{llm-rubric: {value: Good, judge: sim-openai/verbose}}";
    run_eval(&harness(&format!("{broken}, {{contains: Rome}}")), &[]).0.assert_exit_code(1);
    run_eval(&harness(&format!("{{any-of: [{broken}, {{contains: 'It is'}}]}}")), &[]).0.assert_exit_code(0);
    run_eval(&harness(&format!("{{all-of: [{broken}, {{contains: 'It is'}}]}}")), &[]).0.assert_exit_code(3);
}

/// After a fatal judge error, the remaining cases are not run.
#[test]
fn judge_with_bad_key_stops_subject() {
    let simulator = CountingSimulator::start();
    let rows: String = (0..40).map(|n| format!("c{n},country {n},x\n")).collect();
    let set = "version: 1\nname: s\nmodels: [sim-anthropic/good]\njudge: sim-openai/bad-key\nprompt: '{{ country }}?'\n\
               assert: [factuality]\ncases_from: [cases.csv]\n";
    let cli = CliHarness::new()
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_file("set.yaml", set)
        .with_file("cases.csv", &format!("id,country,reference\n{rows}"));
    let (output, run) = run_eval(&cli, &["-j", "1"]);
    output.assert_exit_code(3);
    assert!(simulator.request_count() < 12, "{}", simulator.request_count());
    assert_eq!(run["results"][39]["failure"]["message"], "its judge failed on the first cases");
}

#[test]
fn judge_outage_makes_score_null() {
    let cli = harness("{contains: nowhere}, {llm-rubric: Names the capital}");
    let up = run_eval(&cli, &[]).1;
    assert_eq!((&up["results"][0]["verdict"], &up["results"][0]["score"]), (&"fail".into(), &0.5.into()));
    let set = set_with_assertions("{contains: nowhere}, {llm-rubric: Names the capital}");
    let cli =
        CliHarness::new().with_file("set.yaml", &set.replace("sim-openai/judge", "sim-openai/overloaded"));
    let down = run_eval(&cli, &[]).1;
    assert_eq!(
        (&down["results"][0]["verdict"], &down["results"][0]["score"]),
        (&"fail".into(), &Value::Null)
    );
    assert_eq!(down["subjects"][0]["mean_score"], Value::Null);
    assert_eq!(down["subjects"][0]["failed"], 2);
}

#[test]
fn unknown_embedding_model_stops_subject() {
    let rows: String = (0..40).map(|n| format!("c{n},country {n},It is a city.\n")).collect();
    let set = "version: 1\nname: s\nembedding: sim-gemini/no-such\nprompt: Capital of {{ country }}?\nassert: [similar]\ncases_from: [c.csv]\n";
    let cli = CliHarness::new()
        .with_file("set.yaml", set)
        .with_file("c.csv", &format!("id,country,reference\n{rows}"));
    let (output, run) = run_eval(&cli, &["-m", "sim-openai/good", "-j", "1"]);
    output.assert_exit_code(3);
    let calls = run["subjects"][0]["judge_calls"].as_u64().unwrap();
    assert!((1..=6).contains(&calls), "{calls} embedding calls");
}

#[test]
fn judge_cost_is_reported_separately() {
    let (_, plain) = run_eval(&harness("{contains: It}"), &[]);
    let (output, run) =
        run_eval(&harness("{contains: It}, {llm-rubric: {value: Good, votes: 3}}, similar"), &[]);
    let (plain, subject) = (&plain["subjects"][0], &run["subjects"][0]);
    assert_eq!(subject["cost_usd"], plain["cost_usd"]);
    assert_eq!((&plain["judge_cost_usd"], &plain["judge_calls"]), (&0.0.into(), &0.into()));
    assert_eq!((&subject["judge_calls"], &subject["judge_cost_source"]), (&8.into(), &"simulated".into()));
    let cost = subject["judge_cost_usd"].as_f64().unwrap();
    let sum: f64 =
        run["results"].as_array().unwrap().iter().map(|r| r["judge_cost_usd"].as_f64().unwrap()).sum();
    assert!(cost > 0.0 && (cost - sum).abs() < 1e-9, "{cost} {sum}");
    assert!(output.stdout.contains("judging: 8 calls, $"), "{}", output.stdout);
    assert!(
        output.stdout.contains("(sim), not included in its cost; 100% of votes agree"),
        "{}",
        output.stdout
    );
}

/// Judge calls count toward --max-cost: once it is reached, cases are unscored and the run stops.
#[test]
fn judge_over_max_cost_exits_4() {
    let cli = harness("{llm-rubric: {value: Good, votes: 15}}");
    let (output, run) = run_eval(&cli, &["--max-cost", "0.0005", "-j", "1"]);
    output.assert_exit_code(4).assert_stderr_contains(&["cases were not completed", "cost limit: $"]);
    assert!(run["subjects"][0]["unscored"].as_u64().unwrap() > 0);
    let spent = run["subjects"][0]["judge_cost_usd"].as_f64().unwrap();
    assert!(spent <= 0.0005, "{spent}");
}

#[test]
fn each_vote_sends_one_request() {
    let simulator = CountingSimulator::start();
    let cli =
        harness("{llm-rubric: {value: Good, votes: 5}}").with_file("routes.yaml", &simulator.routes_yaml());
    let (_, run) = run_eval(&cli, &["--filter", "spain"]);
    assert_eq!(simulator.request_count(), 6);
    assert!(
        first_reason(&run, 0)
            .contains("5 of 5 votes agree (2, 2, 2, 2, 2); 2 on a scale of 1 to 5: simulated"),
        "{}",
        first_reason(&run, 0)
    );
    assert_eq!(run["subjects"][0]["judge_agreement"], 1.0);
    // Identical judge requests are sent once.
    let twice = "{llm-rubric: Good}, {any-of: [{llm-rubric: {value: Good, threshold: 0.1}}, is-json]}";
    let cli = harness(twice).with_file("routes.yaml", &simulator.routes_yaml());
    run_eval(&cli, &["--filter", "spain"]);
    assert_eq!(simulator.request_count(), 8);
}

#[test]
fn same_family_judge_is_reported() {
    let cli = harness("{llm-rubric: Good}");
    let (output, run) = run_eval(&cli, &["-m", "sim-openai/good,sim-anthropic/good"]);
    assert_eq!(
        output
            .stderr
            .matches(
                "is from the same model family as sim-openai/good and may favor it; use a judge from another family"
            )
            .count(),
        1,
        "{}",
        output.stderr
    );
    assert!(
        output.stdout.contains("sim-openai/good: judged by its own model family (sim-openai/judge)"),
        "{}",
        output.stdout
    );
    assert_eq!(run["subjects"][0]["judged_by_family"][0], "sim-openai/judge");
    assert_eq!(run["subjects"][1]["judged_by_family"], Value::Array(Vec::new()));
    let output = cli.run(&["eval", "set.yaml", "-m", "sim-openai/good", "--dry-run"]).assert_exit_code(0);
    output.assert_stderr_contains(&[
        "the judge sim-openai/judge is from the same model family as sim-openai/good and may favor it",
    ]);
}

#[test]
fn route_judge_fails_over() {
    let routes = "version: 1\nroutes:\n  jury: {candidates: [sim-openai/overloaded, sim-gemini/judge]}\n";
    let cli = harness("{llm-rubric: {value: Good, judge: 'route:jury'}}").with_file("routes.yaml", routes);
    let (output, run) = run_eval(&cli, &[]);
    output.assert_exit_code(0);
    assert!(
        first_reason(&run, 0).contains("route:jury: 5 on a scale of 1 to 5"),
        "{}",
        first_reason(&run, 0)
    );
}

#[test]
fn concurrency_1_does_not_deadlock_judge() {
    let cli = harness("{llm-rubric: {value: Good, votes: 3}}, factuality, similar");
    let (output, run) =
        run_eval(&cli, &["-m", "sim-openai/good,sim-openai/terse", "-j", "1", "--repeat", "2"]);
    output.assert_exit_code(1);
    assert_eq!(run["subjects"][0]["passed"], 4);
}

#[test]
fn dry_run_lists_judge_calls_separately() {
    let simulator = CountingSimulator::start();
    let cli = harness("{llm-rubric: {value: Good, votes: 3}}, similar, {exec: [./check.sh]}")
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_executable("check.sh", "#!/bin/sh\ntouch ran\n");
    let dry = ["eval", "set.yaml", "--dry-run", "--allow-exec", "--repeat", "2"];
    let output = cli.run(&dry).assert_exit_code(0);
    for expected in
        ["= 4 calls", "judging: 16 more calls: ~$", "(simulated)", "judging: programs run 4 times"]
    {
        assert!(output.stdout.contains(expected), "{expected}: {}", output.stdout);
    }
    let plan = cli.run(&[&dry[..], &["--json"]].concat()).assert_exit_code(0).json();
    let judging = &plan["runs"][0]["judging"];
    assert_eq!((&judging["calls"], &judging["programs"]), (&16.into(), &4.into()));
    assert!(judging["cost_usd"].as_f64().unwrap() > 0.0);
    assert_eq!(simulator.request_count(), 0);
    assert!(!cli.path("ran").exists());
}

#[test]
fn invalid_config_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let without = |assertion: &str| {
        set_with_assertions(assertion).replace("judge: sim-openai/judge\nembedding: sim-gemini/good\n", "")
    };
    let with_judge =
        |judge: &str| set_with_assertions(&format!("{{llm-rubric: {{value: Good, judge: {judge}}}}}"));
    let cases: [(String, &[&str], &[&str]); 20] = [
        (set_with_assertions("{pairwise: x}"), &[], &["unknown assertion `pairwise`", "slalom compare -m"]),
        (
            without("{llm-rubric: Good}"),
            &[],
            &["missing `judge`: no model to call", "add `judge: PROVIDER/MODEL`", "set.yaml:5:"],
        ),
        (without("factuality"), &[], &["missing `judge`: no model to call"]),
        (without("similar"), &[], &["missing `model`: no model to call", "add `embedding: PROVIDER/MODEL`"]),
        (set_with_assertions("llm-rubric"), &[], &["missing rubric: describe a good answer"]),
        (
            set_with_assertions("{llm-rubric: 'The {{ city }}'}"),
            &[],
            &["undefined template variable `city`", "case `france`"],
        ),
        (
            set_with_assertions("{llm-rubric: {value: x, scale: 1}}"),
            &[],
            &["`scale` must be the highest grade"],
        ),
        (
            set_with_assertions("{llm-rubric: {value: x, scale: [3, 3]}}"),
            &[],
            &["`scale` must be the highest grade"],
        ),
        (set_with_assertions("{llm-rubric: {value: x, votes: 2}}"), &[], &["`votes` must be odd"]),
        (
            set_with_assertions("{llm-rubric: {value: x, threshold: 4}}"),
            &[],
            &["`threshold` must be above 0"],
        ),
        (
            set_with_assertions("{factuality: {judges: x}}"),
            &[],
            &["`factuality`: unknown option `judges`", "did you mean `judge`?"],
        ),
        (
            with_judge("sim-opnai/judge"),
            &[],
            &["judge `sim-opnai/judge`: ", "did you mean `sim-openai/judge`?"],
        ),
        (with_judge("openai/gpt-6-luna"), &[], &["judge `openai/gpt-6-luna`: ", "OPENAI_API_KEY is not set"]),
        (
            with_judge("vllm/mine"),
            &["--max-cost", "1"],
            &["cannot enforce --max-cost: the price of vllm/mine"],
        ),
        (
            set_with_assertions("{similar: {model: vllm/mine}}"),
            &["--max-cost", "1"],
            &["cannot enforce --max-cost: the price of vllm/mine"],
        ),
        (
            set_with_assertions("{similar: {model: sim-anthropic/good}}"),
            &[],
            &["sim-anthropic does not offer embeddings"],
        ),
        (
            set_with_assertions("{similar: {model: 'route:x'}}"),
            &[],
            &["embeddings from different models cannot be compared"],
        ),
        (
            set_with_assertions("{exec: [./check.sh]}"),
            &[],
            &["`exec` is not allowed to run `", "add --allow-exec"],
        ),
        (
            set_with_assertions("{exec: [./no.sh]}"),
            &["--allow-exec"],
            &["`exec`: program ", "no.sh not found"],
        ),
        (
            set_with_assertions("{exec: ./check.sh}"),
            &["--allow-exec"],
            &["expected a list with a program and its arguments"],
        ),
    ];
    for (set, more, expected) in cases {
        let cli = CliHarness::new()
            .with_file("routes.yaml", &simulator.routes_yaml())
            .with_file("set.yaml", &set)
            .with_executable("check.sh", "#!/bin/sh\ntouch ran\n");
        let output = cli.run(&[&["eval", "set.yaml"][..], more].concat());
        assert_eq!(output.code, 2, "{expected:?}: {}{}", output.stdout, output.stderr);
        output.assert_stderr_contains(expected);
        assert!(!cli.path("ran").exists());
    }
    assert_eq!(simulator.request_count(), 0, "a request was sent before the error");
}

/// Options that affect the verdict change the digest; how a threshold is written does not.
#[test]
fn case_digest_depends_on_grader_options() {
    let digest = |assertion: &str, program: &str| {
        let cli = harness(assertion).with_executable("check.sh", program);
        let (_, run) = run_eval(&cli, &["--allow-exec", "--filter", "spain"]);
        run["results"][0]["digest"].as_str().unwrap().to_owned()
    };
    let rubric = |options: &str| digest(&format!("{{llm-rubric: {{value: Good, {options}}}}}"), "");
    let first = rubric("threshold: 0.75");
    for same in
        ["weight: 1", "threshold: 0.750", "scale: 5", "scale: [1, 5]", "votes: 1, judge: sim-openai/judge"]
    {
        assert_eq!(rubric(same), first, "{same}");
    }
    let mut seen = vec![first];
    for other in ["threshold: 0.5", "scale: 4", "votes: 3", "judge: sim-gemini/judge"] {
        seen.push(rubric(other));
    }
    seen.push(digest("{llm-rubric: Other}", ""));
    seen.push(digest("{llm-rubric: 'Good {{ country }}'}", ""));
    seen.push(digest("{exec: [./check.sh]}", "#!/bin/sh\n"));
    seen.push(digest("{exec: [./check.sh]}", "#!/bin/sh\necho\n"));
    seen.push(digest("{exec: [./check.sh, x]}", "#!/bin/sh\n"));
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}
