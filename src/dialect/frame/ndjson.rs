//! Newline-delimited JSON: one object a line, split at line feeds alone.

use super::FrameTooLong;

/// Longest line, in bytes.
const MAX_LINE_BYTES: usize = 32 << 20;

/// Splits a byte stream into lines, whatever way it is cut. Blank lines are nothing.
#[derive(Debug, Default)]
pub struct NdjsonDecoder {
    buffer: Vec<u8>,
}

impl NdjsonDecoder {
    /// Takes bytes in and hands every finished line to `sink`. No byte is looked at twice.
    ///
    /// # Errors
    /// When a line outgrows 32 MiB.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(Vec<u8>)) -> Result<(), FrameTooLong> {
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

    /// The bytes ended. A last line without its line feed comes out here.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
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
