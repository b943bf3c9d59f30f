//! Newline-delimited JSON: one object per line, split only at line feeds.

use super::FrameTooLong;

const MAX_LINE_BYTES: usize = 32 << 20;

/// Splits a byte stream, received in chunks of any size, into lines. Blank lines are skipped.
#[derive(Debug, Default)]
pub(crate) struct NdjsonDecoder {
    buffer: Vec<u8>,
}

impl NdjsonDecoder {
    /// Passes every complete line to `sink`. Each byte is scanned once.
    ///
    /// # Errors
    /// If a line exceeds 32 MiB.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Vec<u8>),
    ) -> Result<(), FrameTooLong> {
        while let Some(at) = bytes.iter().position(|b| *b == b'\n') {
            self.buffer.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            let line = std::mem::take(&mut self.buffer);
            if !line.trim_ascii().is_empty() {
                sink(line);
            }
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() > MAX_LINE_BYTES { Err(FrameTooLong) } else { Ok(()) }
    }

    /// Returns the last line if the stream ended without a line feed.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.buffer)).filter(|line| !line.trim_ascii().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_lines_are_decoded() {
        for size in 1..6 {
            let (mut decoder, mut lines) = (NdjsonDecoder::default(), Vec::new());
            for piece in b"{\"a\":1}\n\r\n\n{\"b\":2}\n{\"c\"".chunks(size) {
                decoder.feed(piece, &mut |line| lines.push(line)).unwrap();
            }
            assert_eq!(lines, [b"{\"a\":1}", b"{\"b\":2}"]);
            assert_eq!(decoder.finish().as_deref(), Some(&b"{\"c\""[..]));
            assert_eq!(decoder.finish(), None);
        }
    }
}
