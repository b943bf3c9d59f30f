//! Keys echoed by a provider never appear on stdout or stderr, in reports, or in the ledger.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::harness::CliHarness;

/// One key per key source. The keys contain characters that URLs escape, and share a prefix so that
/// fragments are found.
const KEYS: [&str; 4] =
    ["pl4nt+ed/env-9174620", "pl4nt+ed/dotenv-558102", "pl4nt+ed/file-330471", "pl4nt+ed/command-7702"];

/// A host that echoes the key of each request in its response.
struct EchoServer {
    url: String,
    request_count: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl EchoServer {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let request_count = Arc::new(AtomicUsize::new(0));
        let app = axum::Router::new().fallback(echo_request).with_state(Arc::clone(&request_count));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { url, request_count, _runtime: runtime }
    }
}

/// The key headers and the URL, verbatim; also the key percent-encoded and in Base64.
fn encode_request_secrets(headers: &HeaderMap, uri: &Uri) -> String {
    let names = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
    let header_values: Vec<&str> =
        names.iter().filter_map(|name| headers.get(*name)?.to_str().ok()).collect();
    let header_values = header_values.join(" ");
    let key = header_values.trim_start_matches("Bearer ");
    let escaped = key.replace('+', "%2B").replace('/', "%2F");
    let in_base64 = [STANDARD_NO_PAD.encode(&header_values), URL_SAFE_NO_PAD.encode(key)];
    format!("{header_values} {uri}?key={escaped}&k={} {}", escaped.to_lowercase(), in_base64.join(" "))
}

async fn echo_request(
    State(request_count): State<Arc<AtomicUsize>>,
    headers: HeaderMap,
    uri: Uri,
    body: String,
) -> Response<Body> {
    request_count.fetch_add(1, Ordering::SeqCst);
    let secrets = encode_request_secrets(&headers, &uri);
    let quoted = serde_json::json!(secrets);
    let mentions = |word: &str| body.contains(word) || uri.path().contains(word);
    let (status, text) = if mentions("denied") {
        (401, format!(r#"{{"error":{{"message":{quoted},"type":{quoted},"code":{quoted}}}}}"#))
    } else if mentions("refused") {
        (400, format!(r#"{{"error":{{"message":{quoted},"param":{quoted}}},"more":{quoted}}}"#))
    } else if mentions("page") {
        (502, format!("<html><title>{secrets}</title><body>{secrets}</body></html>"))
    } else if mentions("garbled") {
        (200, format!("{secrets} is not JSON"))
    } else if mentions("broken") && mentions(r#""stream":true"#) {
        (200, format!("data: {{\"error\":{{\"message\":{quoted},\"code\":{quoted}}}}}\n\n"))
    } else if uri.path().ends_with("/models") {
        (200, format!(r#"{{"data":[{{"id":"m"}},{{"id":{quoted}}}]}}"#))
    } else {
        (
            200,
            format!(
                r#"{{"id":{quoted},"model":{quoted},"system_fingerprint":{quoted},{quoted}:{quoted},"choices":[{{"message":{{"role":"assistant","content":{quoted},{quoted}:1}},"finish_reason":"stop"}}],"content":[{{"type":"text","text":{quoted}}}],"candidates":[{{"content":{{"parts":[{{"text":{quoted}}}]}},"finishReason":"STOP"}}],"responseId":{quoted},"stop_reason":"end_turn","usage":{{"prompt_tokens":1,"completion_tokens":1}}}}"#
            ),
        )
    };
    let mut reply = Response::builder().status(status).header("content-type", "application/json");
    for name in ["x-request-id", "request-id", "www-authenticate", "location", "openai-organization"] {
        reply = reply.header(name, &secrets);
    }
    reply.body(Body::from(text)).unwrap()
}

/// Fails if `bytes` contain part of a key in plain text, percent-encoded, or in Base64.
#[track_caller]
fn assert_no_key(source: &str, bytes: &[u8]) {
    let mut forms: Vec<String> = vec!["pl4nt".into(), "pl4nt%2bed".into()];
    for key in KEYS {
        forms.push(key.replace('+', "%2B").replace('/', "%2F"));
        for lead in 0..3 {
            // Omit the ends, which also depend on the neighboring bytes.
            let encoded = STANDARD_NO_PAD.encode([&[b' '; 2][..lead], key.as_bytes()].concat());
            forms.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    for form in forms {
        let at = bytes.windows(form.len()).position(|window| window.eq_ignore_ascii_case(form.as_bytes()));
        if let Some(at) = at {
            let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
            panic!("{source} contains {form}: …{}…", String::from_utf8_lossy(around));
        }
    }
}

fn visit_files(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { visit_files(&path, visit) } else { visit(&path) }
    }
}

/// A project with one key from each source; all providers use `url`.
fn harness(url: &str) -> CliHarness {
    let routes = format!(
        "version: 1
providers:
  openai: {{base_url: '{url}/v1'}}
  anthropic: {{base_url: '{url}'}}
  gemini: {{base_url: '{url}/v1beta', api_key: {{file: key.txt}}}}
  mine: {{dialect: openai-chat, base_url: '{url}/v1', api_key: {{command: [cat, printed.txt]}}}}
routes:
  r: {{candidates: [openai/page, anthropic/refused-m, gemini/denied-m, mine/m]}}
"
    );
    let set = "version: 1\nname: s\nprompt: '{{ q }}'\nassert: [not-is-refusal, {contains: Paris}]\ncases: [{id: a, vars: {q: hi}}, {id: b, vars: {q: there}}]\n";
    let cli = CliHarness::new()
        .with_file("routes.yaml", &routes)
        .with_file("set.yaml", set)
        .with_env("OPENAI_API_KEY", KEYS[0])
        .with_file(".env", &format!("ANTHROPIC_API_KEY={}\n", KEYS[1]))
        .with_file("key.txt", &format!("{}\n", KEYS[2]))
        .with_file("printed.txt", &format!("{}\n", KEYS[3]))
        .with_file("out/empty", "");
    // A `.env` file that other users can read is ignored.
    fs::set_permissions(cli.path(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    cli
}

const KEY_FILES: [&str; 3] = [".env", "key.txt", "printed.txt"];

#[test]
fn echoed_keys_are_redacted_in_all_output() {
    let echo = EchoServer::start();
    let cli = harness(&echo.url);
    let runs = AtomicUsize::new(0);
    let run = |arguments: &[&str]| {
        // One ledger per run, because a rejected key goes into cooldown.
        let ledger = format!("state/{}.db", runs.fetch_add(1, Ordering::SeqCst));
        let all = [&["--config", "routes.yaml", "--ledger", &ledger][..], arguments].concat();
        let output = cli.run(&all);
        for (stream, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            assert_no_key(&format!("{stream} of {arguments:?}"), text.as_bytes());
        }
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
        assert_ne!(output.code, 2, "{arguments:?}: {}", output.stderr);
    };
    let providers = ["openai", "anthropic", "gemini", "mine"];
    let behaviors = ["m", "denied", "refused", "page", "garbled", "broken"];
    for model in providers.iter().flat_map(|p| behaviors.iter().map(move |b| format!("{p}/{b}"))) {
        for more in [&["-v"][..], &["--no-stream", "--json", "-v"]] {
            run(&[&["ask", "-m", &model, "hi"], more].concat());
        }
    }
    for more in [&["-v"][..], &["--json"], &["--dry-run"], &["--dry-run", "--json", "-v"], &["--no-stream"]] {
        run(&[&["route", "r", "hi"], more].concat());
    }
    run(&["route", "-v"]);
    for more in [&["-v"][..], &["--json", "-v"], &["--no-stream", "--json"]] {
        let models = "openai/m,anthropic/denied,gemini/refused,mine/garbled,mine/m";
        run(&[&["compare", "-m", models, "hi"], more].concat());
    }
    for more in [&[][..], &["-v"], &["--ping"], &["--ping", "--json", "-v"]] {
        run(&[&["check"], more].concat());
    }
    for more in [&[][..], &["--json"], &["-v"]] {
        run(&[&["models", "--available"], more].concat());
    }
    let models =
        "openai/m,anthropic/m,gemini/denied,mine/refused,openai/page,anthropic/garbled,mine/broken,route:r";
    let all = ["eval", "set.yaml", "-m", models, "--timeout", "5s"];
    run(&[&all[..], &["-v", "-o", "out/a.json", "-o", "out/a.csv"]].concat());
    run(&[&all[..], &["--no-stream", "--json", "-o", "out/b.json"]].concat());
    run(&[&all[..], &["--dry-run", "-v"]].concat());
    let request_count = echo.request_count.load(Ordering::SeqCst);
    assert!(request_count > 100, "only {request_count} requests");
    let mut checked = 0;
    visit_files(cli.home(), &mut |path| {
        if KEY_FILES.iter().all(|name| path.file_name().is_none_or(|found| found != *name)) {
            assert_no_key(&path.display().to_string(), &fs::read(path).unwrap());
            checked += 1;
        }
    });
    assert!(checked >= 5, "only {checked} files: expected at least routes, set, ledger, and reports");
}
