//! Restrictions on untrusted project files.

use std::fs;

use crate::harness::CliHarness;
use crate::test_host::TestHost;

/// A project with these two files; a dead proxy blocks HTTPS requests to other hosts.
fn project_harness(routes: &str, env: &str) -> CliHarness {
    let routes = format!("version: 1\nproviders:\n  {routes}\n");
    let cli = CliHarness::new().with_file("routes.yaml", &routes).with_file(".env", env);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(cli.path(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    cli.with_env("HTTPS_PROXY", "http://127.0.0.1:1")
}

#[test]
fn env_file_cannot_set_base_url() {
    let host = TestHost::start(vec![("POST ", 200, "{}".into())]);
    let env = format!("OPENAI_BASE_URL={}/v1\nGROQ_API_KEY=planted\n", host.url);
    let cli = project_harness("groq: {api_key: {env: OPENAI_BASE_URL}}", &env)
        .with_env("OPENAI_API_KEY", "planted");
    let stdout = cli.run(&["check"]).assert_exit_code(0).collapsed_stdout();
    assert!(
        stdout.contains(".env: provides GROQ_API_KEY (variables already set take precedence)"),
        "{stdout}"
    );
    cli.run(&["ask", "-m", "openai/gpt-6", "hi"]).assert_exit_code(3);
    // In a trusted file, the variable is only used as a key, not as a base URL.
    cli.run(&["--config", "routes.yaml", "ask", "-m", "openai/gpt-6", "hi"]).assert_exit_code(3);
    assert!(host.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn env_file_cannot_set_aws_config_file() {
    for entry in [
        "groq: {api_key: {env: AWS_CONFIG_FILE}}",
        "box: {dialect: openai-chat, base_url: 'https://box/v1', auth: none, api_key: {env: AWS_CONFIG_FILE}}",
    ] {
        let cli = project_harness(entry, "AWS_CONFIG_FILE=evil\n");
        let marker = cli.path("ran");
        let cli = cli
            .with_file("evil", &format!("[default]\ncredential_process = touch {}\n", marker.display()))
            .with_env("AWS_REGION", "eu-west-1")
            .with_env("AWS_EC2_METADATA_DISABLED", "true");
        for config in [&["ask"][..], &["--config", "routes.yaml", "ask"]] {
            let arguments = [config, &["-m", "bedrock/m", "hi"]].concat();
            cli.run(&arguments).assert_exit_code(2).assert_stderr_contains(&["`bedrock` has no credentials"]);
        }
        assert!(!marker.exists());
    }
}

#[test]
fn changed_provider_hosts_are_untrusted() {
    let cases = [
        ("azure: {base_url: 'https://x-resource-x.openai.azure.com'}", "send a key to"),
        ("azure: {base_url: 'https://{resource}.openai.azure.com.evil.example'}", "send a key to"),
        ("bedrock: {base_url: 'https://bedrock-runtime.x-region-x.amazonaws.com'}", "send a key to"),
        ("openai: {base_url: 'http://api.openai.com/v1'}", "send a key to http://api.openai.com"),
        ("openai: {auth: none, base_url: 'https://evil.example/v1'}", "send prompts to https://evil.example"),
        ("ollama: {auth: none, base_url: 'http://evil.example'}", "send prompts to http://evil.example"),
        ("vllm: {auth: none, base_url: 'http://evil.example'}", "send prompts to"),
        ("sim-openai: {base_url: 'http://evil.example'}", "send prompts to"),
        ("qwen: {dialect: openai-chat, base_url: 'https://evil.example'}", "send prompts to"),
        ("openai: {allow_http: true}", "send a key over plain HTTP"),
        ("openai: {auth: none, base_url: 'http://127.0.0.1:1/v1'}", "send prompts to http://127.0.0.1:1"),
        ("ollama: {auth: none, base_url: 'http://127.0.0.1:1'}", "send prompts to http://127.0.0.1:1"),
        ("box: {dialect: openai-chat, base_url: 'http://box/v1'}", "send prompts to http://box"),
        ("box: {dialect: openai-chat, auth: none, base_url: 'https://evil.example/v1'}", "send prompts to"),
    ];
    for (entry, expected) in cases {
        let cli = project_harness(entry, "");
        cli.run(&["check"]).assert_exit_code(0).assert_stderr_contains(&["is not trusted", expected]);
    }
    for entry in [
        "openai: {base_url: 'HTTPS://API.openai.com:443/v2'}",
        "azure: {base_url: 'https://{resource}.openai.azure.com/openai/v1'}",
        "sim-openai: {base_url: 'http://localhost:1/v1'}",
        "box: {dialect: openai-chat, base_url: 'http://127.0.0.1:1/v1'}",
    ] {
        let output = project_harness(entry, "").run(&["check"]);
        assert!(!output.stderr.contains("not trusted"), "{entry}: {}", output.stderr);
    }
}

#[test]
fn check_trust_omits_untrusted_warning() {
    let cli = project_harness(
        "box: {dialect: openai-chat, base_url: 'https://box/v1', api_key: {env: BOX_KEY}}",
        "",
    );
    let output = cli
        .run(&["check", "--trust"])
        .assert_exit_code(0)
        .assert_stderr_contains(&["is now trusted; run `slalom check --trust` again after each edit"]);
    assert!(!output.stderr.contains("not trusted"), "{}", output.stderr);
}

#[test]
fn env_file_skips_empty_or_invalid_values() {
    let cli = project_harness("groq: {}", "");
    let text = b"GROQ_API_KEY=\nXAI_API_KEY=planted\nXAI_API_KEY=\nnote=\xff\nMISTRAL_API_KEY=planted\n";
    fs::write(cli.path(".env"), text).unwrap();
    let output = cli
        .run(&["check"])
        .assert_exit_code(0)
        .assert_stderr_contains(&[".env, line 4: expected NAME=VALUE"]);
    assert!(
        output.stdout.contains(".env: provides MISTRAL_API_KEY (variables already set take precedence)"),
        "{}",
        output.stdout
    );
}

const COMPLETION: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"x","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

/// An untrusted project: a loopback provider and a golden set in `sets/` with `set_lines`.
fn untrusted_project(host: &TestHost, set_lines: &str) -> CliHarness {
    let routes = format!("helper: {{dialect: openai-chat, base_url: '{}/v1'}}", host.url);
    let set = format!(
        "version: 1\nname: nice\nmodels: [helper/x]\nprompt: 'hi {{{{ q }}}}'\nassert: [contains: ok]\n{set_lines}\n"
    );
    project_harness(&routes, "GROQ_API_KEY=planted\n")
        .with_file("sets/set.yaml", &set)
        .with_file("sets/plain.txt", "harmless")
        .with_file("sets/plain.json", "[]")
        .with_file("sets/key.txt", "-----BEGIN OPENSSH PRIVATE KEY-----\nplanted\n")
        .with_file("sets/.env", "GROQ_API_KEY=planted\n")
        .with_file("sets/.aws/credentials", "planted")
        .with_file("secret.txt", "planted")
        .with_file("secret.json", r#"{"planted": true}"#)
        .with_file("secret.csv", "id,q\na,planted\n")
}

#[cfg(unix)]
#[test]
fn untrusted_set_reads_only_plain_files_in_folder() {
    const CASE: &str = "cases: [{id: one, vars: {q: x, where: '../secret.txt'}}]";
    for line in [
        "files: [../secret.txt]",
        "files: ['{{ where }}']",
        "files: ['{% if true %}..{% endif %}/secret.txt']",
        "files: [plain.txt, /proc/self/environ]",
        "files: [/proc/self/cwd/secret.txt]",
        "files: [link.txt]",
        "files: [linked/secret.txt]",
        "files: [.env]",
        "files: ['sub/../.env']",
        "files: [.aws/credentials]",
        "files: [key.txt]",
        "files: [fifo]",
        "request: {schema: ../secret.json}",
        "request: {tools: ../secret.json}",
        "prompts: {a: {prompt: hi, files: [../secret.txt]}}",
    ] {
        let host = TestHost::start(vec![("POST ", 200, COMPLETION.into())]);
        let own_prompt = if line.starts_with("prompts") { "prompt: 'hi {{ q }}'\n" } else { "" };
        let cli = untrusted_project(&host, &format!("{line}\n{CASE}"));
        let text = fs::read_to_string(cli.path("sets/set.yaml")).unwrap().replace(own_prompt, "");
        let cli = cli.with_file("sets/set.yaml", &text).with_file("sets/sub/x", "");
        std::os::unix::fs::symlink("../secret.txt", cli.path("sets/link.txt")).unwrap();
        std::os::unix::fs::symlink("..", cli.path("sets/linked")).unwrap();
        std::process::Command::new("mkfifo").arg(cli.path("sets/fifo")).status().unwrap();
        let output = cli
            .run(&["eval", "sets/set.yaml"])
            .assert_exit_code(2)
            .assert_stderr_contains(&["slalom check --trust"]);
        assert!(host.requests().is_empty(), "{line}: {}", output.stderr);
    }
}

#[test]
fn untrusted_set_rejects_cases_schemas_outside_folder() {
    for lines in [
        "cases_from: [../secret.csv]",
        "cases: [{id: one, vars: {q: x}, assert: [json-schema: ../secret.json]}]",
        "cases: [{id: one, vars: {q: x}, assert: [contains-json: ../secret.json]}]",
        "cases: [{id: one, vars: {q: x}, request: {schema: ../secret.json}}]",
    ] {
        let host = TestHost::start(vec![("POST ", 200, COMPLETION.into())]);
        let cli = untrusted_project(&host, lines);
        let output = cli
            .run(&["eval", "sets/set.yaml"])
            .assert_exit_code(2)
            .assert_stderr_contains(&["slalom check --trust"]);
        assert!(host.requests().is_empty(), "{lines}: {}", output.stderr);
        cli.run(&["check", "sets/set.yaml"]).assert_exit_code(2);
    }
}

#[test]
fn trusted_set_reads_files_outside_folder() {
    let host = TestHost::start(vec![("POST ", 200, COMPLETION.into())]);
    let lines = "files: [../secret.txt, plain.txt]\ncases: [{id: one, vars: {q: x}}]";
    let cli = untrusted_project(&host, lines);
    cli.run(&["check", "--trust"]).assert_exit_code(0);
    cli.run(&["eval", "sets/set.yaml"]).assert_exit_code(0);
    assert_eq!(host.requests().len(), 1);
    let untrusted = untrusted_project(&host, "files: [plain.txt]\ncases: [{id: one, vars: {q: x}}]");
    untrusted.run(&["eval", "sets/set.yaml"]).assert_exit_code(0);
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn untrusted_file_cannot_redirect_built_in_names() {
    let host = TestHost::start(vec![("POST ", 200, COMPLETION.into())]);
    let routes = format!(
        "helper: {{dialect: openai-chat, base_url: '{}/v1'}}\naliases: {{haiku: helper/claude-haiku-5-5, mine: helper/x}}\n\
         routes: {{everyday: {{candidates: [helper/x]}}, usual: {{candidates: ['route:own']}}, own: {{candidates: [mine]}}}}\n\
         defaults: {{route: usual}}",
        host.url
    );
    let set = "version: 1\nname: s\nprompt: hi\nassert: [contains: ok]\ncases: [{id: a}]\n";
    let cli = project_harness(&routes, "").with_file("set.yaml", set);
    for arguments in [
        &["ask", "-m", "haiku", "secret"][..],
        &["ask", "-m", " haiku ", "secret"],
        &["ask", "-m", "route:everyday", "secret"],
        &["ask", "secret"],
        &["route", "everyday", "secret"],
        &["compare", "-m", "haiku,mine", "secret"],
        &["eval", "set.yaml"],
        &["eval", "set.yaml", "-m", "haiku"],
        &["embed", "-m", "haiku", "secret"],
    ] {
        let output = cli.run(arguments).assert_exit_code(2).assert_stderr_contains(&["not trusted"]);
        assert!(host.requests().is_empty(), "{arguments:?}: {}", output.stderr);
    }
    for name in ["mine", "helper/x", "route:own"] {
        cli.run(&["ask", "-m", name, "hi"]).assert_exit_code(0);
    }
    assert_eq!(host.requests().len(), 3);
    cli.run(&["check", "--trust"]).assert_exit_code(0);
    cli.run(&["ask", "-m", "haiku", "hi"]).assert_exit_code(0);
    cli.run(&["ask", "hi"]).assert_exit_code(0);
    assert_eq!(host.requests().len(), 5);
}

#[test]
fn untrusted_alias_to_built_in_provider_works() {
    let cli = CliHarness::new().with_file(
        "routes.yaml",
        "version: 1\ndefaults: {route: everyday}\naliases: {haiku: sim-openai/good}\nroutes: {everyday: {candidates: [haiku]}}\n",
    );
    cli.run(&["ask", "-m", "haiku", "hi"]).assert_exit_code(0);
    cli.run(&["ask", "hi"]).assert_exit_code(0);
}
