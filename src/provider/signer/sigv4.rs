//! AWS Signature Version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

use super::auth_failure::auth_failure;
use crate::chat::Failure;
use crate::provider::{Credential, HttpMethod, OutgoingRequest};

/// Signing keys. Their `Debug` output shows no secrets.
#[derive(Clone, Debug)]
pub(in crate::provider) struct AwsKeys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Credential,
    pub(super) session_token: Option<Credential>,
}

/// The signing name of Bedrock's runtime service.
const SIGNING_SERVICE: &str = "bedrock";

/// Adds the signature headers. Signs every header that has been set so far.
pub(super) fn sign_request(
    outgoing: &mut OutgoingRequest,
    keys: &AwsKeys,
    region: &str,
    now: SystemTime,
) -> Result<(), Failure> {
    let credentials = Credentials::new(
        &keys.access_key_id,
        keys.secret_access_key.expose(),
        keys.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "slalom",
    );
    // The crate's errors never contain the secret.
    let failed = |error: &dyn std::fmt::Display| auth_failure(format!("cannot sign the request: {error}"));
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SIGNING_SERVICE)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?;
    // Sign the URL as the client sends it.
    let url = reqwest::Url::parse(&outgoing.url).map_err(|error| failed(&error))?;
    let headers = outgoing.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let method = match outgoing.method {
        HttpMethod::Post => "POST",
        HttpMethod::Get => "GET",
    };
    let request = SignableRequest::new(method, url.as_str(), headers, SignableBody::Bytes(&outgoing.body))
        .map_err(|error| failed(&error))?;
    let (instructions, _) = sign(request, &parameters.into()).map_err(|error| failed(&error))?.into_parts();
    let added: Vec<(String, String)> =
        instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in added {
        outgoing.set_header(&name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ring::{digest, hmac};

    use super::*;
    use crate::dialect::percent_encode;

    /// Signature Version 4 as documented by AWS, independent of the crate. Returns the signed headers and the
    /// signature.
    fn reference_signature(
        outgoing: &OutgoingRequest,
        host: &str,
        path: &str,
        query: &str,
        secret: &str,
        [date, scope]: [&str; 2],
    ) -> (String, String) {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let sha256 = |bytes: &[u8]| hex(digest::digest(&digest::SHA256, bytes).as_ref());
        let mut headers: Vec<(String, String)> = outgoing
            .headers
            .iter()
            .filter(|(name, _)| name != "authorization")
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .chain([("host".to_owned(), host.to_owned())])
            .collect();
        headers.sort();
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("POST\n{path}\n{query}\n{lines}\n{names}\n{}", sha256(&outgoing.body));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/') {
            key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
        }
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), to_sign.as_bytes());
        (names, hex(signed.as_ref()))
    }

    #[test]
    fn signature_matches_reference() {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let token = "AQoEXAMPLE/token==";
        let keys = AwsKeys {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Credential::new(secret).unwrap(),
            session_token: Credential::new(token),
        };
        let model = "us.anthropic.claude-haiku-4-5-20251001-v1%3A0";
        let mut outgoing = OutgoingRequest {
            model: None,
            method: HttpMethod::Post,
            url: format!("https://bedrock-runtime.eu-west-1.amazonaws.com/model/{model}/converse-stream"),
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("accept".into(), "application/vnd.amazon.eventstream".into()),
            ],
            body: bytes::Bytes::from_static(br#"{"messages":[]}"#),
        };
        // 2015-08-30T12:36:00Z, the time of AWS's published examples.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        sign_request(&mut outgoing, &keys, "eu-west-1", now).unwrap();
        let header = |name: &str| {
            let found = outgoing.headers.iter().find(|(n, _)| n == name);
            found.map(|(_, value)| value.clone()).unwrap_or_else(|| panic!("{name}"))
        };
        assert_eq!(
            (header("x-amz-date"), header("x-amz-security-token")),
            ("20150830T123600Z".into(), token.into())
        );
        let (names, expected) = reference_signature(
            &outgoing,
            "bedrock-runtime.eu-west-1.amazonaws.com",
            // Each path segment is encoded twice.
            &format!("/model/{}/converse-stream", percent_encode(model, b"-_.~")),
            "",
            secret,
            ["20150830T123600Z", "20150830/eu-west-1/bedrock/aws4_request"],
        );
        assert_eq!(
            header("authorization"),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/bedrock/aws4_request, SignedHeaders={names}, Signature={expected}"
            )
        );
        // The result of botocore 1.43.11 for the same request.
        assert_eq!(expected, "ada03181b5600f4b53f8150f37f9c352738bb592990804bf211e9f90c59c5fa6");
        assert!(names.contains("host;") && names.contains("content-type;"), "{names}");
        assert!(!format!("{keys:?}").contains("wJalr"));
    }

    #[test]
    fn signature_covers_method() {
        let keys = AwsKeys {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Credential::new("secret").unwrap(),
            session_token: None,
        };
        let signed = |method| {
            let url = "https://h/models".to_owned();
            let mut outgoing =
                OutgoingRequest { model: None, method, url, headers: Vec::new(), body: bytes::Bytes::new() };
            sign_request(&mut outgoing, &keys, "eu-west-1", SystemTime::UNIX_EPOCH).unwrap();
            outgoing.headers
        };
        assert_ne!(signed(HttpMethod::Get), signed(HttpMethod::Post));
    }

    /// AWS's published example `post-vanilla` checks the reference implementation itself.
    #[test]
    fn reference_signature_matches_published_example() {
        let outgoing = OutgoingRequest {
            model: None,
            method: HttpMethod::Post,
            url: String::new(),
            headers: vec![("x-amz-date".into(), "20150830T123600Z".into())],
            body: bytes::Bytes::new(),
        };
        let (names, signed) = reference_signature(
            &outgoing,
            "example.amazonaws.com",
            "/",
            "",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            ["20150830T123600Z", "20150830/us-east-1/service/aws4_request"],
        );
        assert_eq!(names, "host;x-amz-date");
        assert_eq!(signed, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    }
}
