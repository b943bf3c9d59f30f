//! Credentials from every source, against a host on loopback and folders of the tests' own.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::super::test_host::TestHost;
use super::*;
use crate::chat::FailureClass;

fn find(environment: &[(&str, &str)], machine: &Path) -> Result<(AwsSource, String), String> {
    let look = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    AwsSource::find(&Clouds { environment: &look, machine })
}

fn nowhere() -> &'static Path {
    Path::new("/no/such/folder")
}

async fn keys_of(source: AwsSource) -> Result<AwsKeys, Failure> {
    let aws = Aws::new(source, "eu-west-1".into());
    aws.held.get(UNIX_EPOCH, aws.get()).await
}

/// A home with these profiles.
fn home_with(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    home
}

#[tokio::test]
async fn the_environment_stands_before_the_profile() {
    let home = home_with("[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    let home = home.path().to_str().unwrap();
    let keys = [("HOME", home), ("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "planted-secret")];
    let (source, origin) = find(&keys, nowhere()).unwrap();
    assert_eq!(origin, "AWS_ACCESS_KEY_ID");
    assert!(!format!("{source:?}").contains("planted"));
    assert_eq!(keys_of(source).await.unwrap().access_key_id, "ENV");
    let (source, origin) = find(&keys[..2], nowhere()).unwrap();
    assert_eq!(origin, "the AWS profile `default`");
    assert_eq!(keys_of(source).await.unwrap().access_key_id, "FILE");
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_of_the_profile_prints_them() {
    let printed = r#"{"Version":1,"AccessKeyId":"ID","SecretAccessKey":"s","SessionToken":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
    let home = home_with(&format!(
        "[profile a]\ncredential_process = printf '%s' '{printed}'\n[profile b]\ncredential_process = printf '{{\"Version\":2}}'\n"
    ));
    let of = |name| find(&[("HOME", home.path().to_str().unwrap()), ("AWS_PROFILE", name)], nowhere());
    let (source, origin) = of("a").unwrap();
    assert!(origin.contains("credential_process"));
    let aws = Aws::new(source, "eu-west-1".into());
    let (keys, end) = aws.get().await.unwrap();
    assert_eq!((keys.access_key_id.as_str(), keys.session_token.unwrap().expose()), ("ID", "t"));
    assert_eq!(end, Some(UNIX_EPOCH + Duration::from_secs(1_893_456_000)));
    let failure = keys_of(of("b").unwrap().0).await.unwrap_err();
    assert!(failure.message.contains("another version"), "{failure}");
    assert!(of("c").unwrap_err().contains("no AWS profile `c`"));
}

#[test]
fn what_is_not_supported_names_the_way() {
    let home = home_with(
        "[profile a]\nrole_arn = x\nsource_profile = b\naws_access_key_id=1\naws_secret_access_key=2\n[profile b]\nsso_session = s\n[default]\nregion = eu-west-1\n",
    );
    let home = ("HOME", home.path().to_str().unwrap());
    for (name, key) in [("a", "role_arn"), ("b", "sso_session")] {
        let why = find(&[home, ("AWS_PROFILE", name)], nowhere()).unwrap_err();
        let way = format!(
            "credential_process = aws configure export-credentials --profile {name} --format process"
        );
        assert!(why.contains(key) && why.contains(&way), "{why}");
    }
    // A laptop with no more than a region never waits for a metadata address.
    assert!(find(&[home], nowhere()).unwrap_err().contains("AWS_BEARER_TOKEN_BEDROCK"));
}

#[tokio::test]
async fn a_containers_agent_gives_them() {
    let given =
        r#"{"AccessKeyId":"ID","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
    let host = TestHost::start(vec![("GET /creds", 200, given.into())]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "agent-token\n").unwrap();
    let url = format!("{}/creds", host.url);
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str());
    let (source, _) =
        find(&[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_str().unwrap())], nowhere()).unwrap();
    assert_eq!(keys_of(source).await.unwrap().session_token.unwrap().expose(), "t");
    assert!(host.asked()[0].contains("authorization: agent-token\r\n"), "{:?}", host.asked());
    for (url, may) in [
        ("http://169.254.170.23/v1", true),
        ("https://agent.example/", true),
        ("http://agent.example/", false),
        ("http://169.254.170.2.evil.example/", false),
        ("file:///etc/passwd", false),
    ] {
        assert_eq!(may_ask(url), may, "{url}");
    }
    let (source, _) = find(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")], nowhere()).unwrap();
    assert!(matches!(source, AwsSource::Container { url, .. } if url == "http://169.254.170.2/v2/x"));
}

#[tokio::test]
async fn an_instances_role_gives_them_after_a_token() {
    let given = r#"{"Code":"Success","AccessKeyId":"ID","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
    let host = TestHost::start(vec![
        ("PUT /latest/api/token", 200, "imds-token".into()),
        ("GET /latest/meta-data/iam/security-credentials/my-role", 200, given.into()),
        ("GET /latest/meta-data/iam/security-credentials/", 200, "my-role\n".into()),
    ]);
    let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", host.url.as_str());
    let (source, _) = find(&[endpoint], nowhere()).unwrap();
    assert_eq!(keys_of(source).await.unwrap().access_key_id, "ID");
    let asked = host.asked();
    assert!(asked[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 21600"));
    assert!(asked[1].contains("x-aws-ec2-metadata-token: imds-token"));
    assert!(find(&[endpoint, ("AWS_EC2_METADATA_DISABLED", "true")], nowhere()).is_err());
    let machine = tempfile::tempdir().unwrap();
    assert!(find(&[], machine.path()).is_err());
    std::fs::write(machine.path().join("sys_vendor"), "Amazon EC2\n").unwrap();
    assert!(matches!(find(&[], machine.path()), Ok((AwsSource::Instance { .. }, _))));
    let gone = AwsSource::Instance { endpoint: "http://127.0.0.1:1".into() };
    assert_eq!(keys_of(gone).await.unwrap_err().class, FailureClass::Unreachable);
}

#[test]
fn the_variable_that_leads_astray_is_named() {
    for (name, value) in [
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/"),
    ] {
        let why = find(&[(name, value)], nowhere()).unwrap_err();
        assert!(why.starts_with(name), "{why}");
    }
}
