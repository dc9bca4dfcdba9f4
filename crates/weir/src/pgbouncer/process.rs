//! What the process does to itself before it serves: pid file, other user, background, limits.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::kill;
use nix::unistd::{Gid, Group, Pid, Uid, User, getuid, initgroups, setgid, setsid, setuid};

/// Tells the process in the background that it is there already.
pub(crate) const IN_BACKGROUND: &str = "WEIR_PGBOUNCER_IN_BACKGROUND";

/// A pid file that is removed when the process ends in order.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Fails if the file belongs to a process that lives; removes one that a dead process left.
    /// True if it did.
    ///
    /// # Errors
    /// PgBouncer's words.
    pub(crate) fn check(path: &Path) -> Result<bool, String> {
        let shown = path.display();
        let taken = format!("pidfile '{shown}' exists, another instance running?");
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(fault) => return Err(format!("could not open pidfile '{shown}': {fault}")),
        };
        let pid: i32 = text.trim().parse().unwrap_or(0);
        if pid <= 0 || kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH) {
            return Err(taken);
        }
        std::fs::remove_file(path)
            .map_err(|fault| format!("could not remove stale pidfile: {fault}"))?;
        Ok(true)
    }

    /// Writes this process's id.
    ///
    /// # Errors
    /// PgBouncer's words.
    pub(crate) fn write(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(path)
            .map_err(|fault| format!("could not open pidfile '{shown}': {fault}"))?;
        writeln!(file, "{}", std::process::id())
            .map_err(|fault| format!("could not write pidfile '{shown}': {fault}"))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Becomes this user, with its groups. Nothing happens where we are that user already.
///
/// # Errors
/// No such user, or no right to become it.
pub(crate) fn become_user(name: &str) -> Result<(), String> {
    let user = User::from_name(name)
        .ok()
        .flatten()
        .ok_or_else(|| format!("could not find user '{name}' to switch to"))?;
    if user.uid == getuid() {
        return Ok(());
    }
    let failed = |what: &str| {
        let what = what.to_owned();
        move |fault: Errno| format!("{what}: {}", fault.desc())
    };
    let c_name = std::ffi::CString::new(name).map_err(|_| "a user's name has no NUL".to_owned())?;
    initgroups(&c_name, user.gid).map_err(failed("failed to reset groups"))?;
    setgid(user.gid).map_err(failed("failed to assume identity of group"))?;
    setuid(user.uid).map_err(failed(&format!(
        "failed to assume identity of user '{name}'"
    )))?;
    if getuid() != user.uid || Uid::effective() != user.uid || Gid::effective() != user.gid {
        return Err("failed to assume identity".to_owned());
    }
    Ok(())
}

/// True if the process may do everything; PgBouncer refuses that.
pub(crate) fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Starts this very program again, in the background: no terminal, nothing on its standard streams.
/// A new process rather than a fork, because a fork and threads don't go together.
///
/// # Errors
/// It couldn't be started.
pub(crate) fn go_background() -> Result<(), String> {
    let failed = |fault: std::io::Error| format!("could not go to the background: {fault}");
    let mut arguments = std::env::args_os();
    let _name = arguments.next();
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    if let Some(name) = std::env::args_os().next() {
        // A link named `pgbouncer` is known by its name.
        command.arg0(name);
    }
    command
        .args(arguments)
        .env(IN_BACKGROUND, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
        .map_err(failed)
}

/// In the background: a session of its own, without a terminal. Can't fail, for whoever was just
/// started leads no group.
pub(crate) fn settle_in_background() {
    let _ = setsid();
}

/// Gives a socket's file its mode and group.
///
/// # Errors
/// There is no such group, or no right to do it.
pub(crate) fn tune_socket(path: &Path, mode: u32, group: Option<&str>) -> Result<(), String> {
    let shown = path.display();
    if let Some(name) = group {
        let gid = match name.parse() {
            Ok(number) => Gid::from_raw(number),
            Err(_) => {
                Group::from_name(name)
                    .ok()
                    .flatten()
                    .ok_or_else(|| format!("could not find group '{name}' for unix socket"))?
                    .gid
            }
        };
        std::os::unix::fs::chown(path, None, Some(gid.as_raw()))
            .map_err(|fault| format!("could not change group of {shown}: {fault}"))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|fault| format!("could not change mode of {shown}: {fault}"))
}

/// `kernel file descriptor limit: …`, as PgBouncer says it at start.
pub(crate) fn descriptor_limits(clients: u32, expected: u64) -> String {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) => format!(
            "kernel file descriptor limit: {soft} (hard: {hard}); max_client_conn: {clients}, max \
             expected fd use: {expected}"
        ),
        Err(fault) => format!("could not get RLIMIT_NOFILE: {}", fault.desc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_of_a_living_process_stops_the_start_and_a_dead_ones_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.pid");
        assert_eq!(PidFile::check(&path), Ok(false));
        let file = PidFile::write(&path).unwrap();
        assert!(
            PidFile::check(&path)
                .unwrap_err()
                .contains("another instance")
        );
        assert!(PidFile::write(&path).is_err());
        drop(file);
        assert!(!path.exists());
        // No process has the largest number that fits.
        std::fs::write(&path, "2147483647\n").unwrap();
        assert_eq!(PidFile::check(&path), Ok(true));
        std::fs::write(&path, "").unwrap();
        assert!(PidFile::check(&path).is_err());
    }
}
