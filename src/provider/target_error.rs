//! Why a model cannot be called: something is missing, unsafe, or invalid.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("`{provider}` has no API key: {variable} is not set")]
    NoKey { provider: String, variable: String },
    #[error("`{provider}` has no credentials: {why}")]
    NoCredentials { provider: String, why: String },
    #[error("`{provider}` has no API key: {path} {why}")]
    BadKeyFile { provider: String, path: String, why: String },
    /// Part of the base URL is unknown.
    #[error("`{provider}` has no {setting}: {}", missing_setting_hint(.variables, .setting))]
    NoSetting {
        provider: String,
        /// The setting's name in `routes.yaml`.
        setting: String,
        variables: Vec<String>,
    },
    /// A setting could change the host of the base URL.
    #[error("`{provider}` is not usable: `{setting}` contains characters that are not allowed in a URL")]
    BadSetting { provider: String, setting: String },
    #[error("refusing to send the key of `{provider}` over plain HTTP to {base_url}")]
    PlainHttp { provider: String, base_url: String },
    #[error("`{provider}` is not usable: the base URL `{base_url}` is not a plain http or https URL")]
    BadUrl { provider: String, base_url: String },
    /// User names and passwords would be visible wherever the URL is printed.
    #[error("`{provider}` is not usable: the base URL contains a user name or password")]
    UserInfoInUrl { provider: String },
    /// The provider comes from a project file that is not trusted.
    #[error("`{provider}` is not trusted: {why}")]
    Untrusted { provider: String, why: String },
    /// The key contains characters that are not allowed in a header.
    #[error("`{provider}` is not usable: the key contains characters that cannot be sent in a header")]
    BadKey { provider: String },
}

fn missing_setting_hint(variables: &[String], setting: &str) -> String {
    match variables {
        [] => format!("set `{setting}:` for this provider in routes.yaml"),
        variables => format!("{} is not set", variables.join(" or ")),
    }
}

impl TargetError {
    /// Whether something is only missing, such as a key, credentials, or a region.
    pub fn is_not_configured(&self) -> bool {
        match self {
            Self::NoKey { .. }
            | Self::NoCredentials { .. }
            | Self::BadKeyFile { .. }
            | Self::NoSetting { .. } => true,
            Self::BadSetting { .. }
            | Self::PlainHttp { .. }
            | Self::BadUrl { .. }
            | Self::UserInfoInUrl { .. }
            | Self::Untrusted { .. }
            | Self::BadKey { .. } => false,
        }
    }
}
