//! Which files a golden set may read.
//!
//! What a set reads, it sends to a model. A set that runs under an untrusted `routes.yaml` may come from a stranger, so it
//! reads only plain files inside its own folder, and none that usually holds a secret.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Which files a golden set may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// Any file that the user can read.
    Unrestricted,
    /// Files inside the set's folder that hold no secrets.
    SetFolderOnly,
}

/// The folder of a golden set, to which the paths in it are relative.
#[derive(Clone, Debug)]
pub(super) struct SetFolder {
    path: PathBuf,
    access: FileAccess,
}

impl SetFolder {
    /// The folder of the golden set at `set`.
    pub(super) fn of_set(set: &Path, access: FileAccess) -> Self {
        Self { path: set.parent().unwrap_or(Path::new("")).to_owned(), access }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file that the set names. A file that does not exist is left to the caller to report.
    ///
    /// # Errors
    /// Says why the set may not read the file.
    pub(super) fn file(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        if self.access == FileAccess::Unrestricted {
            return Ok(path);
        }
        let denied = |why: &str| {
            format!(
                "cannot read {}: {why}, and this project is not trusted; read its files, then run `slalom check --trust`",
                path.display()
            )
        };
        let folder = if self.path.as_os_str().is_empty() { Path::new(".") } else { &self.path };
        let folder =
            folder.canonicalize().map_err(|error| denied(&format!("its folder cannot be read ({error})")))?;
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
            return Err(denied("it may hold a secret"));
        }
        // The resolved path, so that a symlink replaced in the meantime changes nothing.
        Ok(resolved)
    }
}

/// Whether a path names a hidden file or folder (`.env`, `.aws/credentials`, `.git/config`) or a key file.
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

/// Whether a file holds a private key under a name of its own.
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
