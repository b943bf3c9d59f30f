//! AWS credentials, in the search order of the AWS tools: environment, profile, container, instance.

use std::time::SystemTime;

use reqwest::Method;
use serde::Deserialize;

use super::auth_failure::auth_failure;
use super::cloud_environment::CloudEnvironment;
use super::credential_client::CredentialClient;
use super::expiring_cache::{ExpiringCache, ExpiringValue};
use super::sigv4::{self, AwsKeys};
use super::{aws_profile, process};
use crate::chat::Failure;
use crate::provider::{Credential, OutgoingRequest, is_loopback};

#[derive(Clone, Debug)]
pub(in crate::provider) enum AwsCredentialSource {
    Keys(Box<AwsKeys>),
    /// `credential_process`: a program that prints keys.
    Process(Vec<String>),
    /// The container's credential agent.
    Container {
        url: String,
        token: ContainerToken,
    },
    /// The instance metadata service.
    Instance {
        endpoint: String,
    },
}

/// How requests to a container's agent are authorized.
#[derive(Clone, Debug)]
pub(in crate::provider) enum ContainerToken {
    None,
    Text(Credential),
    /// The path of a file, read for every request because the agent rotates the token.
    File(String),
}

/// Allowed addresses of container agents that are not loopback.
const CONTAINER_AGENT_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

impl AwsCredentialSource {
    /// Finds the source and describes it, without running a command or sending a request.
    pub(in crate::provider) fn find(clouds: &CloudEnvironment<'_>) -> Result<(Self, String), String> {
        let variable = |name: &str| clouds.variable(name);
        let key = |name: &str| clouds.key(name);
        if let (Some(id), Some(secret)) = (key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY")) {
            let keys = build_keys(id, &secret, key("AWS_SESSION_TOKEN").as_deref());
            return Ok((Self::Keys(Box::new(keys?)), "AWS_ACCESS_KEY_ID".to_owned()));
        }
        if let Some(found) = find_in_profile(clouds)? {
            return Ok(found);
        }
        if variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() {
            return Err(format!("web identity tokens are not supported; {}", export_hint("default")));
        }
        let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let source = if relative.is_some() { "RELATIVE" } else { "FULL" };
        if let Some(url) = relative.map(|path| format!("http://169.254.170.2{path}")).or(full) {
            if !is_allowed_endpoint(&url) {
                return Err(format!(
                    "AWS_CONTAINER_CREDENTIALS_{source}_URI must be an https, loopback, or container agent address"
                ));
            }
            let token = match (
                variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
                variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            ) {
                (Some(file), _) => ContainerToken::File(file),
                (None, Some(token)) => {
                    Credential::new(&token).map_or(ContainerToken::None, ContainerToken::Text)
                }
                (None, None) => ContainerToken::None,
            };
            return Ok((Self::Container { url, token }, "the container's credentials".to_owned()));
        }
        let endpoint = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let disabled = variable("AWS_EC2_METADATA_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        if !disabled && (endpoint.is_some() || is_ec2(clouds)) {
            let endpoint = endpoint.unwrap_or_else(|| "http://169.254.169.254".to_owned());
            let endpoint = endpoint.trim_end_matches('/').to_owned();
            return Ok((Self::Instance { endpoint }, "the instance's role".to_owned()));
        }
        Err("no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and no profile with keys (for a Bedrock API key, set AWS_BEARER_TOKEN_BEDROCK)".to_owned())
    }
}

fn build_keys(access_key_id: String, secret: &str, token: Option<&str>) -> Result<AwsKeys, String> {
    let keys = AwsKeys {
        access_key_id,
        secret_access_key: Credential::new(secret).ok_or("the secret key is empty")?,
        session_token: token.and_then(Credential::new),
    };
    let is_header_safe = keys.access_key_id.bytes().all(|b| b.is_ascii_graphic())
        && keys.session_token.as_ref().is_none_or(Credential::is_header_safe);
    if is_header_safe {
        Ok(keys)
    } else {
        Err("the keys contain characters that cannot be sent in a header".to_owned())
    }
}

/// How to use a profile with an unsupported kind of credentials.
fn export_hint(profile: &str) -> String {
    format!(
        "in ~/.aws/config, add a profile with `credential_process = aws configure export-credentials --profile {profile} --format process` and set AWS_PROFILE to it"
    )
}

fn find_in_profile(clouds: &CloudEnvironment<'_>) -> Result<Option<(AwsCredentialSource, String)>, String> {
    let profile = aws_profile::load_profile(clouds.environment)?;
    let origin = format!("the AWS profile `{}`", profile.name);
    if !profile.is_found {
        return match profile.is_explicit {
            true => Err(format!("unknown AWS profile `{}`", profile.name)),
            false => Ok(None),
        };
    }
    let unsupported = [
        "role_arn",
        "source_profile",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
        "login_session",
    ];
    let assumes_role = profile.get("role_arn").is_some();
    if let (false, Some(id), Some(secret)) =
        (assumes_role, profile.get("aws_access_key_id"), profile.get("aws_secret_access_key"))
    {
        let keys = build_keys(id.to_owned(), secret, profile.get("aws_session_token"))
            .map_err(|why| format!("{origin}: {why}"))?;
        return Ok(Some((AwsCredentialSource::Keys(Box::new(keys)), origin)));
    }
    if let (false, Some(line)) = (assumes_role, profile.get("credential_process")) {
        let command = aws_profile::split_command_line(line)
            .ok_or_else(|| format!("unclosed quote in the `credential_process` of {origin}"))?;
        return Ok(Some((AwsCredentialSource::Process(command), format!("{origin} (credential_process)"))));
    }
    match unsupported.into_iter().find(|key| profile.get(key).is_some()) {
        Some(key) => {
            Err(format!("{origin} uses `{key}`, which is not supported; {}", export_hint(&profile.name)))
        }
        // A profile with only a region does not end the search.
        None => Ok(None),
    }
}

fn is_allowed_endpoint(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        url.scheme() == "https"
            || (url.scheme() == "http" && (is_loopback(&url) || CONTAINER_AGENT_HOSTS.contains(&host)))
    })
}

/// Whether this machine is an EC2 instance. Elsewhere, the metadata address does not answer, and waiting for
/// it would waste time.
fn is_ec2(clouds: &CloudEnvironment<'_>) -> bool {
    clouds.read_dmi("sys_vendor") == "Amazon EC2"
        || clouds.read_dmi("product_uuid").to_lowercase().starts_with("ec2")
        || clouds.read_dmi("board_asset_tag").starts_with("i-")
}

/// Signs requests with credentials that are fetched on first use.
#[derive(Debug)]
pub(in crate::provider) struct AwsSigner {
    source: AwsCredentialSource,
    region: String,
    cache: ExpiringCache<AwsKeys>,
    client: CredentialClient,
}

impl AwsSigner {
    pub(in crate::provider) fn new(source: AwsCredentialSource, region: String) -> Self {
        Self { source, region, cache: ExpiringCache::default(), client: CredentialClient::default() }
    }

    /// Signs a request and returns the secrets that it now contains.
    pub(super) async fn sign(
        &self,
        outgoing: &mut OutgoingRequest,
        now: SystemTime,
    ) -> Result<Vec<Credential>, Failure> {
        let keys = self.cache.get_or_fetch(now, self.fetch_keys()).await?;
        sigv4::sign_request(outgoing, &keys, &self.region, now)?;
        Ok([Some(keys.secret_access_key), keys.session_token].into_iter().flatten().collect())
    }

    async fn fetch_keys(&self) -> Result<ExpiringValue<AwsKeys>, Failure> {
        match &self.source {
            AwsCredentialSource::Keys(keys) => Ok(((**keys).clone(), None)),
            AwsCredentialSource::Process(command) => {
                let printed = process::capture_stdout(command, process::PROCESS_TIMEOUT).await?;
                let program = command.first().map_or("", String::as_str);
                AwsCredentialsJson::parse(&printed, &format!("`{program}`"), true)
            }
            AwsCredentialSource::Container { url, token } => {
                let token = match token {
                    ContainerToken::None => None,
                    ContainerToken::Text(token) => Some(token.clone()),
                    ContainerToken::File(path) => {
                        let text = std::fs::read_to_string(path).map_err(|error| {
                            auth_failure(format!(
                                "cannot read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: {error}"
                            ))
                        })?;
                        Credential::new(&text)
                    }
                };
                let header = token.as_ref().map(|token| ("authorization", token.expose()));
                let headers: Vec<(&str, &str)> = header.into_iter().collect();
                let text = self.client.fetch_text(Method::GET, url, &headers, String::new()).await?;
                AwsCredentialsJson::parse(&text, "the container's agent", false)
            }
            AwsCredentialSource::Instance { endpoint } => self.fetch_instance_keys(endpoint).await,
        }
    }

    /// IMDSv2: fetches a token, the role's name, and the role's keys.
    async fn fetch_instance_keys(&self, endpoint: &str) -> Result<ExpiringValue<AwsKeys>, Failure> {
        let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
        let url = format!("{endpoint}/latest/api/token");
        let token = self.client.fetch_text(Method::PUT, &url, &ttl, String::new()).await?;
        let headers = [("x-aws-ec2-metadata-token", token.trim())];
        let url = format!("{endpoint}/latest/meta-data/iam/security-credentials/");
        let roles = self.client.fetch_text(Method::GET, &url, &headers, String::new()).await?;
        let role = roles.lines().map(str::trim).find(|line| !line.is_empty());
        let role = role.ok_or_else(|| auth_failure("the instance has no IAM role"))?;
        let url = format!("{url}{role}");
        let text = self.client.fetch_text(Method::GET, &url, &headers, String::new()).await?;
        AwsCredentialsJson::parse(&text, "the instance's metadata", false)
    }
}

/// Credentials in the JSON format of programs and services.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AwsCredentialsJson {
    version: Option<u64>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    #[serde(alias = "Token")]
    session_token: Option<String>,
    expiration: Option<String>,
}

impl AwsCredentialsJson {
    fn parse(text: &str, source: &str, versioned: bool) -> Result<ExpiringValue<AwsKeys>, Failure> {
        // The parser's message could quote a secret.
        let credentials: Self = serde_json::from_str(text)
            .map_err(|_| auth_failure(format!("{source} returned no JSON credentials")))?;
        if versioned && credentials.version != Some(1) {
            return Err(auth_failure(format!(
                "{source} returned credentials of an unsupported version (expected 1)"
            )));
        }
        let (Some(id), Some(secret)) = (credentials.access_key_id, credentials.secret_access_key) else {
            return Err(auth_failure(format!("{source} returned no `AccessKeyId` and `SecretAccessKey`")));
        };
        let keys = build_keys(id, &secret, credentials.session_token.as_deref())
            .map_err(|why| auth_failure(format!("{source}: {why}")))?;
        let expiry = match credentials.expiration {
            None => None,
            Some(text) => {
                let time = text.parse::<jiff::Timestamp>();
                Some(
                    time.map_err(|_| auth_failure(format!("{source} returned an invalid `Expiration`")))?
                        .into(),
                )
            }
        };
        Ok((keys, expiry))
    }
}

#[cfg(test)]
#[path = "aws_tests.rs"]
mod tests;
