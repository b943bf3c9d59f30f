//! Access tokens for Google Cloud: from a credentials file, the metadata service, or `gcloud`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;

use super::auth_failure::auth_failure;
use super::cloud_environment::{CloudEnvironment, home_folder, read_if_file};
use super::credential_client::CredentialClient;
use super::expiring_cache::{ExpiringCache, ExpiringValue};
use super::process;
use crate::chat::Failure;
use crate::dialect::percent_encode;
use crate::provider::{Credential, is_loopback};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Used if a credentials file does not specify one.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// `gcloud` prints a cached token without its expiry. With [`ExpiringCache`]'s margin, it is run again after
/// four minutes.
const GCLOUD_TOKEN_LIFETIME: Duration = Duration::from_secs(9 * 60);

/// For a token that another command prints. It is refreshed as often as one from `gcloud`.
pub(in crate::provider) const COMMAND_TOKEN_LIFETIME: Duration = Duration::from_secs(4 * 60);

#[derive(Clone, Debug)]
pub(in crate::provider) enum GoogleCredentialSource {
    /// A service account whose key signs the token request.
    ServiceAccount {
        email: String,
        key_id: Option<String>,
        key: Credential,
        token_uri: String,
    },
    /// A user login whose refresh token is exchanged.
    User {
        client_id: String,
        client_secret: Credential,
        refresh_token: Credential,
        token_uri: String,
    },
    /// The metadata service.
    Metadata {
        host: String,
    },
    Gcloud,
}

#[derive(Deserialize)]
struct GoogleCredentialsFile {
    r#type: String,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    token_uri: Option<String>,
}

impl GoogleCredentialSource {
    /// Finds the source and describes it, without running a command or sending a request.
    pub(in crate::provider) fn find(clouds: &CloudEnvironment<'_>) -> Result<(Self, String), String> {
        if let Some(path) = clouds.variable("GOOGLE_APPLICATION_CREDENTIALS") {
            let text = std::fs::read_to_string(&path)
                .map_err(|_| "cannot read the file in GOOGLE_APPLICATION_CREDENTIALS".to_owned())?;
            return parse_credentials_file(&text, "GOOGLE_APPLICATION_CREDENTIALS");
        }
        let default_path = clouds.variable("CLOUDSDK_CONFIG").map(PathBuf::from);
        let default_path =
            default_path.or_else(|| Some(home_folder(clouds.environment)?.join(".config/gcloud")));
        let default_path = default_path.map(|folder| folder.join("application_default_credentials.json"));
        if let Some(text) = default_path.map(|path| read_if_file(&path)).transpose()?.flatten() {
            return parse_credentials_file(&text, "gcloud's application default credentials");
        }
        let host = clouds.variable("GCE_METADATA_HOST");
        if host.is_some() || clouds.read_dmi("product_name").starts_with("Google") {
            let host = host.unwrap_or_else(|| "metadata.google.internal".to_owned());
            return Ok((Self::Metadata { host }, "the machine's service account".to_owned()));
        }
        let path = clouds.variable("PATH").unwrap_or_default();
        if std::env::split_paths(&path).any(|folder| folder.join(gcloud_program()).is_file()) {
            return Ok((Self::Gcloud, "`gcloud auth print-access-token`, run on first use".to_owned()));
        }
        Err("no GOOGLE_APPLICATION_CREDENTIALS and no application default credentials (run `gcloud auth application-default login`)".to_owned())
    }
}

fn gcloud_program() -> &'static str {
    if cfg!(windows) { "gcloud.cmd" } else { "gcloud" }
}

fn parse_credentials_file(text: &str, origin: &str) -> Result<(GoogleCredentialSource, String), String> {
    // The parser's message could quote a secret.
    let file: GoogleCredentialsFile = serde_json::from_str(text)
        .map_err(|_| format!("the file from {origin} is not a credentials file"))?;
    let token_uri = file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
    if !is_google_host(&token_uri) {
        return Err(format!(
            "the `token_uri` in the file from {origin} is not an https URL on googleapis.com"
        ));
    }
    let secret = |text: Option<String>| text.as_deref().and_then(Credential::new);
    let missing = |field: &str| format!("the file from {origin} has no `{field}`");
    match file.r#type.as_str() {
        "service_account" => {
            let source = GoogleCredentialSource::ServiceAccount {
                email: file.client_email.ok_or_else(|| missing("client_email"))?,
                key_id: file.private_key_id,
                key: secret(file.private_key).ok_or_else(|| missing("private_key"))?,
                token_uri,
            };
            Ok((source, format!("a service account, {origin}")))
        }
        "authorized_user" => {
            let source = GoogleCredentialSource::User {
                client_id: file.client_id.ok_or_else(|| missing("client_id"))?,
                client_secret: secret(file.client_secret).ok_or_else(|| missing("client_secret"))?,
                refresh_token: secret(file.refresh_token).ok_or_else(|| missing("refresh_token"))?,
                token_uri,
            };
            Ok((source, format!("a user's login, {origin}")))
        }
        _ => Err(format!(
            "unsupported credentials type in the file from {origin}; use `api_key: {{command: [gcloud, auth, print-access-token]}}` instead"
        )),
    }
}

/// Whether credentials may be sent to this address: only Google's hosts and loopback.
fn is_google_host(token_uri: &str) -> bool {
    reqwest::Url::parse(token_uri).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        let own = host == "googleapis.com" || host.ends_with(".googleapis.com");
        (own && url.scheme() == "https") || is_loopback(&url)
    })
}

/// Gets tokens and caches them until they expire.
#[derive(Debug)]
pub(in crate::provider) struct GoogleTokens {
    source: GoogleCredentialSource,
    cache: ExpiringCache<Credential>,
    client: CredentialClient,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: Option<u64>,
}

impl GoogleTokens {
    pub(in crate::provider) fn new(source: GoogleCredentialSource) -> Self {
        Self { source, cache: ExpiringCache::default(), client: CredentialClient::default() }
    }

    pub(super) async fn token(&self, now: SystemTime) -> Result<Credential, Failure> {
        self.cache.get_or_fetch(now, self.fetch_token(now)).await
    }

    async fn fetch_token(&self, now: SystemTime) -> Result<ExpiringValue<Credential>, Failure> {
        match &self.source {
            GoogleCredentialSource::ServiceAccount { email, key_id, key, token_uri } => {
                let assertion = sign_assertion(email, key_id.as_deref(), key, token_uri, now)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                self.exchange_grant(token_uri, &[("grant_type", grant), ("assertion", &assertion)], now).await
            }
            GoogleCredentialSource::User { client_id, client_secret, refresh_token, token_uri } => {
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose()),
                    ("refresh_token", refresh_token.expose()),
                ];
                self.exchange_grant(token_uri, &fields, now).await
            }
            GoogleCredentialSource::Metadata { host } => {
                let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
                let headers = [("metadata-flavor", "Google")];
                let text = self.client.fetch_text(Method::GET, &url, &headers, String::new()).await?;
                parse_token_response(&text, now)
            }
            GoogleCredentialSource::Gcloud => {
                let command = [gcloud_program(), "auth", "print-access-token"].map(str::to_owned);
                let printed = process::capture_stdout(&command, process::PROCESS_TIMEOUT).await?;
                let token =
                    printed.lines().next().and_then(Credential::new).filter(Credential::is_header_safe);
                Ok((
                    token.ok_or_else(|| auth_failure("`gcloud` printed no token"))?,
                    Some(now + GCLOUD_TOKEN_LIFETIME),
                ))
            }
        }
    }

    async fn exchange_grant(
        &self,
        token_uri: &str,
        fields: &[(&str, &str)],
        now: SystemTime,
    ) -> Result<ExpiringValue<Credential>, Failure> {
        let field = |(name, value): &(&str, &str)| format!("{name}={}", percent_encode(value, b"-_.~"));
        let body = fields.iter().map(field).collect::<Vec<_>>().join("&");
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        parse_token_response(&self.client.fetch_text(Method::POST, token_uri, &headers, body).await?, now)
    }
}

fn parse_token_response(text: &str, now: SystemTime) -> Result<ExpiringValue<Credential>, Failure> {
    // The parser's message could quote the token.
    let token: TokenResponse = serde_json::from_str(text)
        .map_err(|_| auth_failure("the token endpoint returned no access token"))?;
    let expiry = token.expires_in.and_then(|seconds| now.checked_add(Duration::from_secs(seconds)));
    let token = Credential::new(&token.access_token).filter(Credential::is_header_safe);
    Ok((token.ok_or_else(|| auth_failure("the token endpoint returned an empty access token"))?, expiry))
}

/// The signed JWT with which a service account requests a token.
fn sign_assertion(
    email: &str,
    key_id: Option<&str>,
    key: &Credential,
    token_uri: &str,
    now: SystemTime,
) -> Result<String, Failure> {
    let issued = now
        .duration_since(UNIX_EPOCH)
        .map_err(|_| auth_failure("the system clock is before 1970"))?
        .as_secs();
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = key_id {
        header["kid"] = id.into();
    }
    let claims = json!({"iss": email, "scope": SCOPE, "aud": token_uri, "iat": issued, "exp": issued + 3600});
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signing_input = format!("{}.{}", part(&header), part(&claims));
    let unusable = || auth_failure("the service account's `private_key` is not a PEM-encoded RSA key");
    let pair = parse_rsa_key(key.expose()).ok_or_else(unusable)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &ring::rand::SystemRandom::new(), signing_input.as_bytes(), &mut signature)
        .map_err(|_| unusable())?;
    Ok(format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn parse_rsa_key(pem: &str) -> Option<RsaKeyPair> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(body).ok()?;
    if pem.contains("BEGIN RSA PRIVATE KEY") {
        RsaKeyPair::from_der(&der).ok()
    } else {
        RsaKeyPair::from_pkcs8(&der).ok()
    }
}

#[cfg(test)]
#[path = "google_tests.rs"]
mod tests;
