//! How clients prove who they are, and who looks them up.

use std::str::FromStr;
use std::sync::Arc;

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// Any user that is known (or any at all if the user list is empty) without a password.
    Trust,
    /// Any user at all, under any name; only databases with a forced user take them.
    Any,
    /// The password as it is. For TLS and Unix sockets.
    Plain,
    /// MD5 challenge. A SCRAM verifier in the user list answers with SCRAM instead, as in
    /// PgBouncer.
    Md5,
    /// SCRAM-SHA-256.
    #[default]
    ScramSha256,
    /// The name in the client's TLS certificate.
    Cert,
    /// The operating system's user at the other end of a Unix socket.
    Peer,
    /// As the first fitting line of the HBA file says.
    Hba,
    /// Nobody. For lines of an HBA file.
    Reject,
}

impl AuthMethod {
    /// As files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Any => "any",
            Self::Plain => "plain",
            Self::Md5 => "md5",
            Self::ScramSha256 => "scram-sha-256",
            Self::Cert => "cert",
            Self::Peer => "peer",
            Self::Hba => "hba",
            Self::Reject => "reject",
        }
    }
}

impl FromStr for AuthMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "trust" => Ok(Self::Trust),
            "any" => Ok(Self::Any),
            "plain" => Ok(Self::Plain),
            "md5" => Ok(Self::Md5),
            "scram-sha-256" => Ok(Self::ScramSha256),
            "cert" => Ok(Self::Cert),
            "peer" => Ok(Self::Peer),
            "hba" => Ok(Self::Hba),
            other => Err(format!(
                "`{other}` is no auth method; known are trust, any, plain, md5, scram-sha-256, \
                 cert, peer, hba"
            )),
        }
    }
}

/// Who looks up users that no list has, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthQuery {
    /// The user that asks (PgBouncer: `auth_user`). Its own secret is in the user list.
    pub user: Arc<str>,
    /// The query; `$1` is the name that is asked for. Answers a row of name and secret, or none.
    pub sql: Arc<str>,
    /// The database to ask in (`auth_dbname`); `None`: the one that the client wants.
    pub database: Option<Arc<str>>,
}

impl AuthQuery {
    /// What PgBouncer asks unless told otherwise.
    pub const DEFAULT_SQL: &str = "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND rolcanlogin";
}
