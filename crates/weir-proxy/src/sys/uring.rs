//! io_uring, as far as the worker's loop uses it: accepts and receives that stay armed, sends, one
//! `enter` a turn.
//!
//! # What always holds
//! - A buffer is the kernel's or ours, never both: while we read it, or while a send out of it is
//!   under way, it isn't in the kernel's ring ([`Lease`]).
//! - The bytes of a send live until the kernel has said what became of it, whatever happens to the
//!   connection meanwhile ([`Ring::sends`]).
//! - A descriptor is closed only after everything that names it has been submitted
//!   ([`Ring::close`]): its number may be another connection's a moment later.
//!
//! # What is deliberately absent
//! - Connecting, waking up: rare, and served by `mio`, whose epoll instance the ring watches like a
//!   socket. That also leaves one place for them under both drivers.
//! - Fixed files and zero-copy sends: for messages of a hundred bytes they cost more than they save.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use slab::Slab;
use socket2::Socket;

/// Requests that one `enter` takes; more are submitted in between.
const SUBMIT_MAX: u32 = 1024;

/// Completions that the shared queue holds. The kernel keeps what doesn't fit.
const COMPLETE_MAX: u32 = 4096;

/// Receive buffers, shared by all connections. A power of two.
const BUFFERS: u16 = 128;

/// Bytes of each: nearly every message of a transaction fits, and all of them together are small
/// beside a thousand idle clients.
pub(crate) const BUFFER_SIZE: usize = 8192;

/// The group of our buffers; there is one.
const GROUP: u16 = 0;

/// Spare vectors kept for the next sends.
const SPARE_MAX: usize = 64;

/// A spare vector larger than this isn't kept.
const SPARE_SIZE: usize = 16 * 1024;

/// Marks what isn't a receive; a receive's tag has this bit clear.
const OTHER: u64 = 1 << 63;

/// The epoll instance has something to say.
const READINESS: u64 = OTHER | 1 << 62;

/// Nobody waits for this answer.
const NOBODY: u64 = OTHER | 1 << 61;

/// An accept; the listener's number stands in the low bits.
const ACCEPT: u64 = OTHER | 1 << 60;

/// A receive buffer that the kernel has filled. Give it back with [`Ring::give_back`].
#[derive(Debug)]
pub(crate) struct Lease {
    id: u16,
    bytes: Vec<u8>,
    len: usize,
}

impl Lease {
    /// What came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Its name, for [`Ring::send_from`].
    pub(crate) fn id(&self) -> u16 {
        self.id
    }
}

/// What the kernel has done.
#[derive(Debug)]
pub(crate) enum Done {
    /// The epoll instance has something to say.
    Readiness,
    /// A connection came, or can't.
    Accepted {
        /// As given to [`Ring::accept`].
        listener: usize,
        /// The connection: non-blocking, closed on exec.
        result: io::Result<Socket>,
        /// More may come; otherwise it must be asked for again.
        armed: bool,
    },
    /// A receive brought bytes (none: the peer's end), or can't go on.
    Received {
        /// As given to [`Ring::receive`].
        tag: u64,
        /// The bytes.
        result: io::Result<Option<Lease>>,
        /// It stays armed.
        armed: bool,
    },
    /// A send is over.
    Sent {
        /// As given.
        tag: u64,
        /// `Ok`: the kernel took everything, or as much as it could.
        result: io::Result<()>,
        /// What it didn't take.
        rest: Vec<u8>,
    },
}

/// Where a send's bytes are.
enum Bytes {
    Owned(Vec<u8>),
    /// `lease[start..start + len]`.
    Lent {
        lease: u16,
        start: usize,
    },
}

struct Sending {
    tag: u64,
    bytes: Bytes,
    len: usize,
}

/// A receive buffer's whereabouts.
#[derive(Default)]
struct Place {
    /// Its memory; empty while a [`Lease`] has it.
    bytes: Vec<u8>,
    /// Sends that read from it.
    sends: u32,
    /// Whether the lease has ended, so that the last send gives it to the kernel.
    returned: bool,
}

/// An io_uring with its buffers. One thread's.
pub(crate) struct Ring {
    ring: IoUring,
    entries: Entries,
    places: Vec<Place>,
    sends: Slab<Sending>,
    spare: Vec<Vec<u8>>,
    /// Closed once everything before has been submitted.
    closing: Vec<Socket>,
    done: VecDeque<(u64, i32, u32)>,
}

impl Ring {
    /// Whether this kernel, and this process's limits, allow what [`Ring::new`] does.
    pub(crate) fn probe() -> Result<(), String> {
        match Self::new() {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(format!(
                "this process may not use io_uring ({e}; sysctl kernel.io_uring_disabled, or the container's seccomp profile)"
            )),
            Err(e) => Err(format!("io_uring: {e}")),
        }
    }

    /// A ring for the calling thread, and for no other.
    pub(crate) fn new() -> io::Result<Self> {
        // Work is deferred to our own `enter` where the kernel can (6.1), so that it never
        // interrupts the thread; older ones run it at the next system call.
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETE_MAX)
            .build(SUBMIT_MAX)
            .or_else(|_| {
                IoUring::builder()
                    .setup_coop_taskrun()
                    .setup_cqsize(COMPLETE_MAX)
                    .build(SUBMIT_MAX)
            })?;
        if !ring.params().is_feature_nodrop() || !ring.params().is_feature_ext_arg() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel is too old (5.19 is needed)",
            ));
        }
        let entries = Entries::new(&ring)?;
        let places = (0..BUFFERS).map(|_| Place::default()).collect();
        let mut new = Self {
            ring,
            entries,
            places,
            sends: Slab::new(),
            spare: Vec::new(),
            closing: Vec::new(),
            done: VecDeque::new(),
        };
        for id in 0..BUFFERS {
            new.recycle(id, vec![0; BUFFER_SIZE]);
        }
        new.check_multishot()?;
        Ok(new)
    }

    /// Multishot receives came in 6.0, and only trying tells.
    fn check_multishot(&mut self) -> io::Result<()> {
        let (ours, theirs) = Socket::pair(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
        theirs.send(&[1])?;
        self.receive(ours.as_raw_fd(), 0);
        self.wait(Duration::from_secs(1))?;
        let answer = self.next();
        let works = matches!(
            &answer,
            Some(Done::Received { result: Ok(Some(lease)), armed: true, .. }) if lease.bytes() == [1]
        );
        if let Some(Done::Received {
            result: Ok(Some(lease)),
            ..
        }) = answer
        {
            self.give_back(lease);
        }
        drop(theirs);
        self.wait(Duration::from_secs(1))?;
        while self.next().is_some() {}
        self.close(ours);
        if works {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel has no multishot receive (6.0 is needed)",
            ))
        }
    }

    /// Reports [`Done::Readiness`] whenever the epoll instance `fd` has news. Once a call.
    pub(crate) fn watch(&mut self, fd: RawFd) {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32)
            .build()
            .user_data(READINESS);
        self.push(&entry);
    }

    /// Accepts connections from the listening socket `fd` until the kernel gives up.
    pub(crate) fn accept(&mut self, fd: RawFd, listener: usize) {
        let entry = opcode::AcceptMulti::new(Fd(fd))
            .flags(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)
            .build()
            .user_data(ACCEPT | listener as u64);
        self.push(&entry);
    }

    /// Ends an accept; its last answer is an error. Connections that came until then still do.
    pub(crate) fn stop_accepting(&mut self, listener: usize) {
        let entry = opcode::AsyncCancel::new(ACCEPT | listener as u64)
            .build()
            .user_data(NOBODY);
        self.push(&entry);
    }

    /// Receives from `fd` until it is told not to, or the kernel gives up. `tag` comes back with
    /// each piece; its highest bit must be clear.
    pub(crate) fn receive(&mut self, fd: RawFd, tag: u64) {
        debug_assert!(tag & OTHER == 0);
        let entry = opcode::RecvMulti::new(Fd(fd), GROUP).build().user_data(tag);
        self.push(&entry);
    }

    /// Ends a receive. What it had received until then still comes, then an error.
    pub(crate) fn stop_receiving(&mut self, tag: u64) {
        let entry = opcode::AsyncCancel::new(tag).build().user_data(NOBODY);
        self.push(&entry);
    }

    /// Sends a part of what a lease holds, as much as the kernel takes at once. `bytes` must be
    /// part of the lease's.
    pub(crate) fn send_from(&mut self, fd: RawFd, tag: u64, lease: &Lent, bytes: &[u8]) {
        let Some(start) = lease.start_of(bytes) else {
            debug_assert!(false, "bytes that aren't the lease's");
            return self.send_owned(fd, tag, bytes.to_vec(), false);
        };
        self.places[usize::from(lease.id)].sends += 1;
        let index = self.sends.insert(Sending {
            tag,
            bytes: Bytes::Lent {
                lease: lease.id,
                start,
            },
            len: bytes.len(),
        });
        self.push_send(fd, index, bytes.as_ptr(), bytes.len(), false);
    }

    /// Sends a copy of `pieces`, as much as the kernel takes at once.
    pub(crate) fn send_copied(&mut self, fd: RawFd, tag: u64, pieces: &[io::IoSlice<'_>]) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        for piece in pieces {
            bytes.extend_from_slice(piece);
        }
        self.send_owned(fd, tag, bytes, false);
    }

    /// Sends `bytes`; with `waits` as soon as the kernel takes some, otherwise what it takes now.
    pub(crate) fn send_owned(&mut self, fd: RawFd, tag: u64, bytes: Vec<u8>, waits: bool) {
        let (start, len) = (bytes.as_ptr(), bytes.len());
        let index = self.sends.insert(Sending {
            tag,
            bytes: Bytes::Owned(bytes),
            len,
        });
        self.push_send(fd, index, start, len, waits);
    }

    fn push_send(&mut self, fd: RawFd, index: usize, start: *const u8, len: usize, waits: bool) {
        let flags = libc::MSG_NOSIGNAL | if waits { 0 } else { libc::MSG_DONTWAIT };
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let entry = opcode::Send::new(Fd(fd), start, len)
            .flags(flags)
            .build()
            .user_data(OTHER | index as u64);
        self.push(&entry);
    }

    /// The lease is over; sends out of it may go on.
    pub(crate) fn give_back(&mut self, lease: Lease) {
        let place = &mut self.places[usize::from(lease.id)];
        if place.sends == 0 {
            self.recycle(lease.id, lease.bytes);
        } else {
            // The vector moves, its memory doesn't: that is what the sends point at.
            place.bytes = lease.bytes;
            place.returned = true;
        }
    }

    /// Closes a socket once nothing that was asked of it waits to be submitted.
    pub(crate) fn close(&mut self, socket: Socket) {
        self.closing.push(socket);
    }

    /// Submits everything, and waits for news at most `timeout`.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timespec = Timespec::from(timeout);
        let args = SubmitArgs::new().timespec(&timespec);
        let result = match self.ring.submitter().submit_with_args(1, &args) {
            Ok(_) => Ok(()),
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) =>
            {
                Ok(())
            }
            Err(e) => Err(e),
        };
        if self.ring.submission().is_empty() {
            self.closing.clear();
        }
        let completions = self.ring.completion();
        self.done
            .extend(completions.map(|c| (c.user_data(), c.result(), c.flags())));
        result
    }

    /// The next thing that the kernel has done.
    pub(crate) fn next(&mut self) -> Option<Done> {
        loop {
            let (tag, result, flags) = self.done.pop_front()?;
            match tag {
                READINESS => return Some(Done::Readiness),
                NOBODY => {}
                tag if tag & ACCEPT == ACCEPT => {
                    return Some(Done::Accepted {
                        listener: (tag & !ACCEPT) as usize,
                        result: accepted(result),
                        armed: cqueue::more(flags),
                    });
                }
                tag if tag & OTHER == 0 => {
                    return Some(Done::Received {
                        tag,
                        result: self.received(result, flags),
                        armed: cqueue::more(flags),
                    });
                }
                tag => {
                    if let Some(done) = self.sent((tag & !OTHER) as usize, result) {
                        return Some(done);
                    }
                }
            }
        }
    }

    fn received(&mut self, result: i32, flags: u32) -> io::Result<Option<Lease>> {
        let lease = cqueue::buffer_select(flags).and_then(|id| {
            let bytes = std::mem::take(&mut self.places.get_mut(usize::from(id))?.bytes);
            Some((id, bytes))
        });
        match (usize::try_from(result), lease) {
            (Ok(len), Some((id, bytes))) if len > 0 => {
                let len = len.min(bytes.len());
                Ok(Some(Lease { id, bytes, len }))
            }
            (Ok(_), lease) => {
                if let Some((id, bytes)) = lease {
                    self.recycle(id, bytes);
                }
                Ok(None)
            }
            (Err(_), lease) => {
                if let Some((id, bytes)) = lease {
                    self.recycle(id, bytes);
                }
                Err(io::Error::from_raw_os_error(-result))
            }
        }
    }

    fn sent(&mut self, index: usize, result: i32) -> Option<Done> {
        let sending = self.sends.try_remove(index)?;
        let (result, taken) = match usize::try_from(result) {
            Ok(taken) => (Ok(()), taken),
            Err(_) if -result == libc::EAGAIN || -result == libc::EINTR => (Ok(()), 0),
            Err(_) => (Err(io::Error::from_raw_os_error(-result)), 0),
        };
        let rest = match sending.bytes {
            Bytes::Owned(mut bytes) => {
                if taken >= sending.len {
                    bytes.clear();
                    if self.spare.len() < SPARE_MAX && bytes.capacity() <= SPARE_SIZE {
                        self.spare.push(bytes);
                    }
                    Vec::new()
                } else {
                    bytes.drain(..taken);
                    bytes
                }
            }
            Bytes::Lent { lease, start } => {
                let place = &mut self.places[usize::from(lease)];
                // Completions are looked at between leases, so the memory is in its place.
                let rest = place
                    .bytes
                    .get(start + taken..start + sending.len)
                    .unwrap_or_default()
                    .to_vec();
                place.sends -= 1;
                if place.sends == 0 && place.returned {
                    let bytes = std::mem::take(&mut place.bytes);
                    self.recycle(lease, bytes);
                }
                rest
            }
        };
        Some(Done::Sent {
            tag: sending.tag,
            result,
            rest,
        })
    }

    /// Gives a buffer to the kernel.
    fn recycle(&mut self, id: u16, mut bytes: Vec<u8>) {
        self.entries.add(id, &mut bytes);
        let place = &mut self.places[usize::from(id)];
        place.bytes = bytes;
        place.sends = 0;
        place.returned = false;
    }

    #[expect(unsafe_code, reason = "the kernel is told of memory")]
    fn push(&mut self, entry: &squeue::Entry) {
        loop {
            // SAFETY: what an entry points at lives until its completion has been seen: a send's
            // bytes stand in `sends` or in `places`, a receive's in the buffer ring, both of which
            // go only with the ring itself. Descriptors are closed after submission (`closing`).
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            // Full: the kernel takes what is there. It fails only while completions overflow,
            // and those are taken right here.
            let _ = self.ring.submit();
            let completions = self.ring.completion();
            self.done
                .extend(completions.map(|c| (c.user_data(), c.result(), c.flags())));
        }
    }
}

#[expect(unsafe_code, reason = "a descriptor that the kernel has just made")]
fn accepted(result: i32) -> io::Result<Socket> {
    use std::os::fd::FromRawFd;

    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    // SAFETY: an accept's result that isn't negative is a descriptor of a new connection, which
    // nobody else has seen.
    Ok(unsafe { Socket::from_raw_fd(result) })
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Whatever is still under way ends before its memory does: the sockets are shut down, so
        // sends fail and receives end. What doesn't end in time keeps its memory for good.
        self.closing.clear();
        for _ in 0..10 {
            if self.sends.is_empty() || self.wait(Duration::from_millis(10)).is_err() {
                break;
            }
            while self.next().is_some() {}
        }
        std::mem::forget(std::mem::take(&mut self.sends));
        std::mem::forget(std::mem::take(&mut self.places));
    }
}

/// The part of a lease that a send may be made from, as an address: the lease itself is being
/// read while sends are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lent {
    id: u16,
    start: usize,
    len: usize,
}

impl Lent {
    /// What `lease` lends.
    pub(crate) fn of(lease: &Lease) -> Self {
        Self {
            id: lease.id(),
            start: lease.bytes().as_ptr().addr(),
            len: lease.bytes().len(),
        }
    }

    /// Where in the lease `bytes` begin, if they are part of it.
    pub(crate) fn start_of(&self, bytes: &[u8]) -> Option<usize> {
        let start = bytes.as_ptr().addr().checked_sub(self.start)?;
        (start + bytes.len() <= self.len).then_some(start)
    }
}

/// The ring through which buffers are given to the kernel: memory that both share.
struct Entries {
    base: *mut BufRingEntry,
    tail: u16,
}

#[expect(unsafe_code, reason = "a pointer to memory that is this value's alone")]
// SAFETY: the mapping belongs to this value and goes where it goes; nothing of it is shared with
// another thread. (A ring is made and used in one thread all the same: the kernel wants that.)
unsafe impl Send for Entries {}

impl Entries {
    const BYTES: usize = BUFFERS as usize * size_of::<BufRingEntry>();

    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    fn new(ring: &IoUring) -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping, which overlaps nothing.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let new = Self {
            base: base.cast(),
            tail: 0,
        };
        // SAFETY: the mapping is page-aligned, holds `BUFFERS` zeroed entries, and lives as long as
        // `Entries`, which `Ring` drops after the io_uring itself (fields drop in order).
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                new.base.addr() as u64,
                BUFFERS,
                GROUP,
                0,
            )?;
        }
        Ok(new)
    }

    /// Adds a buffer at the tail and shows it to the kernel.
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    fn add(&mut self, id: u16, bytes: &mut [u8]) {
        let at = usize::from(self.tail & (BUFFERS - 1));
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: `at` is below `BUFFERS`, so the entry lies in the mapping. The kernel reads
        // entries only up to the tail, which still excludes this one. The tail overlays a field
        // of the first entry that `set_addr`, `set_len` and `set_bid` leave alone.
        unsafe {
            let entry = &mut *self.base.add(at);
            entry.set_addr(bytes.as_mut_ptr().addr() as u64);
            entry.set_len(bytes.len() as u32);
            entry.set_bid(id);
            let tail = BufRingEntry::tail(self.base).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Entries {
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and the io_uring is gone.
        unsafe {
            libc::munmap(self.base.cast(), Self::BYTES);
        }
    }
}
