//! Provider URLs, keys, and request signing, checked against a loopback host that records requests.

use std::fs;

use crate::harness::{CliHarness, CliOutput};
use crate::test_host::TestHost;

const OPENAI_CHAT_RESPONSE: &str = r#"{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

fn start_chat_host() -> TestHost {
    TestHost::start(vec![("POST ", 200, OPENAI_CHAT_RESPONSE.into())])
}

/// Runs `ask -v` with an explicit config, which is trusted, and checks the output for secrets.
fn run_trusted_ask(cli: &CliHarness, model: &str) -> CliOutput {
    let routes = cli.path("routes.yaml");
    let output =
        cli.run(&["--config", routes.to_str().unwrap(), "-v", "ask", "--no-stream", "-m", model, "hi"]);
    assert_secrets_not_printed(output)
}

/// Every secret in these tests contains `planted`.
#[track_caller]
fn assert_secrets_not_printed(output: CliOutput) -> CliOutput {
    assert!(
        !output.stdout.contains("planted") && !output.stderr.contains("planted"),
        "{}{}",
        output.stdout,
        output.stderr
    );
    output
}

#[track_caller]
fn required_header(request: &str, name: &str) -> String {
    find_header(request, name).unwrap_or_else(|| panic!("missing {name} in {request}"))
}

fn find_header(request: &str, name: &str) -> Option<String> {
    let head = request.split("\r\n\r\n").next().unwrap();
    let line = head
        .lines()
        .skip(1)
        .find(|line| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name)))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn request_body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

/// Computes the AWS Signature Version 4 of a received request, independently of slalom's signer.
fn sigv4_signature(request: &str, secret: &str) -> String {
    use ring::{digest, hmac};
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let sha256 = |text: &str| hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    let authorization = required_header(request, "authorization");
    let part = |name: &str| {
        let rest = authorization.split_once(name).unwrap().1;
        rest.split(',').next().unwrap().to_owned()
    };
    let (names, credential) = (part("SignedHeaders="), part("Credential="));
    let scope = credential.split_once('/').unwrap().1;
    let path = request.split(' ').nth(1).unwrap().replace('%', "%25");
    let headers: String =
        names.split(';').map(|name| format!("{name}:{}\n", required_header(request, name))).collect();
    let canonical = format!("POST\n{path}\n\n{headers}\n{names}\n{}", sha256(request_body(request)));
    let date = required_header(request, "x-amz-date");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(&canonical));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), to_sign.as_bytes()).as_ref())
}

const BEDROCK_CONVERSE_RESPONSE: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hello"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}"#;

#[test]
fn bedrock_sigv4_signature_matches_sent_request() {
    let host = TestHost::start(vec![("POST /model/", 200, BEDROCK_CONVERSE_RESPONSE.into())]);
    let secret = "planted/secret+key";
    let routes = format!("version: 1\nproviders:\n  bedrock: {{base_url: '{}'}}\n", host.url);
    let cli = CliHarness::new().with_file("routes.yaml", &routes);
    let cli = cli.with_env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").with_env("AWS_SECRET_ACCESS_KEY", secret);
    run_trusted_ask(&cli, "bedrock/anthropic.claude-v1:0")
        .assert_exit_code(2)
        .assert_stderr_contains(&["no region", "AWS_REGION or AWS_DEFAULT_REGION"]);
    let cli = cli.with_env("AWS_SESSION_TOKEN", "planted-session").with_env("AWS_REGION", "eu-west-1");
    let output = run_trusted_ask(&cli, "bedrock/anthropic.claude-v1:0").assert_exit_code(0);
    assert_eq!(output.stdout, "hello\n");
    let request = &host.requests()[0];
    assert!(request.starts_with("POST /model/anthropic.claude-v1%3A0/converse "), "{request}");
    assert_eq!(required_header(request, "x-amz-security-token"), "planted-session");
    let authorization = required_header(request, "authorization");
    assert!(authorization.contains("/eu-west-1/bedrock/aws4_request"), "{authorization}");
    for name in ["content-type", "host", "x-amz-date", "x-amz-security-token"] {
        assert!(authorization.contains(name), "{authorization}");
    }
    let signed = authorization.rsplit_once("Signature=").unwrap().1;
    assert_eq!(signed, sigv4_signature(request, secret));
    // A Bedrock API key takes precedence over signing.
    let cli = cli.with_env("AWS_BEARER_TOKEN_BEDROCK", "planted-bearer");
    run_trusted_ask(&cli, "bedrock/m").assert_exit_code(0);
    assert_eq!(required_header(&host.requests()[1], "authorization"), "Bearer planted-bearer");
    let stdout = cli.run(&["check"]).collapsed_stdout();
    assert!(stdout.contains("bedrock `bedrock` is not trusted"), "{stdout}");
}

#[test]
fn check_reports_credential_status() {
    let cli = CliHarness::new();
    fs::create_dir(cli.home().join(".aws")).unwrap();
    let profile =
        "[default]\nregion = eu-west-1\naws_access_key_id = AKID\naws_secret_access_key = planted\n";
    fs::write(cli.home().join(".aws/config"), profile).unwrap();
    let cli = cli.with_env("PATH", "/no/such/folder").with_env("AZURE_API_KEY", "planted");
    let stdout = assert_secrets_not_printed(cli.run(&["check"])).assert_exit_code(0).collapsed_stdout();
    for expected in [
        "bedrock credentials found (the AWS profile `default`)",
        "vertex no credentials: no GOOGLE_APPLICATION_CREDENTIALS and no application default credentials",
        "azure no resource: AZURE_OPENAI_ENDPOINT or AZURE_RESOURCE_NAME is not set",
        "databricks no API key: DATABRICKS_TOKEN is not set",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    let cli = cli.with_env("AWS_PROFILE", "gone").with_env("GOOGLE_OAUTH_ACCESS_TOKEN", "planted");
    let cli = cli.with_env("AZURE_RESOURCE_NAME", "me").with_env("DATABRICKS_TOKEN", "planted");
    let stdout = assert_secrets_not_printed(cli.run(&["check"])).assert_exit_code(0).collapsed_stdout();
    for expected in [
        "bedrock no credentials: unknown AWS profile `gone`",
        "vertex no region: GOOGLE_CLOUD_LOCATION is not set",
        "azure key set (AZURE_API_KEY)",
        "databricks no host: DATABRICKS_HOST is not set",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    // A route skips a candidate without credentials.
    let routes = "version: 1\nroutes:\n  two: {candidates: [bedrock/m, sim-openai/good]}\n";
    let cli = cli.with_file("routes.yaml", routes);
    let output = cli.run(&["route", "two", "--json", "hi"]).assert_exit_code(0);
    assert_eq!(output.json()["skipped"][0]["reason"], "no_key");
    cli.run(&["ask", "-m", "vertex/gemini-3", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["no region", "hint: set GOOGLE_CLOUD_LOCATION"]);
}

#[test]
fn key_file_cases() {
    let host = start_chat_host();
    let routes = format!(
        "version: 1\nproviders:\n  box: {{dialect: openai-chat, base_url: '{}/v1', api_key: {{file: keys/box}}, auth: {{query: token}}}}\n",
        host.url
    );
    let cli = CliHarness::new().with_file("routes.yaml", &routes).with_file("keys/box", "planted key\n\n");
    run_trusted_ask(&cli, "box/m").assert_exit_code(0);
    assert!(
        host.requests()[0].starts_with("POST /v1/chat/completions?token=planted%20key HTTP"),
        "{:?}",
        host.requests()
    );
    let output = assert_secrets_not_printed(cli.run(&["--config", "routes.yaml", "check"]));
    assert!(output.collapsed_stdout().contains("box key set (the file keys/box)"), "{}", output.stdout);
    // An untrusted project file must not read key files.
    assert_secrets_not_printed(cli.run(&["ask", "-m", "box/m", "hi"]))
        .assert_exit_code(2)
        .assert_stderr_contains(&["would read a key from a file"]);
    let cli = cli.with_file("keys/box", "planted one\nplanted two\n");
    run_trusted_ask(&cli, "box/m")
        .assert_exit_code(2)
        .assert_stderr_contains(&["contains more than one line"]);
    fs::remove_file(cli.path("keys/box")).unwrap();
    run_trusted_ask(&cli, "box/m").assert_exit_code(2).assert_stderr_contains(&["keys/box does not exist"]);
    assert_eq!(host.requests().len(), 1);
}

#[cfg(unix)]
#[test]
fn key_command_runs_only_for_calls() {
    let host = start_chat_host();
    let cli = CliHarness::new();
    let marker = cli.path("ran");
    let routes = format!(
        "version: 1\nproviders:\n  box: {{dialect: openai-chat, base_url: '{}/v1', api_key: {{command: [sh, -c, 'echo ran >> {}; echo planted-by-command']}}}}\nroutes:\n  two: {{candidates: [box/a, box/b]}}\n",
        host.url,
        marker.display()
    );
    let cli = cli.with_file("routes.yaml", &routes);
    // Until the file is trusted, the command must not run.
    cli.run(&["ask", "-m", "box/m", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["would run a command", "slalom check --trust"]);
    cli.run(&["check"]).assert_exit_code(0);
    assert!(!marker.exists() && host.requests().is_empty());
    cli.run(&["check", "--trust"]).assert_exit_code(0);
    let stdout = cli.run(&["check"]).assert_exit_code(0).collapsed_stdout();
    assert!(stdout.contains("box key set (the command `sh`, run on first use)"), "{stdout}");
    cli.run(&["route", "two", "--dry-run", "hi"]).assert_exit_code(0);
    cli.run(&["route"]).assert_exit_code(0);
    assert!(!marker.exists());
    // Two models share one run of the command.
    assert_secrets_not_printed(cli.run(&["compare", "--no-stream", "-m", "box/a,box/b", "hi"]))
        .assert_exit_code(0);
    assert_eq!(fs::read_to_string(&marker).unwrap(), "ran\n");
    let requests = host.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(required_header(&request, "authorization"), "Bearer planted-by-command");
    }
    let failing = routes.replace("echo planted-by-command", "exit 4");
    let output = run_trusted_ask(&cli.with_file("routes.yaml", &failing), "box/m").assert_exit_code(3);
    output.assert_stderr_contains(&[
        "`sh` failed (exit status: 4)",
        "hint: test the credential source that `slalom check` shows; nothing was sent",
    ]);
}

#[test]
fn file_key_in_provider_error_is_redacted() {
    let refusal = r#"{"error":{"message":"no such key: planted-in-a-file-77","type":"x"}}"#;
    let host = TestHost::start(vec![("POST ", 401, refusal.into())]);
    let routes = format!(
        "version: 1\nproviders:\n  box: {{dialect: openai-chat, base_url: '{}/v1', api_key: {{file: key}}}}\n",
        host.url
    );
    let cli = CliHarness::new().with_file("routes.yaml", &routes).with_file("key", "planted-in-a-file-77");
    run_trusted_ask(&cli, "box/m").assert_exit_code(3).assert_stderr_contains(&["no such key: [redacted]"]);
}

#[cfg(unix)]
#[test]
fn env_file_cases() {
    use std::os::unix::fs::PermissionsExt;
    let host = start_chat_host();
    let routes = format!(
        "version: 1\nproviders:\n  box: {{dialect: openai-chat, base_url: '{}/v1', api_key: {{env: BOX_KEY}}}}\n",
        host.url
    );
    let env = format!(
        "export BOX_KEY='planted-env'\nnonsense planted\nOPENAI_API_KEY=planted\nOPENAI_BASE_URL={}/v1\n",
        host.url
    );
    let cli = CliHarness::new().with_file("routes.yaml", &routes).with_file(".env", &env);
    let set_mode =
        |mode: u32| fs::set_permissions(cli.path(".env"), fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o644);
    run_trusted_ask(&cli, "box/m").assert_exit_code(2).assert_stderr_contains(&[
        "warning: ignoring ",
        ".env: other users can access it; run `chmod 600 ",
        "BOX_KEY is not set",
    ]);
    set_mode(0o600);
    run_trusted_ask(&cli, "box/m")
        .assert_exit_code(0)
        .assert_stderr_contains(&[".env, line 2: expected NAME=VALUE; ignoring the line"]);
    assert_eq!(required_header(&host.requests()[0], "authorization"), "Bearer planted-env");
    // Without trust, `.env` sets keys of built-in providers only. It never sets a base URL.
    let stdout = assert_secrets_not_printed(cli.run(&["check"])).assert_exit_code(0).collapsed_stdout();
    assert!(stdout.contains(".env: provides OPENAI_API_KEY (variables already set"), "{stdout}");
    assert!(stdout.contains("openai key set (OPENAI_API_KEY)"), "{stdout}");
    // A variable that is already set wins; an empty variable counts as unset.
    let cli = cli.with_env("BOX_KEY", "planted-set");
    run_trusted_ask(&cli, "box/m").assert_exit_code(0);
    assert_eq!(required_header(&host.requests()[1], "authorization"), "Bearer planted-set");
    let cli = cli.with_env("BOX_KEY", "");
    run_trusted_ask(&cli, "box/m").assert_exit_code(0);
    assert_eq!(required_header(&host.requests()[2], "authorization"), "Bearer planted-env");
    fs::rename(cli.path(".env"), cli.path("real")).unwrap();
    std::os::unix::fs::symlink(cli.path("real"), cli.path(".env")).unwrap();
    run_trusted_ask(&cli, "box/m").assert_exit_code(2).assert_stderr_contains(&[": not a regular file"]);
}

#[test]
fn azure_path_and_auth_header_cases() {
    let host = start_chat_host();
    let cli = CliHarness::new()
        .with_file("routes.yaml", "version: 1\n")
        .with_env("AZURE_OPENAI_ENDPOINT", &host.url);
    let cli =
        cli.with_env("AZURE_OPENAI_API_KEY", "planted-azure").with_env("OPENAI_API_VERSION", "2024-10-21");
    run_trusted_ask(&cli, "azure/my-gpt").assert_exit_code(0);
    let cli = cli
        .with_env("OPENAI_API_VERSION", "")
        .with_env("AZURE_OPENAI_API_KEY", "")
        .with_env("AZURE_OPENAI_AD_TOKEN", "planted-entra");
    run_trusted_ask(&cli, "azure/my-gpt").assert_exit_code(0);
    let requests = host.requests();
    assert!(
        requests[0].starts_with("POST /openai/deployments/my-gpt/chat/completions?api-version=2024-10-21 "),
        "{}",
        requests[0]
    );
    assert_eq!(
        (required_header(&requests[0], "api-key").as_str(), find_header(&requests[0], "authorization")),
        ("planted-azure", None)
    );
    assert!(requests[1].starts_with("POST /openai/v1/chat/completions "), "{}", requests[1]);
    assert_eq!(required_header(&requests[1], "authorization"), "Bearer planted-entra");
    assert_eq!(find_header(&requests[1], "api-key"), None);
}

#[test]
fn vertex_shares_one_token_across_publishers() {
    let gemini = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}"#;
    let claude = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let host = TestHost::start(vec![
        ("POST /token", 200, r#"{"access_token":"planted-token","expires_in":3600}"#.into()),
        (
            "POST /v1/projects/p-1/locations/eu/publishers/google/models/gemini-3:generateContent ",
            200,
            gemini.into(),
        ),
        (
            "POST /v1/projects/p-1/locations/eu/publishers/anthropic/models/claude-x:rawPredict ",
            200,
            claude.into(),
        ),
    ]);
    let credentials = format!(
        r#"{{"type":"authorized_user","client_id":"c","client_secret":"planted-s","refresh_token":"planted-r","token_uri":"{}/token"}}"#,
        host.url
    );
    let routes = format!(
        "version: 1\nproviders:\n  vertex: {{base_url: '{}/v1/projects/{{project}}/locations/{{region}}', region: eu, project: p-1}}\n",
        host.url
    );
    let cli = CliHarness::new().with_file("routes.yaml", &routes).with_file("credentials.json", &credentials);
    let path = cli.path("credentials.json");
    let cli = cli.with_env("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
    let arguments =
        ["--config", "routes.yaml", "compare", "--no-stream", "-m", "vertex/gemini-3,vertex/claude-x", "hi"];
    assert_secrets_not_printed(cli.run(&arguments)).assert_exit_code(0);
    let requests = host.requests();
    let tokens = requests.iter().filter(|request| request.starts_with("POST /token")).count();
    assert_eq!((tokens, requests.len()), (1, 3));
    for request in requests.iter().filter(|request| !request.starts_with("POST /token")) {
        assert_eq!(required_header(request, "authorization"), "Bearer planted-token");
    }
    let claude = requests.iter().find(|request| request.contains("rawPredict")).unwrap();
    assert!(
        request_body(claude).contains(r#""anthropic_version":"vertex-2023-10-16""#)
            && !request_body(claude).contains("claude-x")
    );
    assert_eq!(find_header(claude, "anthropic-version"), None);
    // An error from the token host fails the attempt.
    let cli = cli.with_file("credentials.json", &credentials.replace("/token", "/gone"));
    run_trusted_ask(&cli, "vertex/gemini-3")
        .assert_exit_code(3)
        .assert_stderr_contains(&["no credentials from 127.0.0.1: HTTP status 404"]);
}

#[test]
fn invalid_provider_entry_exits_2() {
    for (entry, expected) in [
        ("headers: {Authorization: Bearer planted}", "header `authorization` would carry a key"),
        ("headers: {x-api-key: planted}", "header `x-api-key` would carry a key"),
        ("headers: {Transfer-Encoding: chunked}", "header `transfer-encoding` cannot be set"),
        ("headers: {host: evil}", "header `host` cannot be set"),
        ("headers: {x-note: \"a\\nb\"}", "invalid value for header `x-note`"),
        ("query: {api_key: planted}", "query parameter `api_key` would carry a key"),
        ("query: {'a b': x}", "invalid query parameter name"),
        ("region: 'x.evil.com/'", "invalid `region`: cannot be part of a URL"),
        ("region: eu-west-1", "`openai` does not use `region`"),
        ("api_version: v2", "`api_version` is supported only for Azure"),
        ("dialect: openai-chatt", "routes.yaml:3:21"),
        ("dialect: openai-chatt", "did you mean `openai-chat`?"),
        ("dialects: {openai-response: ['*']}", "did you mean `openai-responses`?"),
        ("auth: sigv5", "unknown auth scheme `"),
        ("auth: {header: Host}", "header `host` cannot carry a key"),
        ("auth: {header: content-length}", "header `content-length` cannot carry a key"),
        ("api_key: {env: A, file: b}", "`api_key` needs exactly one of `env`, `file`, or `command`"),
        ("api_key: {command: []}", "missing program in `command`"),
        ("base_url: 'https://{host}/v1'", "unknown setting `{host}` in `base_url`"),
    ] {
        let routes = format!("version: 1\nproviders:\n  openai: {{{entry}}}\n");
        let output =
            assert_secrets_not_printed(CliHarness::new().with_file("routes.yaml", &routes).run(&["check"]))
                .assert_exit_code(2);
        output.assert_stderr_contains(&[expected, "routes.yaml:3:"]);
    }
}

#[test]
fn check_warns_about_untrusted_provider_settings() {
    for entry in [
        "azure: {resource: theirs}",
        "portkey: {headers: {x-portkey-custom-host: evil}}",
        "openai: {query: {to: evil}}",
        "vertex: {base_url: 'https://{region}.evil.example'}",
        "vertex: {base_url: 'https://evil.example/{project}', auth: none}",
        "theirs: {dialect: bedrock, base_url: 'https://evil.example', auth: google}",
    ] {
        let cli = CliHarness::new().with_file("routes.yaml", &format!("version: 1\nproviders:\n  {entry}\n"));
        cli.run(&["check"]).assert_exit_code(0).assert_stderr_contains(&["is not trusted"]);
    }
    // Changing the region, project, or account keeps the vendor's host, so no trust is needed.
    for entry in
        ["bedrock: {region: eu-west-1}", "vertex: {region: eu, project: p}", "cloudflare: {account: a}"]
    {
        let cli = CliHarness::new().with_file("routes.yaml", &format!("version: 1\nproviders:\n  {entry}\n"));
        let output = cli.run(&["check"]).assert_exit_code(0);
        assert!(!output.stderr.contains("not trusted"), "{}", output.stderr);
    }
}

#[test]
fn provider_alias_resolves_unless_redefined() {
    let cli = CliHarness::new();
    cli.run(&["ask", "-m", "qwen/qwen-max", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["`dashscope` has no API key: DASHSCOPE_API_KEY"]);
    let routes = "version: 1\nroutes:\n  r: {candidates: [zhipu/glm-5, sim-openai/good]}\n";
    let output =
        cli.with_file("routes.yaml", routes).run(&["route", "r", "--json", "hi"]).assert_exit_code(0);
    assert_eq!(output.json()["skipped"][0]["provider"], "zai");
    // A file may define its own provider under an alias name.
    let host = start_chat_host();
    let routes =
        format!("version: 1\nproviders:\n  qwen: {{dialect: openai-chat, base_url: '{}/v1'}}\n", host.url);
    run_trusted_ask(&CliHarness::new().with_file("routes.yaml", &routes), "qwen/m").assert_exit_code(0);
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn model_selects_dialect_unless_configured() {
    let host = TestHost::start(vec![
        ("POST /v1/responses ", 400, "{}".into()),
        ("POST ", 200, OPENAI_CHAT_RESPONSE.into()),
    ]);
    let cli = CliHarness::new()
        .with_file("routes.yaml", "version: 1\n")
        .with_env("OPENAI_BASE_URL", &format!("{}/v1", host.url));
    let cli = cli.with_env("OPENAI_API_KEY", "planted");
    run_trusted_ask(&cli, "openai/gpt-6-pro").assert_exit_code(3);
    run_trusted_ask(&cli, "openai/gpt-6").assert_exit_code(0);
    assert!(host.requests()[0].starts_with("POST /v1/responses "));
    assert!(host.requests()[1].starts_with("POST /v1/chat/completions "));
    // A configured dialect applies to all models.
    let routes =
        format!("version: 1\nproviders:\n  openai: {{dialect: openai-chat, base_url: '{}/v1'}}\n", host.url);
    run_trusted_ask(&cli.with_file("routes.yaml", &routes), "openai/gpt-6-pro").assert_exit_code(0);
    assert!(host.requests()[2].starts_with("POST /v1/chat/completions "));
}

#[test]
fn embed_timeout_exits_4() {
    // The listener accepts connections but never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let cli = CliHarness::new().with_file("routes.yaml", "version: 1\n").with_env("OPENAI_BASE_URL", &url);
    let cli = cli.with_env("OPENAI_API_KEY", "planted");
    let embed = ["embed", "-m", "openai/text-embedding-3-small", "--timeout", "250ms", "hi"];
    cli.run(&embed)
        .assert_exit_code(4)
        .assert_stderr_contains(&["no embeddings within 0.3 s", "hint: raise --timeout"]);
    let host = TestHost::start(vec![("POST ", 401, "{}".into())]);
    let cli = cli.with_env("OPENAI_BASE_URL", &host.url);
    cli.run(&embed).assert_exit_code(3).assert_stderr_contains(&["hint: check that the key is valid"]);
}

#[cfg(unix)]
#[test]
fn embed_missing_or_non_utf8_input_exits_2() {
    use std::io::Write;
    let cli = CliHarness::new();
    cli.run(&["embed", "-m", "sim-openai/good"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["missing text"]);
    let mut command = cli.command(&["embed", "-m", "sim-openai/good"]);
    let pipe = std::process::Stdio::piped;
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\n\xff\n").unwrap();
    let output: CliOutput = child.wait_with_output().unwrap().into();
    output
        .assert_exit_code(2)
        .assert_stderr_contains(&["stdin is not valid UTF-8", "hint: pipe in UTF-8 text"]);
}
