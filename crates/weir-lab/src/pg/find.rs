//! Where is a PostgreSQL?
//!
//! In this order: the folder that was named; PATH; Debian's folders, highest version first; what
//! `scripts/fetch-postgres.sh` unpacked under `target/pg`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::PgError;

/// PostgreSQL's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The folder of `postgres` and `initdb`, with symbolic links followed: PostgreSQL finds its
    /// libraries relative to where it really lies.
    pub bin: PathBuf,
    /// `15.18`, `18.6`.
    pub version: String,
}

impl Installation {
    /// Looks at one folder.
    pub fn at(dir: &Path) -> Option<Self> {
        let postgres = dir.join("postgres").canonicalize().ok()?;
        let bin = postgres.parent()?.to_path_buf();
        if !bin.join("initdb").is_file() {
            return None;
        }
        let out = Command::new(&postgres).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        Some(Self {
            bin,
            version: version_in(&text)?,
        })
    }

    /// True if the shared library of this name lies where this installation keeps them.
    pub fn has_library(&self, name: &str) -> bool {
        let file = format!("{name}.so");
        let prefix = self.bin.parent().unwrap_or(&self.bin);
        ["lib", "lib/postgresql", "lib64"]
            .iter()
            .any(|lib| prefix.join(lib).join(&file).is_file())
    }
}

/// `15.18` out of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version_in(text: &str) -> Option<String> {
    text.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// The highest of Debian's folders first: 9.6 < 13 < 18.
fn by_version_descending(mut dirs: Vec<PathBuf>) -> Vec<PathBuf> {
    let version = |dir: &PathBuf| -> f64 {
        dir.file_name()
            .and_then(|n| n.to_str())
            .and_then(|n| n.parse().ok())
            .unwrap_or(0.0)
    };
    dirs.sort_by(|a, b| version(b).total_cmp(&version(a)));
    dirs
}

/// Finds PostgreSQL's programs. `path` is the value of PATH. `named` is the operator's choice: if
/// it is no PostgreSQL, that is an error and not a reason to look on.
pub fn find(named: Option<&Path>, path: Option<&std::ffi::OsStr>) -> Result<Installation, PgError> {
    if let Some(dir) = named {
        return Installation::at(dir).ok_or_else(|| PgError::NotABinDir {
            dir: dir.to_path_buf(),
        });
    }
    let mut candidates: Vec<PathBuf> = path
        .map(|p| std::env::split_paths(p).collect())
        .unwrap_or_default();
    let debian = Path::new("/usr/lib/postgresql");
    let versions = std::fs::read_dir(debian)
        .map(|dir| dir.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    candidates.extend(
        by_version_descending(versions)
            .into_iter()
            .map(|dir| dir.join("bin")),
    );
    // `cargo run` stands in the repository; an installed binary's neighbours are looked at too.
    candidates.push(PathBuf::from("target/pg/bin"));
    if let Ok(exe) = std::env::current_exe() {
        candidates.extend(
            exe.ancestors()
                .skip(2)
                .take(2)
                .map(|dir| dir.join("pg/bin")),
        );
    }
    candidates
        .iter()
        .find_map(|dir| Installation::at(dir))
        .ok_or_else(|| PgError::NotFound {
            looked: "PATH, /usr/lib/postgresql/*/bin, target/pg/bin".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_postgres_says() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)";
        assert_eq!(version_in(debian).as_deref(), Some("15.18"));
        assert_eq!(
            version_in("postgres (PostgreSQL) 18.6").as_deref(),
            Some("18.6")
        );
        assert_eq!(version_in("no such thing"), None);
    }

    #[test]
    fn the_highest_version_comes_first_by_number_and_not_by_letter() {
        let dirs = ["9.6", "18", "13", "notes"].map(PathBuf::from).to_vec();
        let sorted = by_version_descending(dirs);
        assert_eq!(sorted[0], PathBuf::from("18"));
        assert_eq!(sorted[2], PathBuf::from("9.6"));
    }

    #[test]
    fn a_folder_that_was_named_and_is_none_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let fault = find(Some(dir.path()), None).unwrap_err().to_string();
        assert!(
            fault.ends_with("no `postgres` and `initdb` there"),
            "{fault}"
        );
    }
}
