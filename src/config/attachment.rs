//! Loads the files of a prompt: inserts text, and attaches images and PDFs.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::chat::{Attachment, AttachmentSource, Part};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct AttachmentError {
    pub message: String,
    /// `None` if the file cannot be read; the caller knows what its path is relative to.
    pub hint: Option<String>,
}

impl AttachmentError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Adds a hint to an error that has none.
    pub(crate) fn or_hint(self, hint: &str) -> Self {
        if self.hint.is_none() { self.with_hint(hint) } else { self }
    }

    fn with_hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }
}

/// `find` resolves the name to a path, or returns the reason why the file must not be read.
pub(crate) fn load_attachment(
    name: &str,
    find: impl FnOnce(&str) -> Result<PathBuf, String>,
) -> Result<Part, AttachmentError> {
    if name.starts_with("https://") || name.starts_with("http://") {
        return attachment_from_url(name);
    }
    let bytes = read_limited(&find(name).map_err(AttachmentError::new)?)?;
    let Some(media_type) = sniff_media_type(&bytes) else {
        let text = Some(bytes).filter(|bytes| !bytes.contains(&0)).and_then(|b| String::from_utf8(b).ok());
        let text = text.ok_or_else(|| {
            AttachmentError::new(format!("unsupported file type `{name}`: expected text, an image, or a PDF"))
                .with_hint("use PNG, JPEG, GIF, or WebP for images")
        })?;
        return Ok(Part::from_text(format!("<file name=\"{name}\">\n{}\n</file>", text.trim_end())));
    };
    let file_name = Path::new(name).file_name().map(|n| n.to_string_lossy().into_owned());
    let source = AttachmentSource::Base64(STANDARD.encode(&bytes));
    Ok(match media_type {
        "application/pdf" => {
            Part::Document(Attachment { media_type: media_type.to_owned(), source, name: file_name })
        }
        image_type => Part::Image(Attachment { media_type: image_type.to_owned(), source, name: None }),
    })
}

/// No provider accepts a larger request.
const MAX_ATTACHMENT_BYTES: u64 = 64 << 20;

fn read_limited(path: &Path) -> Result<Vec<u8>, AttachmentError> {
    use std::io::Read as _;
    let wrong =
        |why: &dyn std::fmt::Display| AttachmentError::new(format!("cannot read {}: {why}", path.display()));
    let mut bytes = Vec::new();
    // A device may have no end, so limit how much is read.
    let file = std::fs::File::open(path).map_err(|error| wrong(&error))?;
    file.take(MAX_ATTACHMENT_BYTES + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > MAX_ATTACHMENT_BYTES {
        let larger = wrong(&format_args!("larger than {} MiB", MAX_ATTACHMENT_BYTES >> 20));
        return Err(larger.with_hint("use a smaller file"));
    }
    Ok(bytes)
}

/// Attaches the URL for the provider to fetch. The media type follows from the file extension.
fn attachment_from_url(url: &str) -> Result<Part, AttachmentError> {
    let host = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
    if host.is_empty() || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(AttachmentError::new(format!("invalid image or PDF URL `{url}`"))
            .with_hint("use a URL with a host and without spaces"));
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let extension = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let media_type = match extension.as_str() {
        "png" | "gif" | "webp" | "jpeg" => format!("image/{extension}"),
        "pdf" => {
            let source = AttachmentSource::Url(url.to_owned());
            return Ok(Part::Document(Attachment {
                media_type: "application/pdf".to_owned(),
                source,
                name: None,
            }));
        }
        "txt" | "md" | "html" | "json" | "csv" => {
            return Err(AttachmentError::new(format!("`{url}` is not an image or a PDF"))
                .with_hint("download it and pass the file (providers fetch only images and PDFs)"));
        }
        // Anything else is probably a JPEG: `jpg`, or a URL without an extension.
        _ => "image/jpeg".to_owned(),
    };
    Ok(Part::Image(Attachment { media_type, source: AttachmentSource::Url(url.to_owned()), name: None }))
}

/// Recognizes the type by its magic bytes; `None` for any other type.
fn sniff_media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("application/pdf"),
        _ => None,
    }
}
