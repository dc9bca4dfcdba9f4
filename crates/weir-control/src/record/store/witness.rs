//! The witness: how far the journal had come when its last entry was acknowledged, in a file beside it.
//!
//! SQLite's log protects itself by checksums and takes what doesn't fit as never written. That is
//! right after a power cut, and wrong when a byte of it flipped or the log was deleted: then entries
//! that were acknowledged are gone, and the file is consistent without them. The witness knows.
//!
//! It is written without waiting for the disk: after a power cut it may be behind, never ahead. One
//! that is behind, unreadable, missing or another file's says nothing.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::chain::Hash;

/// What the last acknowledged write was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Which file: made up when the file was.
    pub(super) file: [u8; 16],
    /// How many records had been written.
    pub(super) n: u64,
    /// The file-wide chain there.
    pub(super) chain: Hash,
    /// Whose entry it was.
    pub(super) incident: u64,
    /// Which.
    pub(super) seq: u32,
}

impl Seen {
    /// One line, always as long, with a checksum at its end.
    fn line(&self) -> String {
        let file = u128::from_be_bytes(self.file);
        let line = format!(
            "weir.head/1 file={file:032x} n={:020} chain={} incident={:020} seq={:010}",
            self.n, self.chain, self.incident, self.seq
        );
        let check = check(&line);
        format!("{line} check={check}\n")
    }

    fn read(line: &str) -> Option<Self> {
        let (body, sum) = line.trim_end().rsplit_once(" check=")?;
        if check(body) != sum {
            return None;
        }
        let mut words = body.strip_prefix("weir.head/1 ")?.split(' ');
        let mut next = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        Some(Self {
            file: u128::from_str_radix(next("file")?, 16).ok()?.to_be_bytes(),
            n: next("n")?.parse().ok()?,
            chain: Hash::read(next("chain")?)?,
            incident: next("incident")?.parse().ok()?,
            seq: next("seq")?.parse().ok()?,
        })
    }
}

fn check(line: &str) -> String {
    let mut text = Hash::of_bytes(&Sha256::digest(line)).map_or(String::new(), |h| h.to_string());
    text.truncate(16);
    text
}

/// The open witness file; without one, nothing is noted.
pub(super) struct Witness {
    file: Option<File>,
}

impl Witness {
    /// Opens or makes it, and says what it had seen.
    pub(super) fn open(path: &Path) -> (Self, Option<Seen>) {
        let opened = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path);
        // No witness is no fault: the journal itself is whole without.
        let Ok(file) = opened else {
            return (Self { file: None }, None);
        };
        let mut line = String::new();
        let seen = (&file)
            .take(400)
            .read_to_string(&mut line)
            .ok()
            .and_then(|_| Seen::read(&line));
        (Self { file: Some(file) }, seen)
    }

    pub(super) fn none() -> Self {
        Self { file: None }
    }

    /// Reads what stands there without opening it for good.
    pub(super) fn look(path: &Path) -> Option<Seen> {
        Seen::read(&std::fs::read_to_string(path).ok()?)
    }

    /// Notes the last write. Never waits for the disk and never fails: a full disk has the line's
    /// room already.
    pub(super) fn note(&mut self, seen: &Seen) {
        if let Some(file) = &mut self.file
            && file.seek(SeekFrom::Start(0)).is_ok()
        {
            let _ = file.write_all(seen.line().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_a_flipped_byte_makes_it_say_nothing() {
        let seen = Seen {
            file: [7; 16],
            n: 58,
            chain: Hash::START,
            incident: 7,
            seq: 12,
        };
        let line = seen.line();
        assert_eq!(Seen::read(&line), Some(seen));
        for at in 0..line.len() - 1 {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(
                String::from_utf8(bytes).ok().and_then(|l| Seen::read(&l)),
                None,
                "{at}"
            );
        }
    }
}
