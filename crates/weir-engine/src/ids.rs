//! Maps by identity, and the dice.
//!
//! Ids are handed out by us in sequence, so nobody can aim at a bucket: a multiplication spreads
//! them well enough, and a keyed hash would be paid for on every read.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest, Sha256};

/// Fibonacci hashing of one integer.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_i32(&mut self, n: i32) {
        self.write_u64(u64::from(n.cast_unsigned()));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }
}

/// A map whose keys are integers of our own making.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// The engine's dice: SHA-256 over seed and counter, since cancel keys and SCRAM nonces must not
/// be guessed from one another. A cipher would be faster; a login throws a handful of dice.
pub(crate) struct Dice {
    seed: u64,
    counter: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    /// At most 32 bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut hash = Sha256::new();
        hash.update(b"weir-engine dice");
        hash.update(self.seed.to_le_bytes());
        hash.update(self.counter.to_le_bytes());
        self.counter += 1;
        let mut out = [0; N];
        for (byte, thrown) in out.iter_mut().zip(hash.finalize()) {
            *byte = thrown;
        }
        out
    }

    /// A backend PID that no backend has: Linux counts to 2^22 at most. A client must not take
    /// another's notification for its own.
    pub(crate) fn pid(&mut self) -> i32 {
        const PIDS: i32 = 1 << 22;
        (i32::from_le_bytes(self.bytes()) & i32::MAX).max(PIDS + 1)
    }

    pub(crate) fn secret(&mut self) -> i32 {
        i32::from_le_bytes(self.bytes())
    }

    /// Uniform in 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(u32::from_le_bytes(self.bytes())) / (f64::from(u32::MAX) + 1.0)
    }
}
