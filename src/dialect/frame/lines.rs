//! Newline-delimited JSON: one object a line, split at line feeds alone.

use super::TooLong;

/// Longest line, in bytes.
const LIMIT: usize = 32 << 20;

/// Splits a byte stream into lines, whatever way it is cut. Blank lines are nothing.
#[derive(Debug, Default)]
pub struct LineDecoder {
    rest: Vec<u8>,
}

impl LineDecoder {
    /// Takes bytes in and hands every finished line to `sink`. No byte is looked at twice.
    ///
    /// # Errors
    /// When a line outgrows 32 MiB.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(Vec<u8>)) -> Result<(), TooLong> {
        while let Some(at) = bytes.iter().position(|b| *b == b'\n') {
            self.rest.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            let line = std::mem::take(&mut self.rest);
            if !line.trim_ascii().is_empty() {
                sink(line);
            }
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.len() > LIMIT { Err(TooLong) } else { Ok(()) }
    }

    /// The bytes ended. A last line without its line feed comes out here.
    pub fn end(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.rest)).filter(|line| !line.trim_ascii().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wherever_they_are_cut() {
        for size in 1..6 {
            let (mut decoder, mut lines) = (LineDecoder::default(), Vec::new());
            for piece in b"{\"a\":1}\n\r\n\n{\"b\":2}\n{\"c\"".chunks(size) {
                decoder.feed(piece, &mut |line| lines.push(line)).unwrap();
            }
            assert_eq!(lines, [b"{\"a\":1}", b"{\"b\":2}"]);
            assert_eq!(decoder.end().as_deref(), Some(&b"{\"c\""[..]));
            assert_eq!(decoder.end(), None);
        }
    }
}
