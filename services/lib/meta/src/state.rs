//! What the database knows of itself: sequence, number of records, and the sum over all of them.
//!
//! It is written in the same batch as every change, so a scan at open that disagrees with it has
//! found records that were lost or altered without an error.

use crate::fault::Fault;
use crate::record;

/// The key of the state.
pub(crate) const STATE_KEY: &[u8] = b"\0state";
/// The key that is there while derived facts have still to be rebuilt by the caller.
pub(crate) const REBUILD_KEY: &[u8] = b"\0rebuild";

/// The sequence number of the last commit, and what a scan must find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub seq: u64,
    pub records: u64,
    pub sum: u64,
}

impl State {
    /// Counts a record in.
    pub fn add(&mut self, key: &[u8], payload: &[u8]) {
        self.records += 1;
        self.sum = self.sum.wrapping_add(record::fingerprint(key, payload));
    }

    /// Counts a record out.
    pub fn remove(&mut self, key: &[u8], payload: &[u8]) {
        self.records = self.records.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(record::fingerprint(key, payload));
    }

    /// The payload of the state's own record.
    pub fn encode(&self) -> Vec<u8> {
        [self.seq, self.records, self.sum].iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The state of an encoded payload.
    pub fn decode(payload: &[u8]) -> Result<Self, Fault> {
        let words: Option<[u8; 24]> = payload.try_into().ok();
        let words = words.ok_or_else(|| Fault::Damaged("the state has a wrong length".into()))?;
        let word = |at: usize| {
            let bytes = words[at * 8..at * 8 + 8].try_into().expect("eight bytes of twenty-four");
            u64::from_le_bytes(bytes)
        };
        Ok(Self { seq: word(0), records: word(1), sum: word(2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_its_encoding_and_a_short_one_is_damaged() {
        let mut state = State { seq: 9, ..State::default() };
        state.add(b"k", b"v");
        assert_eq!(State::decode(&state.encode()).unwrap(), state);
        assert!(State::decode(&state.encode()[1..]).is_err());
    }

    #[test]
    fn records_counted_in_and_out_in_any_order_leave_nothing() {
        let mut state = State::default();
        state.add(b"a", b"1");
        state.add(b"b", b"2");
        state.remove(b"a", b"1");
        state.remove(b"b", b"2");
        assert_eq!(state, State::default());
    }

    #[test]
    fn two_records_that_swap_their_values_change_the_sum() {
        let (mut one, mut other) = (State::default(), State::default());
        one.add(b"a", b"1");
        one.add(b"b", b"2");
        other.add(b"a", b"2");
        other.add(b"b", b"1");
        assert_ne!(one, other);
    }
}
