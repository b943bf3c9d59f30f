//! Tokens from a file, a metadata host, and a program, with a loopback host.

use std::path::Path;

use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::super::test_host::TestHost;
use super::*;
use crate::chat::FailureClass;

/// A key made for these tests; it grants no access. Stored without its PEM lines, so that secret scanners do
/// not report it.
fn test_private_key() -> String {
    let word = "PRIVATE KEY-----";
    format!("-----BEGIN {word}\n{}-----END {word}\n", include_str!("test_key.txt"))
}

fn find_source(
    environment: &[(&str, &str)],
    machine: &Path,
) -> Result<(GoogleCredentialSource, String), String> {
    let lookup = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    GoogleCredentialSource::find(&CloudEnvironment { environment: &lookup, dmi_folder: machine })
}

fn write_credentials_file(folder: &tempfile::TempDir, value: &serde_json::Value) -> String {
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, value.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn unreadable_default_credentials_end_the_search() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("application_default_credentials.json"), b"\xff").unwrap();
    let path = folder.path().display().to_string();
    let environment = [("CLOUDSDK_CONFIG", path.as_str()), ("GCE_METADATA_HOST", "127.0.0.1:1")];
    let why = find_source(&environment, folder.path()).unwrap_err();
    assert!(why.starts_with("cannot read ") && why.contains("application_default_credentials.json"), "{why}");
}

const SINCE_EPOCH: Duration = Duration::from_secs(1_800_000_000);

#[tokio::test]
async fn service_account_token_is_cached() {
    let answer = r#"{"access_token":"planted-token-1","expires_in":3599,"token_type":"Bearer"}"#;
    let host = TestHost::start(vec![("POST /token", 200, answer.into())]);
    let folder = tempfile::tempdir().unwrap();
    let token_uri = format!("{}/token", host.url);
    let account = json!({"type": "service_account", "client_email": "me@p.iam.gserviceaccount.com",
        "private_key_id": "k1", "private_key": test_private_key(), "token_uri": token_uri});
    let path = write_credentials_file(&folder, &account);
    let (source, origin) = find_source(&[("GOOGLE_APPLICATION_CREDENTIALS", &path)], folder.path()).unwrap();
    assert_eq!(origin, "a service account, GOOGLE_APPLICATION_CREDENTIALS");
    let google = GoogleTokens::new(source);
    assert!(!format!("{google:?}").contains("BEGIN"));
    for minutes in [0, 50] {
        let now = UNIX_EPOCH + SINCE_EPOCH + Duration::from_secs(60 * minutes);
        assert_eq!(google.token(now).await.unwrap().expose(), "planted-token-1");
    }
    let requests = host.requests();
    assert_eq!(requests.len(), 1, "the token is cached");
    let assertion = requests[0].rsplit_once("assertion=").unwrap().1;
    assert!(requests[0].contains("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&"));
    let parts: Vec<&str> = assertion.split('.').collect();
    let read = |part: &str| -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(read(parts[0]), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    assert_eq!(
        read(parts[1]),
        json!({"iss": "me@p.iam.gserviceaccount.com", "scope": SCOPE, "aud": token_uri,
            "iat": SINCE_EPOCH.as_secs(), "exp": SINCE_EPOCH.as_secs() + 3600})
    );
    let public = parse_rsa_key(&test_private_key()).unwrap().public_key().as_ref().to_vec();
    let signing_input = format!("{}.{}", parts[0], parts[1]);
    let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(signing_input.as_bytes(), &signature)
        .unwrap();
    // Within five minutes of its expiry, the token is refreshed.
    google.token(UNIX_EPOCH + SINCE_EPOCH + Duration::from_secs(60 * 56)).await.unwrap();
    assert_eq!(host.requests().len(), 2);
}

#[tokio::test]
async fn user_login_exchanges_refresh_token() {
    let refusal = r#"{"error":"invalid_grant","error_description":"Token has been revoked."}"#;
    let host = TestHost::start(vec![
        ("POST /revoked", 400, refusal.into()),
        ("POST /token", 200, r#"{"access_token":"t"}"#.into()),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let login = |path: &str| {
        json!({"type": "authorized_user", "client_id": "id", "client_secret": "planted-secret",
            "refresh_token": "planted/refresh", "token_uri": format!("{}{path}", host.url)})
    };
    let gcloud_folder = folder.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud_folder).unwrap();
    std::fs::write(gcloud_folder.join("application_default_credentials.json"), login("/token").to_string())
        .unwrap();
    let (source, _) = find_source(&[("HOME", folder.path().to_str().unwrap())], folder.path()).unwrap();
    assert_eq!(GoogleTokens::new(source).token(UNIX_EPOCH).await.unwrap().expose(), "t");
    assert!(host.requests()[0].ends_with(
        "grant_type=refresh_token&client_id=id&client_secret=planted-secret&refresh_token=planted%2Frefresh"
    ));
    let path = write_credentials_file(&folder, &login("/revoked"));
    let (source, _) = find_source(&[("GOOGLE_APPLICATION_CREDENTIALS", &path)], folder.path()).unwrap();
    let failure = GoogleTokens::new(source).token(UNIX_EPOCH).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Auth);
    assert!(failure.message.contains("400 (invalid_grant: Token has been revoked.)"), "{failure}");
    assert!(!failure.message.contains("planted"));
}

#[tokio::test]
async fn metadata_host_is_used_only_on_gcp() {
    let answer = r#"{"access_token":"t","expires_in":600}"#;
    let host = TestHost::start(vec![(
        "GET /computeMetadata/v1/instance/service-accounts/default/token",
        200,
        answer.into(),
    )]);
    let machine = tempfile::tempdir().unwrap();
    let address = host.url.trim_start_matches("http://");
    let (source, _) = find_source(&[("GCE_METADATA_HOST", address)], machine.path()).unwrap();
    assert_eq!(GoogleTokens::new(source).token(UNIX_EPOCH).await.unwrap().expose(), "t");
    assert!(host.requests()[0].to_lowercase().contains("metadata-flavor: google"));
    assert!(find_source(&[], machine.path()).unwrap_err().contains("no GOOGLE_APPLICATION_CREDENTIALS"));
    std::fs::write(machine.path().join("product_name"), "Google Compute Engine\n").unwrap();
    assert!(matches!(find_source(&[], machine.path()), Ok((GoogleCredentialSource::Metadata { .. }, _))));
    let unreachable = GoogleTokens::new(GoogleCredentialSource::Metadata { host: "127.0.0.1:1".into() });
    assert_eq!(unreachable.token(UNIX_EPOCH).await.unwrap_err().class, FailureClass::Unreachable);
}

#[test]
fn credentials_file_error_omits_content() {
    let folder = tempfile::tempdir().unwrap();
    for (value, expected) in [
        (json!({"type": "external_account", "private_key": "planted"}), "unsupported credentials type"),
        (json!({"type": "service_account", "client_email": "e"}), "no `private_key`"),
        (json!({"type": "authorized_user", "token_uri": "https://evil.example/token"}), "googleapis.com"),
        (json!({"type": "authorized_user", "token_uri": "http://oauth2.googleapis.com/"}), "googleapis.com"),
        (json!({"type": "authorized_user", "token_uri": "https://evilgoogleapis.com/"}), "googleapis.com"),
        (json!(["planted"]), "not a credentials file"),
    ] {
        let path = write_credentials_file(&folder, &value);
        let why = find_source(&[("GOOGLE_APPLICATION_CREDENTIALS", &path)], folder.path()).unwrap_err();
        assert!(why.contains(expected) && !why.contains("planted"), "{why}");
    }
    assert!(find_source(&[("GOOGLE_APPLICATION_CREDENTIALS", "/no/such")], folder.path()).is_err());
}
