//! Assertions that need a judge, vectors or a program, through the real binary and the simulator.

use serde_json::Value;

use crate::tool::{CountingSimulator, Ran, Tool};

/// A set of two cases, whose `good` answers are the references and whose `terse` ones lack half of it.
fn set_of(assertions: &str) -> String {
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

fn tool(assertions: &str) -> Tool {
    Tool::new().file("set.yaml", &set_of(assertions))
}

/// What a run with a report exits with, says, and finds.
fn judged(tool: &Tool, more: &[&str]) -> (Ran, Value) {
    let ran = tool.run(&[&["eval", "set.yaml", "-o", "out.json"][..], more].concat());
    let report = std::fs::read_to_string(tool.path("out.json"))
        .unwrap_or_else(|why| panic!("{why}: {}{}", ran.stdout, ran.stderr));
    let report: Value = serde_json::from_str(&report).unwrap();
    (ran, report["runs"][0].clone())
}

fn reason(run: &Value, case: usize) -> &str {
    run["results"][case]["assertions"][0]["reason"].as_str().unwrap()
}

#[test]
fn a_judges_grade_is_a_score() {
    let tool = tool("{llm-rubric: 'Names the capital of {{ country }}'}");
    let (ran, run) = judged(&tool, &[]);
    ran.exits(0);
    assert_eq!(run["results"][0]["score"], 1.0);
    assert!(reason(&run, 0).contains("sim-openai/judge: 5 of 1 to 5: simulated"), "{}", reason(&run, 0));
    let (ran, run) = judged(&tool, &["-m", "sim-anthropic/terse"]);
    let ran = ran.exits(1);
    let score = run["results"][0]["score"].as_f64().unwrap();
    assert!(0.0 < score && score < 0.75, "{score}");
    assert!(ran.stdout.contains("wanted at least 0.75"), "{}", ran.stdout);
    let lenient =
        Tool::new().file("set.yaml", &set_of("{llm-rubric: {value: Short, scale: [0, 1], threshold: 1}}"));
    judged(&lenient, &[]).0.exits(0);
}

#[test]
fn facts_and_vectors_are_held_against_the_reference() {
    let tool = tool("factuality, similar, {not-factuality: It is Rome}");
    let (ran, run) = judged(&tool, &[]);
    let told = ran.exits(1);
    let found: Vec<(&Value, &Value)> = run["results"][0]["assertions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (&a["name"], &a["passed"]))
        .collect();
    // The judge goes by the reply that it knows, whatever the reference of the assertion says.
    let (yes, no) = (Value::from(true), Value::from(false));
    assert_eq!(
        found,
        [(&"factuality".into(), &yes), (&"similar".into(), &yes), (&"not-factuality".into(), &no)]
    );
    let all = &run["results"][0]["assertions"];
    assert!(all[0]["reason"].as_str().unwrap().contains("agrees"), "{all}");
    assert!(all[1]["reason"].as_str().unwrap().contains("1.000, wanted at least 0.75"), "{all}");
    assert!(told.stdout.contains("judged by 6 calls"), "{}", told.stdout);
    let (_, terse) = judged(&tool, &["-m", "sim-anthropic/terse"]);
    let cosine = terse["results"][0]["assertions"][1]["score"].as_f64().unwrap();
    assert!(0.0 < cosine && cosine < 0.95, "{cosine}");
    assert!(terse["results"][0]["assertions"][0]["reason"].as_str().unwrap().contains("says nothing"));
}

/// Whatever keeps a judge from a verdict, the answer is not to blame.
#[test]
fn what_no_judge_has_judged_is_unscored() {
    for (judge, words) in [
        ("sim-openai/verbose", "cannot be read: it is no JSON"),
        ("sim-openai/overloaded", "gave no verdict"),
        ("sim-openai/cut", "gave no verdict"),
        ("sim-openai/bad-key", "gave no verdict"),
    ] {
        let tool = tool(&format!("{{llm-rubric: {{value: Good, judge: {judge}}}}}"));
        let (ran, run) = judged(&tool, &[]);
        ran.exits(3);
        let subject = &run["subjects"][0];
        assert_eq!((&subject["failed"], &subject["unscored"]), (&0.into(), &2.into()), "{judge}");
        assert_eq!(subject["mean_score"], Value::Null);
        assert!(run["results"][0]["text"].as_str().unwrap().contains("Paris"), "the answer is there");
        let message = run["results"][0]["failure"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{judge}: {message}");
    }
    let tool = tool("{similar: {model: sim-gemini/overloaded}}");
    let (ran, run) = judged(&tool, &[]);
    ran.exits(3);
    assert!(run["results"][0]["failure"]["message"].as_str().unwrap().contains("no vectors from"));
    // Another assertion may still fail the case, and a combination may not need to know.
    let broken = "{llm-rubric: {value: Good, judge: sim-openai/verbose}}";
    judged(&self::tool(&format!("{broken}, {{contains: Rome}}")), &[]).0.exits(1);
    judged(&self::tool(&format!("{{any-of: [{broken}, {{contains: 'It is'}}]}}")), &[]).0.exits(0);
    judged(&self::tool(&format!("{{all-of: [{broken}, {{contains: 'It is'}}]}}")), &[]).0.exits(3);
}

/// Who will judge nobody is not waited for: answers that nobody grades are not paid for.
#[test]
fn a_hopeless_judge_ends_its_subject() {
    let simulator = CountingSimulator::start();
    let rows: String = (0..40).map(|n| format!("c{n},country {n},x\n")).collect();
    let set = "version: 1\nname: s\nmodels: [sim-anthropic/good]\njudge: sim-openai/bad-key\nprompt: '{{ country }}?'\n\
               assert: [factuality]\ncases_from: [cases.csv]\n";
    let tool = Tool::new()
        .file("routes.yaml", &simulator.routes())
        .file("set.yaml", set)
        .file("cases.csv", &format!("id,country,reference\n{rows}"));
    let (ran, run) = judged(&tool, &["-j", "1"]);
    ran.exits(3);
    assert!(simulator.hits() < 12, "{}", simulator.hits());
    assert_eq!(run["results"][39]["failure"]["message"], "not run: its judge failed on the first cases");
}

#[test]
fn a_judge_that_is_out_lowers_no_score() {
    let tool = tool("{contains: nowhere}, {llm-rubric: Names the capital}");
    let up = judged(&tool, &[]).1;
    assert_eq!((&up["results"][0]["verdict"], &up["results"][0]["score"]), (&"fail".into(), &0.5.into()));
    let set = set_of("{contains: nowhere}, {llm-rubric: Names the capital}");
    let tool = Tool::new().file("set.yaml", &set.replace("sim-openai/judge", "sim-openai/overloaded"));
    let out = judged(&tool, &[]).1;
    assert_eq!((&out["results"][0]["verdict"], &out["results"][0]["score"]), (&"fail".into(), &Value::Null));
    assert_eq!(out["subjects"][0]["mean_score"], Value::Null);
    assert_eq!(out["subjects"][0]["failed"], 2);
}

#[test]
fn vectors_of_a_model_that_is_not_there_end_the_subject() {
    let rows: String = (0..40).map(|n| format!("c{n},country {n},It is a city.\n")).collect();
    let set = "version: 1\nname: s\nembedding: sim-gemini/no-such\nprompt: Capital of {{ country }}?\nassert: [similar]\ncases_from: [c.csv]\n";
    let tool = Tool::new().file("set.yaml", set).file("c.csv", &format!("id,country,reference\n{rows}"));
    let (ran, run) = judged(&tool, &["-m", "sim-openai/good", "-j", "1"]);
    ran.exits(3);
    let calls = run["subjects"][0]["judge_calls"].as_u64().unwrap();
    assert!((1..=6).contains(&calls), "{calls} calls for vectors that nobody gives");
}

#[test]
fn judging_is_paid_for_apart() {
    let (_, plain) = judged(&tool("{contains: It}"), &[]);
    let (ran, run) = judged(&tool("{contains: It}, {llm-rubric: {value: Good, votes: 3}}, similar"), &[]);
    let (plain, subject) = (&plain["subjects"][0], &run["subjects"][0]);
    assert_eq!(subject["cost_usd"], plain["cost_usd"]);
    assert_eq!((&plain["judge_cost_usd"], &plain["judge_calls"]), (&0.0.into(), &0.into()));
    assert_eq!((&subject["judge_calls"], &subject["judge_cost_source"]), (&8.into(), &"simulated".into()));
    let cost = subject["judge_cost_usd"].as_f64().unwrap();
    let sum: f64 =
        run["results"].as_array().unwrap().iter().map(|r| r["judge_cost_usd"].as_f64().unwrap()).sum();
    assert!(cost > 0.0 && (cost - sum).abs() < 1e-9, "{cost} {sum}");
    assert!(ran.stdout.contains("judged by 8 calls, $"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("(sim), which is no part of its cost; 100 % of votes agree"),
        "{}",
        ran.stdout
    );
}

/// A judge's calls count towards the limit of the run: what it does not reach for is unscored, and the run was stopped.
#[test]
fn a_limit_on_cost_is_held_against_judges() {
    let tool = tool("{llm-rubric: {value: Good, votes: 15}}");
    let (ran, run) = judged(&tool, &["--max-cost", "0.0005", "-j", "1"]);
    ran.exits(4).says(&["cases were stopped", "this run"]);
    assert!(run["subjects"][0]["unscored"].as_u64().unwrap() > 0);
    let spent = run["subjects"][0]["judge_cost_usd"].as_f64().unwrap();
    assert!(spent <= 0.0005, "{spent}");
}

/// The votes of a judge who is down a third of the time: they are different requests, and the majority settles it.
#[test]
fn votes_are_asked_for_one_by_one() {
    let simulator = CountingSimulator::start();
    let tool = tool("{llm-rubric: {value: Good, votes: 5}}").file("routes.yaml", &simulator.routes());
    let (_, run) = judged(&tool, &["--filter", "spain"]);
    assert_eq!(simulator.hits(), 6);
    assert!(
        reason(&run, 0).contains("5 of 5 votes agree (2, 2, 2, 2, 2); 2 of 1 to 5: simulated"),
        "{}",
        reason(&run, 0)
    );
    assert_eq!(run["subjects"][0]["judge_agreement"], 1.0);
    // The same question twice is one.
    let twice = "{llm-rubric: Good}, {any-of: [{llm-rubric: {value: Good, threshold: 0.1}}, is-json]}";
    let tool = self::tool(twice).file("routes.yaml", &simulator.routes());
    judged(&tool, &["--filter", "spain"]);
    assert_eq!(simulator.hits(), 8);
}

#[test]
fn a_judge_of_the_same_family_is_pointed_out() {
    let tool = tool("{llm-rubric: Good}");
    let (ran, run) = judged(&tool, &["-m", "sim-openai/good,sim-anthropic/good"]);
    assert_eq!(ran.stderr.matches("of its own family").count(), 1, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("sim-openai/good: judged by its own family (sim-openai/judge)"),
        "{}",
        ran.stdout
    );
    assert_eq!(run["subjects"][0]["judged_by_family"][0], "sim-openai/judge");
    assert_eq!(run["subjects"][1]["judged_by_family"], Value::Array(Vec::new()));
    let ran = tool.run(&["eval", "set.yaml", "-m", "sim-openai/good", "--dry-run"]).exits(0);
    ran.says(&["sim-openai/good is judged by sim-openai/judge, of its own family"]);
}

#[test]
fn a_route_may_judge() {
    let routes = "version: 1\nroutes:\n  jury: {candidates: [sim-openai/overloaded, sim-gemini/judge]}\n";
    let tool = tool("{llm-rubric: {value: Good, judge: 'route:jury'}}").file("routes.yaml", routes);
    let (ran, run) = judged(&tool, &[]);
    ran.exits(0);
    assert!(reason(&run, 0).contains("route:jury: 5 of 1 to 5"), "{}", reason(&run, 0));
}

/// One place at a provider is enough for a subject and its judge, and judging is no part of the latency.
#[test]
fn judge_and_subject_share_one_place() {
    let tool = tool("{llm-rubric: {value: Good, votes: 3}}, factuality, similar");
    let (ran, run) = judged(&tool, &["-m", "sim-openai/good,sim-openai/terse", "-j", "1", "--repeat", "2"]);
    ran.exits(1);
    assert_eq!(run["subjects"][0]["passed"], 4);
}

#[test]
fn a_dry_run_counts_judging_apart() {
    let simulator = CountingSimulator::start();
    let tool = tool("{llm-rubric: {value: Good, votes: 3}}, similar, {exec: [./check.sh]}")
        .file("routes.yaml", &simulator.routes())
        .program("check.sh", "#!/bin/sh\ntouch ran\n");
    let dry = ["eval", "set.yaml", "--dry-run", "--allow-exec", "--repeat", "2"];
    let ran = tool.run(&dry).exits(0);
    for words in
        ["= 4 calls", "judging: 16 more calls: ~$", "(simulated)", "judging: programs are run 4 times"]
    {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    let plan = tool.run(&[&dry[..], &["--json"]].concat()).exits(0).json();
    let judging = &plan["runs"][0]["judging"];
    assert_eq!((&judging["calls"], &judging["programs"]), (&16.into(), &4.into()));
    assert!(judging["cost_usd"].as_f64().unwrap() > 0.0);
    assert_eq!(simulator.hits(), 0);
    assert!(!tool.path("ran").exists());
}

/// All of it is said before anything is sent.
#[test]
fn mistakes_of_judges_cost_nothing() {
    let simulator = CountingSimulator::start();
    let without = |assertion: &str| {
        set_of(assertion).replace("judge: sim-openai/judge\nembedding: sim-gemini/good\n", "")
    };
    let of_judge = |judge: &str| set_of(&format!("{{llm-rubric: {{value: Good, judge: {judge}}}}}"));
    let cases: [(String, &[&str], &[&str]); 20] = [
        (set_of("{pairwise: x}"), &[], &["unknown assertion `pairwise`", "slalom compare -m"]),
        (
            without("{llm-rubric: Good}"),
            &[],
            &["there is no `judge`", "add `judge: PROVIDER/MODEL`", "set.yaml:5:"],
        ),
        (without("factuality"), &[], &["there is no `judge`"]),
        (without("similar"), &[], &["there is no `model`", "add `embedding: PROVIDER/MODEL`"]),
        (set_of("llm-rubric"), &[], &["it needs a rubric"]),
        (set_of("{llm-rubric: 'The {{ city }}'}"), &[], &["`city` is not defined", "case `france`"]),
        (set_of("{llm-rubric: {value: x, scale: 1}}"), &[], &["`scale` is the best grade"]),
        (set_of("{llm-rubric: {value: x, scale: [3, 3]}}"), &[], &["`scale` is the best grade"]),
        (set_of("{llm-rubric: {value: x, votes: 2}}"), &[], &["`votes` is an odd number"]),
        (set_of("{llm-rubric: {value: x, threshold: 4}}"), &[], &["`threshold` must be above 0"]),
        (set_of("{factuality: {judges: x}}"), &[], &["it has no option `judges`", "did you mean `judge`?"]),
        (
            of_judge("sim-opnai/judge"),
            &[],
            &["the judge `sim-opnai/judge`", "did you mean `sim-openai/judge`?"],
        ),
        (of_judge("openai/gpt-6-luna"), &[], &["the judge `openai/gpt-6-luna`", "OPENAI_API_KEY is not set"]),
        (of_judge("vllm/mine"), &["--max-cost", "1"], &["--max-cost cannot be held: the price of vllm/mine"]),
        (set_of("{similar: {model: vllm/mine}}"), &["--max-cost", "1"], &["the price of vllm/mine"]),
        (set_of("{similar: {model: sim-anthropic/good}}"), &[], &["sim-anthropic makes no vectors"]),
        (set_of("{similar: {model: 'route:x'}}"), &[], &["vectors of two models"]),
        (set_of("{exec: [./check.sh]}"), &[], &["which nobody has allowed", "add --allow-exec"]),
        (set_of("{exec: [./no.sh]}"), &["--allow-exec"], &["there is no program", "no.sh"]),
        (set_of("{exec: ./check.sh}"), &["--allow-exec"], &["it needs a list"]),
    ];
    for (set, more, words) in cases {
        let tool = Tool::new()
            .file("routes.yaml", &simulator.routes())
            .file("set.yaml", &set)
            .program("check.sh", "#!/bin/sh\ntouch ran\n");
        let ran = tool.run(&[&["eval", "set.yaml"][..], more].concat());
        assert_eq!(ran.code, 2, "{words:?}: {}{}", ran.stdout, ran.stderr);
        ran.says(words);
        assert!(!tool.path("ran").exists());
    }
    assert_eq!(simulator.hits(), 0, "a mistake was paid for");
}

/// What a verdict hangs on makes a case another one; how a threshold is written does not.
#[test]
fn a_judged_case_is_known_by_its_digest() {
    let digest = |assertion: &str, program: &str| {
        let tool = tool(assertion).program("check.sh", program);
        let (_, run) = judged(&tool, &["--allow-exec", "--filter", "spain"]);
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
