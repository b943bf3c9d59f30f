//! SHA-256 digests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

const PREFIX: &str = "sha256:";

/// The prefix and two digits per byte.
const TEXT_LENGTH: usize = PREFIX.len() + 64;

/// The 32 bytes of a digest.
pub(crate) type DigestBytes = [u8; 32];

/// A SHA-256 digest, written as `sha256:` followed by 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(DigestBytes);

impl Digest {
    pub(crate) const fn from_bytes(bytes: DigestBytes) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &DigestBytes {
        &self.0
    }

    /// The digest of the concatenated pieces.
    pub fn of(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let mut digester = DigestBuilder::default();
        pieces.into_iter().for_each(|piece| digester.update(piece));
        digester.finish()
    }

    /// The first 16 bytes: enough to tell content apart unless collisions are crafted on purpose.
    pub fn prefix(self) -> u128 {
        self.0.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct DigestBuilder(Sha256);

impl DigestBuilder {
    pub(crate) fn update(&mut self, piece: impl AsRef<[u8]>) {
        sha2::Digest::update(&mut self.0, piece);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(sha2::Digest::finalize(self.0).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A large set writes and reads several digests per case, so this avoids formatting each byte.
        let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
        let mut text = String::with_capacity(TEXT_LENGTH);
        text.push_str(PREFIX);
        text.extend(self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        f.write_str(&text)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid digest `{text}`");
        let digits = text.strip_prefix(PREFIX).filter(|_| text.len() == TEXT_LENGTH).ok_or_else(invalid)?;
        let value = |digit: u8| char::from(digit).to_digit(16).ok_or_else(invalid);
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            for digit in pair {
                *byte = *byte << 4 | value(*digit)? as u8;
            }
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_text_round_trips() {
        let written = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(["a", "bc"]).to_string(), written);
        assert_eq!(serde_json::json!(Digest::of(["abc"])), written);
        assert_eq!(
            serde_json::from_value::<Digest>(serde_json::json!(written)).unwrap(),
            Digest::of(["abc"])
        );
        assert_eq!(written.parse(), Ok(Digest::of(["abc"])));
        for broken in ["", "sha256:", &written[..70], &written.replace('b', "g"), &written.replace('b', "é")]
        {
            assert!(broken.parse::<Digest>().is_err(), "{broken}");
        }
    }
}
