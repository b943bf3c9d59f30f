//! Which files a golden set may read.
//!
//! Whatever a set reads is sent to a model. A set under an untrusted `routes.yaml` may be malicious, so it
//! reads only regular files in its own folder, and none that usually holds a secret.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// Any file that the user can read.
    Unrestricted,
    /// Regular files in the set's folder that probably hold no secrets.
    SetFolderOnly,
}

/// The folder that the paths in a golden set are relative to.
#[derive(Clone, Debug)]
pub(super) struct SetFolder {
    path: PathBuf,
    access: FileAccess,
}

impl SetFolder {
    pub(super) fn of_set(set: &Path, access: FileAccess) -> Self {
        Self { path: set.parent().unwrap_or(Path::new("")).to_owned(), access }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Resolves a file name, or returns why the set may not read the file. The caller reports a missing file.
    pub(super) fn file(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        if self.access == FileAccess::Unrestricted {
            return Ok(path);
        }
        let denied = |why: &str| {
            format!(
                "cannot read {}: {why}, and this project is not trusted; review the project, then run `slalom check --trust`",
                path.display()
            )
        };
        let folder = if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path };
        let folder =
            folder.canonicalize().map_err(|error| denied(&format!("cannot read its folder ({error})")))?;
        let resolved = match path.canonicalize() {
            Ok(resolved) => resolved,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(denied(&error.to_string())),
        };
        let Ok(inside) = resolved.strip_prefix(&folder) else {
            return Err(denied("it is outside the golden set's folder"));
        };
        if !resolved.is_file() {
            return Err(denied("it is not a regular file"));
        }
        if may_hold_secret(inside) || begins_like_private_key(&resolved) {
            return Err(denied("it may contain a secret"));
        }
        // Return the resolved path, so that replacing a symlink later has no effect.
        Ok(resolved)
    }
}

/// Whether a path contains a hidden file or folder (`.env`, `.aws/credentials`, `.git/config`) or is a key
/// file.
fn may_hold_secret(path: &Path) -> bool {
    let hidden = |component: Component| component.as_os_str().as_encoded_bytes().starts_with(b".");
    let lower = |text: Option<&OsStr>| text.unwrap_or_default().to_string_lossy().to_lowercase();
    let (name, extension) = (lower(path.file_name()), lower(path.extension()));
    path.components().any(hidden)
        || matches!(
            extension.as_str(),
            "env"
                | "key"
                | "pem"
                | "p8"
                | "p12"
                | "pfx"
                | "pkcs12"
                | "jks"
                | "keystore"
                | "kdbx"
                | "ppk"
                | "asc"
                | "gpg"
        )
        || ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "credentials", "application_default_credentials"]
            .iter()
            .any(|known| name.starts_with(known))
}

/// Detects private keys in files with other names.
fn begins_like_private_key(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    let text = String::from_utf8_lossy(&start);
    read.is_ok() && text.contains("-----BEGIN ") && text.contains("PRIVATE KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_file_name_cases() {
        for name in [
            ".env",
            ".env.local",
            "prod.env",
            "x/.aws/credentials",
            ".git/config",
            "tls.key",
            "a.PEM",
            "ID_RSA",
            "id_ed25519.bak",
            "credentials.json",
        ] {
            assert!(may_hold_secret(Path::new(name)), "{name}");
        }
        for name in ["a.txt", "pictures/cat.png", "keys.csv", "environment.md", "schema.json", "a..b.txt"] {
            assert!(!may_hold_secret(Path::new(name)), "{name}");
        }
    }
}
