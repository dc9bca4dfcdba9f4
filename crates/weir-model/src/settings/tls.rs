//! TLS: whether, with whose certificate, and how much of the other side's is believed.
//!
//! # What is deliberately absent
//! - I/O: files are read by whoever builds the contexts (`weir-proxy`).
//! - TLS before 1.2, which the library doesn't have. A file that asks for it by name is told so.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How much TLS, in the words of PostgreSQL's `sslmode`.
///
/// | mode | a client… | towards PostgreSQL… |
/// |---|---|---|
/// | `disable` | gets `N` | isn't asked for |
/// | `allow`, `prefer` | may | is asked for; plain if refused |
/// | `require` | must | must |
/// | `verify-ca` | must, with a certificate of our CA | must, with a certificate of our CA |
/// | `verify-full` | likewise | … that is for the host's name |
///
/// Over Unix sockets there is none, whatever the mode, as in PostgreSQL and PgBouncer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsMode {
    /// None.
    #[default]
    Disable,
    /// Where the other side wants it.
    Allow,
    /// Likewise (PgBouncer knows no difference either).
    Prefer,
    /// Always; certificates are not looked at.
    Require,
    /// Always; the other side's certificate must come from our CA.
    VerifyCa,
    /// Likewise, and a server's must be for the name that we dialled.
    VerifyFull,
}

impl TlsMode {
    /// As files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Plain text is out of the question.
    pub fn is_required(self) -> bool {
        self >= Self::Require
    }

    /// The other side's certificate is checked.
    pub fn verifies(self) -> bool {
        self >= Self::VerifyCa
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TlsMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" => Ok(Self::Allow),
            "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            other => Err(format!(
                "`{other}` is no TLS mode; known are disable, allow, prefer, require, verify-ca, \
                 verify-full"
            )),
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

impl TlsVersion {
    /// As OpenSSL, PostgreSQL and PgBouncer write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::V12 => "TLSv1.2",
            Self::V13 => "TLSv1.3",
        }
    }
}

impl FromStr for TlsVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "tlsv1.2" | "1.2" => Ok(Self::V12),
            "tlsv1.3" | "1.3" => Ok(Self::V13),
            "tlsv1" | "tlsv1.0" | "tlsv1.1" | "1.0" | "1.1" => Err(format!(
                "`{text}` is refused by every current library; known are TLSv1.2, TLSv1.3"
            )),
            _ => Err(format!(
                "`{text}` is no version of TLS; known are TLSv1.2, TLSv1.3"
            )),
        }
    }
}

/// TLS on one side: towards all clients, or towards one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// How much.
    pub mode: TlsMode,
    /// Certificates of the authorities that are believed, PEM. Towards servers, `None`: with a
    /// mode that verifies, the system's. Towards clients, `None`: no client certificates.
    pub ca: Option<PathBuf>,
    /// Our certificate and its chain, PEM.
    pub cert: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// No older version.
    pub version_min: TlsVersion,
    /// No newer version.
    pub version_max: TlsVersion,
    /// Cipher suites for TLS 1.2, OpenSSL's names between colons; empty: the library's.
    pub ciphers: String,
    /// Cipher suites for TLS 1.3, likewise.
    pub ciphers_13: String,
    /// Towards a server: TLS from the first byte, without asking (PostgreSQL 17 and later;
    /// libpq: `sslnegotiation=direct`). Needs a mode that requires TLS.
    pub direct: bool,
}

impl TlsSettings {
    /// This mode, no files, every default.
    pub fn of(mode: TlsMode) -> Self {
        Self {
            mode,
            ca: None,
            cert: None,
            key: None,
            version_min: TlsVersion::V12,
            version_max: TlsVersion::V13,
            ciphers: String::new(),
            ciphers_13: String::new(),
            direct: false,
        }
    }

    /// Never read: TLS isn't used.
    pub fn is_off(&self) -> bool {
        self.mode == TlsMode::Disable
    }
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self::of(TlsMode::Disable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_ordered_by_how_much_they_ask() {
        let names = [
            "disable",
            "allow",
            "prefer",
            "require",
            "verify-ca",
            "verify-full",
        ];
        let modes: Vec<TlsMode> = names.iter().map(|n| n.parse().unwrap()).collect();
        assert!(modes.is_sorted());
        assert_eq!(modes.iter().filter(|m| m.is_required()).count(), 3);
        assert_eq!(modes.iter().filter(|m| m.verifies()).count(), 2);
        for (mode, name) in modes.iter().zip(names) {
            assert_eq!(mode.to_string(), name);
        }
    }

    #[test]
    fn old_versions_are_refused_by_name() {
        assert_eq!("TLSv1.3".parse(), Ok(TlsVersion::V13));
        let says = "TLSv1.1".parse::<TlsVersion>().unwrap_err();
        assert!(says.contains("TLSv1.2"), "{says}");
    }
}
