//! Credentials from every source, with a loopback host and temporary directories.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::super::test_host::TestHost;
use super::*;
use crate::chat::FailureClass;

fn find_source(
    environment: &[(&str, &str)],
    machine: &Path,
) -> Result<(AwsCredentialSource, String), String> {
    let lookup = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    AwsCredentialSource::find(&CloudEnvironment { environment: &lookup, dmi_folder: machine })
}

fn missing_folder() -> &'static Path {
    Path::new("/no/such/folder")
}

async fn fetch_keys(source: AwsCredentialSource) -> Result<AwsKeys, Failure> {
    let aws = AwsSigner::new(source, "eu-west-1".into());
    aws.cache.get_or_fetch(UNIX_EPOCH, aws.fetch_keys()).await
}

fn home_with_config(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    home
}

#[tokio::test]
async fn environment_takes_precedence_over_profile() {
    let home = home_with_config("[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    let home = home.path().to_str().unwrap();
    let keys = [("HOME", home), ("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "planted-secret")];
    let (source, origin) = find_source(&keys, missing_folder()).unwrap();
    assert_eq!(origin, "AWS_ACCESS_KEY_ID");
    assert!(!format!("{source:?}").contains("planted"));
    assert_eq!(fetch_keys(source).await.unwrap().access_key_id, "ENV");
    let (source, origin) = find_source(&keys[..2], missing_folder()).unwrap();
    assert_eq!(origin, "the AWS profile `default`");
    assert_eq!(fetch_keys(source).await.unwrap().access_key_id, "FILE");
}

#[cfg(unix)]
#[tokio::test]
async fn credential_process_supplies_keys() {
    let printed = r#"{"Version":1,"AccessKeyId":"ID","SecretAccessKey":"s","SessionToken":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
    let home = home_with_config(&format!(
        "[profile a]\ncredential_process = printf '%s' '{printed}'\n[profile b]\ncredential_process = printf '{{\"Version\":2}}'\n"
    ));
    let find = |name| {
        find_source(&[("HOME", home.path().to_str().unwrap()), ("AWS_PROFILE", name)], missing_folder())
    };
    let (source, origin) = find("a").unwrap();
    assert!(origin.contains("credential_process"));
    let aws = AwsSigner::new(source, "eu-west-1".into());
    let (keys, expiry) = aws.fetch_keys().await.unwrap();
    assert_eq!((keys.access_key_id.as_str(), keys.session_token.unwrap().expose()), ("ID", "t"));
    assert_eq!(expiry, Some(UNIX_EPOCH + Duration::from_secs(1_893_456_000)));
    let failure = fetch_keys(find("b").unwrap().0).await.unwrap_err();
    assert!(failure.message.contains("unsupported version"), "{failure}");
    assert!(find("c").unwrap_err().contains("unknown AWS profile `c`"));
}

#[test]
fn unsupported_profile_error_suggests_credential_process() {
    let home = home_with_config(
        "[profile a]\nrole_arn = x\nsource_profile = b\naws_access_key_id=1\naws_secret_access_key=2\n[profile b]\nsso_session = s\n[default]\nregion = eu-west-1\n",
    );
    let home = ("HOME", home.path().to_str().unwrap());
    for (name, key) in [("a", "role_arn"), ("b", "sso_session")] {
        let why = find_source(&[home, ("AWS_PROFILE", name)], missing_folder()).unwrap_err();
        let line = format!(
            "credential_process = aws configure export-credentials --profile {name} --format process"
        );
        assert!(why.contains(key) && why.contains(&line), "{why}");
    }
    // A laptop with only a region configured does not wait for the metadata address.
    assert!(find_source(&[home], missing_folder()).unwrap_err().contains("AWS_BEARER_TOKEN_BEDROCK"));
}

#[tokio::test]
async fn container_endpoint_supplies_keys() {
    let response =
        r#"{"AccessKeyId":"ID","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
    let host = TestHost::start(vec![("GET /creds", 200, response.into())]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "agent-token\n").unwrap();
    let url = format!("{}/creds", host.url);
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str());
    let (source, _) = find_source(
        &[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_str().unwrap())],
        missing_folder(),
    )
    .unwrap();
    assert_eq!(fetch_keys(source).await.unwrap().session_token.unwrap().expose(), "t");
    assert!(host.requests()[0].contains("authorization: agent-token\r\n"), "{:?}", host.requests());
    for (url, allowed) in [
        ("http://169.254.170.23/v1", true),
        ("https://agent.example/", true),
        ("http://agent.example/", false),
        ("http://169.254.170.2.evil.example/", false),
        ("file:///etc/passwd", false),
    ] {
        assert_eq!(is_allowed_endpoint(url), allowed, "{url}");
    }
    let (source, _) =
        find_source(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")], missing_folder()).unwrap();
    assert!(
        matches!(source, AwsCredentialSource::Container { url, .. } if url == "http://169.254.170.2/v2/x")
    );
}

#[tokio::test]
async fn instance_role_supplies_keys() {
    let response = r#"{"Code":"Success","AccessKeyId":"ID","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
    let host = TestHost::start(vec![
        ("PUT /latest/api/token", 200, "imds-token".into()),
        ("GET /latest/meta-data/iam/security-credentials/my-role", 200, response.into()),
        ("GET /latest/meta-data/iam/security-credentials/", 200, "my-role\n".into()),
    ]);
    let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", host.url.as_str());
    let (source, _) = find_source(&[endpoint], missing_folder()).unwrap();
    assert_eq!(fetch_keys(source).await.unwrap().access_key_id, "ID");
    let requests = host.requests();
    assert!(requests[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 21600"));
    assert!(requests[1].contains("x-aws-ec2-metadata-token: imds-token"));
    assert!(find_source(&[endpoint, ("AWS_EC2_METADATA_DISABLED", "true")], missing_folder()).is_err());
    let machine = tempfile::tempdir().unwrap();
    assert!(find_source(&[], machine.path()).is_err());
    std::fs::write(machine.path().join("sys_vendor"), "Amazon EC2\n").unwrap();
    assert!(matches!(find_source(&[], machine.path()), Ok((AwsCredentialSource::Instance { .. }, _))));
    let unreachable = AwsCredentialSource::Instance { endpoint: "http://127.0.0.1:1".into() };
    assert_eq!(fetch_keys(unreachable).await.unwrap_err().class, FailureClass::Unreachable);
}

#[test]
fn invalid_container_uri_error_names_variable() {
    for (name, value) in [
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/"),
    ] {
        let why = find_source(&[(name, value)], missing_folder()).unwrap_err();
        assert!(why.starts_with(name), "{why}");
    }
}
