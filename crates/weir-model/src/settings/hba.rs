//! Host-based access: which proof a client gives, by where it comes from, whom it wants to be and
//! what it asks for. The files are PostgreSQL's `pg_hba.conf` and `pg_ident.conf`, as far as
//! PgBouncer reads them.
//!
//! # What always holds
//! - The first rule that fits decides; if none does, nobody comes in.
//! - A line that can't be read is a fault with its number, and lets nobody in by itself.
//!
//! # What is deliberately absent
//! - I/O: files named by `@` are read by whoever calls.
//! - Host names as addresses, `samerole`, `samegroup`, `replication`, groups (`+name`), and
//!   regular expressions.

use std::net::IpAddr;
use std::sync::Arc;

use super::AuthMethod;

/// Which kind of connection a rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HbaTransport {
    /// A Unix socket.
    Local,
    /// TCP, with or without TLS.
    Host,
    /// TCP with TLS.
    HostSsl,
    /// TCP without TLS.
    HostNoSsl,
}

/// A set of database or user names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    all: bool,
    same_user: bool,
    listed: Vec<Arc<str>>,
}

impl Names {
    fn fits(&self, name: &str, user: &str) -> bool {
        self.all || self.same_user && name == user || self.listed.iter().any(|n| &**n == name)
    }
}

/// Addresses that agree in these bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net {
    address: IpAddr,
    mask: IpAddr,
}

impl Net {
    fn holds(self, ip: IpAddr) -> bool {
        match (self.address, self.mask, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(mask), IpAddr::V4(ip)) => {
                u32::from(ip) & u32::from(mask) == u32::from(net) & u32::from(mask)
            }
            (IpAddr::V6(net), IpAddr::V6(mask), IpAddr::V6(ip)) => {
                u128::from(ip) & u128::from(mask) == u128::from(net) & u128::from(mask)
            }
            _ => false,
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HbaRule {
    /// Where it stands in its file.
    pub line: u32,
    transport: HbaTransport,
    databases: Names,
    users: Names,
    /// `None`: any address.
    net: Option<Net>,
    /// The proof that is asked for.
    pub method: AuthMethod,
    /// The ident map for `peer` and `cert`.
    pub map: Option<Arc<str>>,
}

/// All rules, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hba {
    rules: Vec<HbaRule>,
}

/// A line that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {says}")]
pub struct HbaFault {
    /// Its number.
    pub line: u32,
    /// What is wrong with it.
    pub says: String,
}

/// Who is at the other end of a client's connection, as far as its socket tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` for a Unix socket.
    pub ip: Option<IpAddr>,
    /// The operating-system user of its process, where the kernel tells.
    pub unix_user: Option<Arc<str>>,
    /// That user is the one whom Weir runs as.
    pub is_own_user: bool,
    /// Its connection is encrypted.
    pub tls: bool,
    /// The common name of the certificate that it proved to own.
    pub certificate: Option<Arc<str>>,
}

impl Hba {
    /// Reads a file's text. `names` reads a file of names (`@file`), relative to this one.
    ///
    /// Lines that can't be read are left out and told; the others hold.
    pub fn parse(
        text: &str,
        mut names: impl FnMut(&str) -> Result<String, String>,
    ) -> (Self, Vec<HbaFault>) {
        let mut hba = Self::default();
        let mut faults = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
            match rule(line, number, &mut names) {
                Ok(Some(rule)) => hba.rules.push(rule),
                Ok(None) => {}
                Err(says) => faults.push(HbaFault { line: number, says }),
            }
        }
        (hba, faults)
    }

    /// The rule for this client; `None`: no rule fits, so it is refused.
    pub fn rule(&self, peer: &Peer, database: &str, user: &str) -> Option<&HbaRule> {
        self.rules.iter().find(|rule| {
            let transport = match (rule.transport, peer.ip) {
                (HbaTransport::Local, ip) => ip.is_none(),
                (_, None) => false,
                (HbaTransport::Host, Some(_)) => true,
                (HbaTransport::HostSsl, Some(_)) => peer.tls,
                (HbaTransport::HostNoSsl, Some(_)) => !peer.tls,
            };
            transport
                && rule
                    .net
                    .is_none_or(|net| peer.ip.is_some_and(|ip| net.holds(ip)))
                && rule.databases.fits(database, user)
                && rule.users.fits(user, user)
        })
    }

    /// True if some rule asks for the operating system's user.
    pub fn asks_for_peer(&self) -> bool {
        self.rules.iter().any(|r| r.method == AuthMethod::Peer)
    }
}

/// A word, and whether it stood in quotes (then it is a name whatever it says).
type Word = (String, bool);

/// Fields of a line, each a list that commas join.
fn fields(line: &str) -> Result<Vec<Vec<Word>>, String> {
    let mut fields: Vec<Vec<Word>> = Vec::new();
    let mut chars = line.chars().peekable();
    let mut joins = false;
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        if c == '#' {
            break;
        }
        if c == ',' {
            chars.next();
            joins = true;
            continue;
        }
        let mut word = String::new();
        let quoted = c == '"';
        if quoted {
            chars.next();
            loop {
                match chars.next() {
                    Some('"') if chars.peek() == Some(&'"') => {
                        chars.next();
                        word.push('"');
                    }
                    Some('"') => break,
                    Some(c) => word.push(c),
                    None => return Err("a quote isn't closed".to_owned()),
                }
            }
        } else {
            while let Some(&c) = chars.peek() {
                if c.is_whitespace() || matches!(c, ',' | '#' | '"') {
                    break;
                }
                word.push(c);
                chars.next();
            }
        }
        match fields.last_mut() {
            Some(last) if std::mem::take(&mut joins) => last.push((word, quoted)),
            _ => fields.push(vec![(word, quoted)]),
        }
    }
    Ok(fields)
}

fn rule(
    line: &str,
    number: u32,
    names: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Option<HbaRule>, String> {
    let fields = fields(line)?;
    let mut rest = fields.iter();
    let Some(kind) = rest.next() else {
        return Ok(None);
    };
    let transport = match single(kind, "the type")? {
        "local" => HbaTransport::Local,
        "host" => HbaTransport::Host,
        "hostssl" => HbaTransport::HostSsl,
        "hostnossl" => HbaTransport::HostNoSsl,
        other => {
            return Err(format!(
                "unknown type `{other}`; known are local, host, hostssl, hostnossl"
            ));
        }
    };
    let databases = name_set(rest.next().ok_or("no database")?, true, names)?;
    let users = name_set(rest.next().ok_or("no user")?, false, names)?;
    let net = if transport == HbaTransport::Local {
        None
    } else {
        let address = single(rest.next().ok_or("no address")?, "the address")?;
        if address == "all" {
            None
        } else if let Some((address, bits)) = address.split_once('/') {
            Some(net_of_bits(address, bits)?)
        } else {
            let mask = single(
                rest.next()
                    .ok_or("no mask: write 10.0.0.0/8, or address and mask")?,
                "the mask",
            )?;
            Some(Net {
                address: ip(address)?,
                mask: ip(mask)?,
            })
        }
    };
    let method = match single(rest.next().ok_or("no method")?, "the method")? {
        "trust" => AuthMethod::Trust,
        "reject" => AuthMethod::Reject,
        "md5" => AuthMethod::Md5,
        "scram-sha-256" => AuthMethod::ScramSha256,
        "password" => AuthMethod::Plain,
        "peer" => AuthMethod::Peer,
        "cert" => AuthMethod::Cert,
        other => {
            return Err(format!(
                "unsupported method `{other}`; known are trust, reject, md5, scram-sha-256, \
                 password, peer, cert"
            ));
        }
    };
    let mut map = None;
    for option in rest {
        match single(option, "an option")?.split_once('=') {
            Some(("map", name)) if matches!(method, AuthMethod::Peer | AuthMethod::Cert) => {
                map = Some(name.into());
            }
            _ => return Err(format!("unsupported option `{}`", option[0].0)),
        }
    }
    Ok(Some(HbaRule {
        line: number,
        transport,
        databases,
        users,
        net,
        method,
        map,
    }))
}

fn single<'a>(field: &'a [Word], what: &str) -> Result<&'a str, String> {
    match field {
        [(word, _)] => Ok(word),
        _ => Err(format!("{what} must be one word")),
    }
}

fn name_set(
    field: &[Word],
    is_database: bool,
    names: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Names, String> {
    let mut set = Names::default();
    for (word, quoted) in field {
        match word.as_str() {
            "all" if !quoted => set.all = true,
            "sameuser" if !quoted && is_database => set.same_user = true,
            "samerole" | "samegroup" | "replication" if !quoted && is_database => {
                return Err(format!("{word} is not supported"));
            }
            _ if !quoted && word.starts_with('+') => {
                return Err(format!("groups ({word}) are not supported"));
            }
            _ if !quoted && word.starts_with('@') => {
                let text = names(&word[1..])?;
                for line in text.lines() {
                    for field in fields(line)? {
                        // No files within files: a ring of them would never end.
                        let more = name_set(&field, is_database, &mut |file| {
                            Err(format!("{word} names another file, {file}"))
                        })?;
                        set.all |= more.all;
                        set.same_user |= more.same_user;
                        set.listed.extend(more.listed);
                    }
                }
            }
            _ => set.listed.push(word.as_str().into()),
        }
    }
    Ok(set)
}

fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no IP address"))
}

fn net_of_bits(address: &str, bits: &str) -> Result<Net, String> {
    let address = ip(address)?;
    let fault = || format!("`{bits}` is no number of bits for {address}");
    let bits: u32 = bits.parse().map_err(|_| fault())?;
    let mask = match address {
        IpAddr::V4(_) if bits <= 32 => {
            IpAddr::V4(u32::MAX.checked_shl(32 - bits).unwrap_or(0).into())
        }
        IpAddr::V6(_) if bits <= 128 => {
            IpAddr::V6(u128::MAX.checked_shl(128 - bits).unwrap_or(0).into())
        }
        _ => return Err(fault()),
    };
    Ok(Net { address, mask })
}

/// Which names of the operating system or of certificates may come as which users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentMaps {
    /// Map, system name, user. The user `all` is anybody.
    lines: Vec<(Arc<str>, Arc<str>, Arc<str>)>,
}

impl IdentMaps {
    /// Reads a file's text: map, system name, user.
    pub fn parse(text: &str) -> (Self, Vec<HbaFault>) {
        let mut maps = Self::default();
        let mut faults = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let read = fields(line).and_then(|fields| match fields.as_slice() {
                [] => Ok(None),
                [map, system, user] => Ok(Some((
                    single(map, "the map")?.into(),
                    single(system, "the system name")?.into(),
                    single(user, "the user")?.into(),
                ))),
                _ => Err("a line is: map, system name, user".to_owned()),
            });
            match read {
                Ok(Some(line)) => maps.lines.push(line),
                Ok(None) => {}
                Err(says) => faults.push(HbaFault { line: number, says }),
            }
        }
        (maps, faults)
    }

    /// Whether somebody whom the system calls `system` may come as `user`.
    pub fn allows(&self, map: &str, system: &str, user: &str) -> bool {
        self.lines
            .iter()
            .any(|(m, s, u)| &**m == map && &**s == system && (&**u == user || &**u == "all"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Hba {
        let (hba, faults) = Hba::parse(text, |_| Err("no such file".to_owned()));
        assert_eq!(faults, []);
        hba
    }

    fn from(ip: &str) -> Peer {
        Peer {
            ip: Some(ip.parse().unwrap()),
            ..Peer::default()
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let hba = read(
            "# who may\n\
             local all all peer map=ours\n\
             host app,\"all\" ann 10.0.0.0/8 md5\n\
             host all all 10.1.0.0 255.255.0.0 reject\n\
             hostssl sameuser all ::1/128 cert\n\
             host all all all scram-sha-256\n",
        );
        let method = |peer: &Peer, db, user| hba.rule(peer, db, user).map(|r| r.method);
        let unix = Peer::default();
        assert_eq!(method(&unix, "x", "y"), Some(AuthMethod::Peer));
        assert_eq!(
            hba.rule(&unix, "x", "y").unwrap().map.as_deref(),
            Some("ours")
        );
        assert_eq!(
            method(&from("10.1.2.3"), "app", "ann"),
            Some(AuthMethod::Md5)
        );
        assert_eq!(
            method(&from("10.1.2.3"), "all", "ann"),
            Some(AuthMethod::Md5)
        );
        assert_eq!(
            method(&from("10.1.2.3"), "app", "bob"),
            Some(AuthMethod::Reject)
        );
        assert_eq!(
            method(&from("::ffff:10.1.2.3"), "app", "bob"),
            Some(AuthMethod::Reject),
            "an IPv4 address in IPv6 clothes"
        );
        let mut tls = from("::1");
        assert_eq!(method(&tls, "ann", "ann"), Some(AuthMethod::ScramSha256));
        tls.tls = true;
        assert_eq!(method(&tls, "ann", "ann"), Some(AuthMethod::Cert));
        assert_eq!(method(&tls, "app", "ann"), Some(AuthMethod::ScramSha256));
        assert_eq!(read("").rule(&unix, "x", "y"), None);
    }

    #[test]
    fn a_line_that_can_not_be_read_lets_nobody_in_and_is_told() {
        for (line, says) in [
            ("hosts all all all md5", "unknown type"),
            ("host all all 10.0.0.0/33 md5", "no number of bits"),
            ("host all all 10.0.0.0 md5", "no IP address"),
            ("host all all localhost/8 md5", "no IP address"),
            ("host all +admins all md5", "groups"),
            ("host replication all all md5", "not supported"),
            ("host all all all gss", "unsupported method"),
            (
                "local all all md5 clientcert=verify-ca",
                "unsupported option",
            ),
            ("local all", "no user"),
            ("local \"all all md5", "quote"),
        ] {
            let (hba, faults) = Hba::parse(line, |_| Err("no such file".to_owned()));
            assert_eq!(hba, Hba::default(), "{line}");
            assert!(
                faults[0].to_string().contains(says),
                "{line}: {}",
                faults[0]
            );
        }
    }

    #[test]
    fn names_may_stand_in_a_file() {
        let (hba, faults) = Hba::parse("local all @users.txt md5", |name| {
            assert_eq!(name, "users.txt");
            Ok("ann, bob\n\"carl\"".to_owned())
        });
        assert_eq!(faults, []);
        for user in ["ann", "bob", "carl"] {
            assert!(hba.rule(&Peer::default(), "x", user).is_some());
        }
        assert!(hba.rule(&Peer::default(), "x", "dave").is_none());
    }

    #[test]
    fn a_map_says_who_may_come_as_whom() {
        let (maps, faults) = IdentMaps::parse("ours root postgres\nours www all\n# end\n");
        assert_eq!(faults, []);
        assert!(maps.allows("ours", "root", "postgres"));
        assert!(!maps.allows("ours", "root", "ann"));
        assert!(maps.allows("ours", "www", "ann"));
        assert!(!maps.allows("theirs", "www", "ann"));
        let (_, faults) = IdentMaps::parse("ours root");
        assert_eq!(faults.len(), 1);
    }
}
