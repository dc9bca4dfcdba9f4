//! From the engine's names of connections to places in the worker's table.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use weir_engine::Conn;

use super::connection::Slot;

/// Where the engine's connections are.
#[derive(Default)]
pub(super) struct Names {
    clients: HashMap<u64, Slot, BuildHasherDefault<IdHasher>>,
    servers: HashMap<u64, Slot, BuildHasherDefault<IdHasher>>,
}

impl Names {
    pub(super) fn insert(&mut self, conn: Conn, slot: Slot) {
        match conn {
            Conn::Client(id) => self.clients.insert(id.0, slot),
            Conn::Server(id) => self.servers.insert(id.0, slot),
        };
    }

    pub(super) fn remove(&mut self, conn: Conn) {
        match conn {
            Conn::Client(id) => self.clients.remove(&id.0),
            Conn::Server(id) => self.servers.remove(&id.0),
        };
    }

    pub(super) fn get(&self, conn: Conn) -> Option<Slot> {
        match conn {
            Conn::Client(id) => self.clients.get(&id.0),
            Conn::Server(id) => self.servers.get(&id.0),
        }
        .copied()
    }
}

/// The engine counts its ids up, so nobody outside can choose them to collide: a multiplication
/// spreads them well enough.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = (self.0 ^ id)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }
}
