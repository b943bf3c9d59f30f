//! Which project files the user has said yes to.

use std::io;
use std::path::{Path, PathBuf};

use super::config_file::app_dirs;
use crate::eval::Digest;
use etcetera::AppStrategy;

/// The digests of trusted files, in the state folder.
#[derive(Clone, Debug)]
pub struct TrustStore(Option<PathBuf>);

impl TrustStore {
    /// The user's own store.
    pub fn for_user() -> Self {
        Self(app_dirs().map(|f| f.state_dir().unwrap_or_else(|| f.data_dir()).join("trusted")))
    }

    /// Whether this very text at this path was trusted: an edit asks again.
    pub fn is_trusted(&self, path: &Path, text: &str) -> bool {
        let Some(listed) = self.0.as_ref().and_then(|store| std::fs::read_to_string(store).ok()) else {
            return false;
        };
        listed.lines().any(|line| line == trust_digest(path, text))
    }

    /// Trusts a text at a path.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn add(&self, path: &Path, text: &str) -> io::Result<()> {
        use std::io::Write as _;
        let store =
            self.0.as_ref().ok_or_else(|| io::Error::other("there is no home folder to keep it in"))?;
        if self.is_trusted(path, text) {
            return Ok(());
        }
        std::fs::create_dir_all(store.parent().unwrap_or(Path::new(".")))?;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(store)?;
        writeln!(file, "{}", trust_digest(path, text))
    }
}

fn trust_digest(path: &Path, text: &str) -> String {
    let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    Digest::of([place.as_os_str().as_encoded_bytes(), &[0], text.as_bytes()]).to_string()
}
