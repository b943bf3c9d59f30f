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
