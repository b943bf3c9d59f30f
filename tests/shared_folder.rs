//! The folder `shared` beside the repository, with recorded traffic and the vendors' schemas. A clone does not
//! have it, so tests that read it are marked `#[ignore = "needs ../shared"]`; `.ci/run` runs them by name if the
//! folder exists.

use std::path::{Path, PathBuf};

/// A path in the folder. It must exist, so that a test never passes without its data.
pub(crate) fn shared_path(relative: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(relative);
    assert!(path.exists(), "this test needs {}", path.display());
    path
}
