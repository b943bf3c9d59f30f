//! Longest common subsequence and edit distance, 64 positions per step.
//!
//! The usual table, with a row for each symbol of one sequence and a column for each symbol of the other,
//! takes minutes for long sequences. Here a column is a bit vector, processed one machine word at a time:
//! Hyyrö's algorithm (2004) for the longest common subsequence, and Myers's algorithm (1999) in Hyyrö's block
//! form (2003) for the edit distance.

use std::collections::HashMap;
use std::hash::Hash;

/// Length of the longest common subsequence.
pub(super) fn common_subsequence_length<T: Eq + Hash>(a: &[T], b: &[T]) -> usize {
    let (a, b, trimmed) = trim_common_ends(a, b);
    let pattern = SymbolPositions::new(a);
    let mut row = vec![u64::MAX; pattern.blocks];
    let mut scratch = vec![0; pattern.blocks];
    for symbol in b {
        let mut carry = false;
        for (bits, positions) in row.iter_mut().zip(pattern.bits_for(symbol, &mut scratch)) {
            let (sum, over) = bits.overflowing_add(*bits & positions);
            let (sum, over_by_carry) = sum.overflowing_add(u64::from(carry));
            carry = over || over_by_carry;
            *bits = sum | (*bits & !positions);
        }
    }
    trimmed + row.iter().map(|bits| bits.count_zeros() as usize).sum::<usize>()
}

/// Levenshtein distance.
pub(super) fn edit_distance<T: Eq + Hash>(a: &[T], b: &[T]) -> usize {
    let (a, b, _) = trim_common_ends(a, b);
    if a.is_empty() {
        return b.len();
    }
    let pattern = SymbolPositions::new(a);
    // The bit of the last symbol in the last block: the bottom of the column, where the distance is read.
    let bottom_bit = 1_u64 << ((a.len() - 1) % 64);
    let mut blocks = vec![BitBlock { rises: u64::MAX, falls: 0 }; pattern.blocks];
    let mut scratch = vec![0; pattern.blocks];
    let mut distance = a.len();
    for symbol in b {
        // The top of each column is one more than that of the column before it.
        let mut delta = RowDelta::Up;
        let last = pattern.blocks - 1;
        for (n, (block, positions)) in
            blocks.iter_mut().zip(pattern.bits_for(symbol, &mut scratch)).enumerate()
        {
            delta = block.advance(*positions, delta, if n == last { bottom_bit } else { 1 << 63 });
        }
        match delta {
            RowDelta::Up => distance += 1,
            RowDelta::Down => distance -= 1,
            RowDelta::Level => {}
        }
    }
    distance
}

/// 64 rows of a column: where its values rise by one from row to row, and where they fall.
#[derive(Clone, Copy)]
struct BitBlock {
    rises: u64,
    falls: u64,
}

/// Change of a row from one column to the next.
#[derive(Clone, Copy, PartialEq)]
enum RowDelta {
    Up,
    Level,
    Down,
}

impl BitBlock {
    /// Advances to the next column and returns the change in the row of `bottom_bit`.
    fn advance(&mut self, positions: u64, above: RowDelta, bottom_bit: u64) -> RowDelta {
        let (up, down) = (u64::from(above == RowDelta::Up), u64::from(above == RowDelta::Down));
        let vertical = positions | self.falls;
        let positions = positions | down;
        let horizontal = ((positions & self.rises).wrapping_add(self.rises) ^ self.rises) | positions;
        let plus = self.falls | !(horizontal | self.rises);
        let minus = self.rises & horizontal;
        let below = if plus & bottom_bit != 0 {
            RowDelta::Up
        } else if minus & bottom_bit != 0 {
            RowDelta::Down
        } else {
            RowDelta::Level
        };
        let (plus, minus) = (plus << 1 | up, minus << 1 | down);
        self.rises = minus | !(vertical | plus);
        self.falls = plus & vertical;
        below
    }
}

/// Positions of each symbol of a sequence, as bits.
struct SymbolPositions<'a, T> {
    blocks: usize,
    positions: HashMap<&'a T, PositionSet>,
}

/// Frequent symbols store their bits. For rare ones, bits are built on demand: the bits of all symbols would
/// take as much memory as the table.
enum PositionSet {
    Indices(Vec<usize>),
    Bits(Vec<u64>),
}

impl<'a, T: Eq + Hash> SymbolPositions<'a, T> {
    fn new(sequence: &'a [T]) -> Self {
        let blocks = sequence.len().div_ceil(64);
        let mut all: HashMap<&T, Vec<usize>> = HashMap::new();
        for (at, symbol) in sequence.iter().enumerate() {
            all.entry(symbol).or_default().push(at);
        }
        let to_position_set = |positions: Vec<usize>| {
            if positions.len() <= blocks {
                return PositionSet::Indices(positions);
            }
            let mut bits = vec![0; blocks];
            set_bits(&mut bits, &positions);
            PositionSet::Bits(bits)
        };
        Self {
            blocks,
            positions: all
                .into_iter()
                .map(|(symbol, positions)| (symbol, to_position_set(positions)))
                .collect(),
        }
    }

    fn bits_for<'s>(&'s self, symbol: &T, scratch: &'s mut [u64]) -> &'s [u64] {
        match self.positions.get(symbol) {
            Some(PositionSet::Bits(bits)) => bits,
            rare => {
                scratch.fill(0);
                if let Some(PositionSet::Indices(positions)) = rare {
                    set_bits(scratch, positions);
                }
                scratch
            }
        }
    }
}

fn set_bits(bits: &mut [u64], positions: &[usize]) {
    positions.iter().for_each(|at| bits[at / 64] |= 1 << (at % 64));
}

/// The sequences without their common prefix and suffix, and the combined length of the two.
fn trim_common_ends<'a, T: Eq>(a: &'a [T], b: &'a [T]) -> (&'a [T], &'a [T], usize) {
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    (&a[..a.len() - end], &b[..b.len() - end], start + end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain table algorithm.
    fn naive_common_subsequence_length(a: &[u8], b: &[u8]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for x in a {
            let mut diagonal = 0;
            for (at, y) in b.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if x == y { diagonal + 1 } else { above.max(row[at]) };
                diagonal = above;
            }
        }
        row[b.len()]
    }

    fn any_bytes(max_length: usize) -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(0..3_u8, 0..max_length),
            proptest::collection::vec(any::<u8>(), 0..max_length)
        ]
    }

    proptest! {
        #[test]
        fn results_match_reference_algorithms(a in any_bytes(300), b in any_bytes(300)) {
            prop_assert_eq!(common_subsequence_length(&a, &b), naive_common_subsequence_length(&a, &b));
            let text = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<String>();
            prop_assert_eq!(edit_distance(&a, &b), strsim::levenshtein(&text(&a), &text(&b)));
        }
    }

    #[test]
    fn subsequence_and_distance_cases() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        for (a, b, common, distance) in [
            ("kitten", "sitting", 4, 3),
            ("intention", "execution", 5, 5),
            ("", "abc", 0, 3),
            ("", "", 0, 0),
            ("same", "same", 4, 0),
        ] {
            assert_eq!(common_subsequence_length(&letters(a), &letters(b)), common, "{a} {b}");
            assert_eq!(edit_distance(&letters(a), &letters(b)), distance, "{a} {b}");
        }
        for n in [63, 64, 65, 128, 129] {
            assert_eq!(edit_distance(&vec![1; n], &vec![2; n]), n);
            assert_eq!(edit_distance(&vec![1; n], &vec![2; n + 1]), n + 1);
        }
    }
}
