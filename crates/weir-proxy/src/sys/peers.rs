//! Who is at the other end of a Unix socket: the kernel knows its user.
//!
//! # What is deliberately absent
//! - Names where nobody asks for them: looking one up may wait for a directory service, so it is
//!   done only if the settings let clients prove themselves by it, and once per user.

use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use socket2::Socket;
use weir_model::{AuthMethod, Peer, PoolerSettings};

/// Users whose names are remembered; above it they are asked for again.
const NAMES_MAX: usize = 1_000;

/// A name of a user isn't longer than its record may be.
const RECORD_MAX: usize = 16 * 1024;

/// Whether some client may prove itself by the name of its operating-system user.
pub(crate) fn names_peers(settings: &PoolerSettings) -> bool {
    match settings.auth_method {
        AuthMethod::Peer => true,
        AuthMethod::Hba => settings.hba.as_ref().is_some_and(|h| h.asks_for_peer()),
        _ => false,
    }
}

/// The users that came so far.
#[derive(Default)]
pub(crate) struct Peers {
    names: HashMap<u32, Option<Arc<str>>>,
}

impl Peers {
    /// Who is at the other end of this socket.
    pub(crate) fn of(&mut self, socket: &Socket, named: bool) -> Peer {
        let Some(uid) = uid_of(socket) else {
            return Peer::default();
        };
        let unix_user = if named { self.name(uid) } else { None };
        Peer {
            unix_user,
            is_own_user: uid == own_uid(),
            ..Peer::default()
        }
    }

    fn name(&mut self, uid: u32) -> Option<Arc<str>> {
        if let Some(known) = self.names.get(&uid) {
            return known.clone();
        }
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        let name: Option<Arc<str>> = name_of(uid).map(Into::into);
        self.names.insert(uid, name.clone());
        name
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "socket2 doesn't offer the option")]
fn uid_of(socket: &Socket) -> Option<u32> {
    let mut credentials = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into a value of that size, which lives here.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    };
    (result == 0).then_some(credentials.uid)
}

#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "socket2 doesn't offer the call")]
fn uid_of(socket: &Socket) -> Option<u32> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: both are values of this function that the kernel writes whole.
    let result = unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) };
    (result == 0).then_some(uid)
}

#[expect(unsafe_code, reason = "a call without arguments that can't fail")]
fn own_uid() -> u32 {
    // SAFETY: it reads nothing of ours.
    unsafe { libc::geteuid() }
}

#[expect(unsafe_code, reason = "std offers no look at the user database")]
fn name_of(uid: u32) -> Option<String> {
    let mut buffer = vec![0; RECORD_MAX];
    let mut found = std::ptr::null_mut();
    let mut record = std::mem::MaybeUninit::<libc::passwd>::uninit();
    // SAFETY: record, buffer and result outlive the call, and the length is the buffer's own.
    let result = unsafe {
        libc::getpwuid_r(
            uid,
            record.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut found,
        )
    };
    if result != 0 || found.is_null() {
        return None;
    }
    // SAFETY: `found` is `record`, filled in; its name is a C string inside `buffer`, still alive.
    let name = unsafe { CStr::from_ptr((*found).pw_name) };
    name.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_kernel_says_who_is_at_the_other_end() {
        let (a, _b) = UnixStream::pair().unwrap();
        let socket = Socket::from(a);
        let mut peers = Peers::default();
        let peer = peers.of(&socket, false);
        assert!(peer.is_own_user);
        assert_eq!(peer.unix_user, None);
        let named = peers.of(&socket, true);
        assert_eq!(named.unix_user.as_deref(), name_of(own_uid()).as_deref());
        assert_eq!(name_of(u32::MAX - 7), None);
    }
}
