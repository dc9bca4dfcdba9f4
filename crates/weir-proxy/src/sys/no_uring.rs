//! In place of io_uring where there is none: nothing of this is ever called, since there is no ring.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use socket2::Socket;

/// There is none.
pub(crate) enum Ring {}

/// Nor this.
#[derive(Debug)]
pub(crate) enum Lease {}

/// Nor this.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lent {}

/// Nor this.
#[derive(Debug)]
pub(crate) enum Done {
    /// Never.
    Readiness,
    /// Never.
    Accepted {
        /// Never.
        listener: usize,
        /// Never.
        result: io::Result<Socket>,
        /// Never.
        armed: bool,
    },
    /// Never.
    Received {
        /// Never.
        tag: u64,
        /// Never.
        result: io::Result<Option<Lease>>,
        /// Never.
        armed: bool,
    },
    /// Never.
    Sent {
        /// Never.
        tag: u64,
        /// Never.
        result: io::Result<()>,
        /// Never.
        rest: Vec<u8>,
    },
}

impl Lease {
    pub(crate) fn bytes(&self) -> &[u8] {
        match *self {}
    }
}

impl Lent {
    pub(crate) fn of(lease: &Lease) -> Self {
        match *lease {}
    }

    pub(crate) fn start_of(&self, _: &[u8]) -> Option<usize> {
        match *self {}
    }
}

impl Ring {
    pub(crate) fn probe() -> Result<(), String> {
        Err("io_uring is Linux's".to_owned())
    }

    pub(crate) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn watch(&mut self, _: RawFd) {
        match *self {}
    }

    pub(crate) fn accept(&mut self, _: RawFd, _: usize) {
        match *self {}
    }

    pub(crate) fn stop_accepting(&mut self, _: usize) {
        match *self {}
    }

    pub(crate) fn receive(&mut self, _: RawFd, _: u64) {
        match *self {}
    }

    pub(crate) fn stop_receiving(&mut self, _: u64) {
        match *self {}
    }

    pub(crate) fn send_from(&mut self, _: RawFd, _: u64, _: &Lent, _: &[u8]) {
        match *self {}
    }

    pub(crate) fn send_copied(&mut self, _: RawFd, _: u64, _: &[io::IoSlice<'_>]) {
        match *self {}
    }

    pub(crate) fn send_owned(&mut self, _: RawFd, _: u64, _: Vec<u8>, _: bool) {
        match *self {}
    }

    pub(crate) fn give_back(&mut self, _: Lease) {
        match *self {}
    }

    pub(crate) fn close(&mut self, _: Socket) {
        match *self {}
    }

    pub(crate) fn wait(&mut self, _: Duration) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn next(&mut self) -> Option<Done> {
        match *self {}
    }
}
