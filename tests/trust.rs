//! What a project's files may do before anybody has trusted them, through the real binary.

use std::fs;

use crate::test_host::TestHost;
use crate::tool::Tool;

/// A tool that reaches nobody but loopback, in a project with these two files.
fn project(routes: &str, env: &str) -> Tool {
    let routes = format!("version: 1\nproviders:\n  {routes}\n");
    let tool = Tool::new().file("routes.yaml", &routes).file(".env", env);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(tool.path(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    tool.env("HTTPS_PROXY", "http://127.0.0.1:1")
}

#[test]
fn the_env_file_moves_no_base_url_by_way_of_a_keys_name() {
    let host = TestHost::start(vec![("POST ", 200, "{}".into())]);
    let env = format!("OPENAI_BASE_URL={}/v1\nGROQ_API_KEY=planted\n", host.url);
    let tool = project("groq: {api_key: {env: OPENAI_BASE_URL}}", &env).env("OPENAI_API_KEY", "planted");
    let said = tool.run(&["check"]).exits(0).squeezed();
    assert!(said.contains(".env: gives GROQ_API_KEY where"), "{said}");
    tool.run(&["ask", "-m", "openai/gpt-6", "hi"]).exits(3);
    // Nor where the file is trusted: there it is a key, and a key alone.
    tool.run(&["--config", "routes.yaml", "ask", "-m", "openai/gpt-6", "hi"]).exits(3);
    assert!(host.asked().is_empty());
}

#[cfg(unix)]
#[test]
fn the_env_file_names_no_file_with_commands() {
    for entry in [
        "groq: {api_key: {env: AWS_CONFIG_FILE}}",
        "box: {dialect: openai-chat, base_url: 'https://box/v1', auth: none, api_key: {env: AWS_CONFIG_FILE}}",
    ] {
        let tool = project(entry, "AWS_CONFIG_FILE=evil\n");
        let marker = tool.path("ran");
        let tool = tool
            .file("evil", &format!("[default]\ncredential_process = touch {}\n", marker.display()))
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        for config in [&["ask"][..], &["--config", "routes.yaml", "ask"]] {
            let arguments = [config, &["-m", "bedrock/m", "hi"]].concat();
            tool.run(&arguments).exits(2).says(&["`bedrock` has no credentials"]);
        }
        assert!(!marker.exists());
    }
}

#[test]
fn no_host_passes_for_a_built_in_ones_own() {
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
    ];
    for (entry, words) in cases {
        let tool = project(entry, "");
        tool.run(&["check"]).exits(0).says(&["is not trusted yet", words]);
    }
    for entry in [
        "openai: {base_url: 'HTTPS://API.openai.com:443/v2'}",
        "azure: {base_url: 'https://{resource}.openai.azure.com/openai/v1'}",
        "ollama: {auth: none, base_url: 'http://127.0.0.1:1'}",
        "sim-openai: {base_url: 'http://localhost:1/v1'}",
        "box: {dialect: openai-chat, base_url: 'http://box/v1'}",
    ] {
        let ran = project(entry, "").run(&["check"]);
        assert!(!ran.stderr.contains("not trusted"), "{entry}: {}", ran.stderr);
    }
}

#[test]
fn trusting_warns_of_nothing_that_it_mends() {
    let tool =
        project("box: {dialect: openai-chat, base_url: 'https://box/v1', api_key: {env: BOX_KEY}}", "");
    let ran = tool.run(&["check", "--trust"]).exits(0).says(&["is trusted as it is now"]);
    assert!(!ran.stderr.contains("not trusted"), "{}", ran.stderr);
}

#[test]
fn an_env_file_gives_what_is_in_it_and_no_more() {
    let tool = project("groq: {}", "");
    let text = b"GROQ_API_KEY=\nXAI_API_KEY=planted\nXAI_API_KEY=\nnote=\xff\nMISTRAL_API_KEY=planted\n";
    fs::write(tool.path(".env"), text).unwrap();
    let ran = tool.run(&["check"]).exits(0).says(&[".env, line 4 is not NAME=VALUE"]);
    assert!(ran.stdout.contains(".env: gives MISTRAL_API_KEY where"), "{}", ran.stdout);
}
