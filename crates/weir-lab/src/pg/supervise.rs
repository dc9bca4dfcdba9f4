//! A child process that can't outlive us, without `unsafe` and on any Unix.
//!
//! Between us and the program stands a shell of twenty lines. We hold the write end of its
//! standard input: a line is the name of a signal to pass on; the end of file, which the kernel
//! sends also when we are killed, means "stop it, and clear up". It runs in a process group of
//! its own, so that a Ctrl-C in the terminal reaches us alone and the order of stopping is ours.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::clock::{nap, now};

/// Arguments: the signal to send at end of file; a folder to remove then (or empty); a log file;
/// the program and its arguments.
const SUPERVISOR: &str = r#"
last=$1 dir=$2 log=$3
shift 3
trap '' HUP INT TERM
exec 3<&0
# It tells its PID itself, once signals reach it: whoever has read the line may stop it.
( trap - HUP TERM
  exec /bin/sh -c 'echo "$$"; log=$1; shift; exec "$@" >>"$log" 2>&1' sh "$log" "$@" \
    </dev/null 3<&- ) &
child=$!
exec >/dev/null 2>&1
(
    while read -r signal <&3; do kill -s "$signal" "$child"; done
    [ -z "$dir" ] || : >"$dir/.orphan"
    kill -s "$last" "$child"
    sleep 5
    kill -s KILL "$child"
) &
reader=$!
exec 3<&-
wait "$child"
code=$?
kill -s KILL "$reader"
if [ -n "$dir" ] && [ -e "$dir/.orphan" ]; then rm -rf -- "$dir"; fi
exit "$code"
"#;

/// Whom a child runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// The user's name; `None`: ourselves.
    pub user: Option<String>,
    /// Its numbers.
    pub ids: Option<(u32, u32)>,
}

impl RunAs {
    /// Ourselves.
    pub fn ourselves() -> Self {
        Self {
            user: None,
            ids: None,
        }
    }

    /// Ourselves, unless we are root: then `postgres`, else `nobody`. `None` if neither exists.
    ///
    /// `probe` is a file or folder that we made: whose it is tells who we are.
    pub fn not_root(probe: &Path) -> Option<Self> {
        if fs::metadata(probe).is_ok_and(|m| m.uid() != 0) {
            return Some(Self::ourselves());
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| user_in(&passwd, name))
    }

    /// Makes `command` run as this user. The standard library drops root's supplementary groups
    /// when it changes the user.
    pub fn apply(&self, command: &mut Command) {
        if let Some((uid, gid)) = self.ids {
            command.gid(gid).uid(uid);
        }
    }
}

/// The row of `name` in the text of a passwd file. Never a user with root's number.
fn user_in(passwd: &str, name: &str) -> Option<RunAs> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let gid: u32 = fields.next()?.parse().ok()?;
        (uid != 0).then(|| RunAs {
            user: Some(name.to_owned()),
            ids: Some((uid, gid)),
        })
    })
}

/// A program under the supervisor. Dropping it stops the program at once.
#[derive(Debug)]
pub struct Supervised {
    shell: Child,
    orders: Option<ChildStdin>,
    pid: u32,
}

impl Supervised {
    /// Starts `program` with `args`. Its output is appended to `log`. When we are gone it gets
    /// `last` (`QUIT`, `TERM`), five seconds, then KILL; and `remove` is removed with all that is
    /// in it.
    pub fn start(
        program: &Path,
        args: &[String],
        log: &Path,
        last: &str,
        remove: Option<&Path>,
        run_as: &RunAs,
    ) -> std::io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(SUPERVISOR)
            .arg("weir-supervisor")
            .arg(last)
            .arg(remove.unwrap_or(Path::new("")))
            .arg(log)
            .arg(program)
            .args(args)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        run_as.apply(&mut command);
        let mut shell = command.spawn()?;
        let orders = shell.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let pid = line
            .trim()
            .parse()
            .map_err(|_| std::io::Error::other("the supervising shell didn't start the program"))?;
        Ok(Self { shell, orders, pid })
    }

    /// The program's process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Passes a signal on: `TERM`, `INT`, `QUIT`, `HUP`.
    pub fn signal(&mut self, name: &str) {
        if let Some(orders) = &mut self.orders {
            // The reader may be gone because the program is: then there is nobody to signal.
            let _ = writeln!(orders, "{name}");
        }
    }

    /// True if the program has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.shell.try_wait(), Ok(None))
    }

    /// Waits for the program to end, at most `limit`. True if it did.
    pub fn wait(&mut self, limit: Duration) -> bool {
        let begun = now();
        while !self.has_ended() {
            if begun.elapsed() > limit {
                return false;
            }
            nap(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.orders = None;
        // The supervisor kills after five seconds; one more is for a slow machine.
        self.wait(Duration::from_secs(6));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_alive(pid: u32) -> bool {
        // A zombie has no command line.
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| !c.is_empty())
    }

    #[test]
    fn a_user_is_found_by_name_and_never_with_roots_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104::/var/lib:/bin/bash\nnobody:x:0:0::/:/bin/sh\n";
        assert_eq!(
            user_in(passwd, "postgres"),
            Some(RunAs {
                user: Some("postgres".to_owned()),
                ids: Some((101, 104))
            })
        );
        assert_eq!(user_in(passwd, "nobody"), None);
        assert_eq!(user_in(passwd, "postgre"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_program_and_its_folder_go_when_the_owner_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let child = Supervised::start(
            Path::new("/bin/sleep"),
            &["60".to_owned()],
            &inner.join("log"),
            "TERM",
            Some(&inner),
            &RunAs::ourselves(),
        )
        .unwrap();
        let pid = child.pid();
        assert!(is_alive(pid));
        drop(child);
        assert!(!is_alive(pid));
        assert!(!inner.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_ordinary_stop_keeps_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Supervised::start(
            Path::new("/bin/sleep"),
            &["60".to_owned()],
            &dir.path().join("log"),
            "TERM",
            Some(dir.path()),
            &RunAs::ourselves(),
        )
        .unwrap();
        child.signal("TERM");
        assert!(child.wait(Duration::from_secs(5)));
        drop(child);
        assert!(dir.path().exists());
    }
}
