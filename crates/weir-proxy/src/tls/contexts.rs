//! What connections need of files and settings: made at start, and anew at each reload.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, InconsistentKeys, ProtocolVersion, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use weir_model::{AuthMethod, PoolerSettings, TlsSettings, TlsVersion};
use weir_wire::certificate;

use super::files;
use super::suites;
use super::verify::Verifier;

/// The protocol's name in ALPN.
pub(super) const ALPN: &[u8] = b"postgresql";

/// On which side of Weir TLS is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSide {
    /// Towards clients.
    Clients,
    /// Towards the server of this name.
    Server(Arc<str>),
}

impl fmt::Display for TlsSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clients => f.write_str("TLS towards clients"),
            Self::Server(name) => write!(f, "TLS towards server {name}"),
        }
    }
}

/// What is wrong with a setting, or with the file that it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{side}: {key}: {says}")]
pub struct TlsFault {
    /// Where.
    pub side: TlsSide,
    /// The key of `tls = { … }` that is to be looked at: `cert`, `key`, `ca`, `mode`, `ciphers`, …
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub says: String,
}

/// Towards clients.
pub(crate) struct Acceptor {
    pub(crate) config: Arc<ServerConfig>,
    /// The hash of our certificate.
    pub(crate) end_point: Option<Arc<[u8]>>,
}

/// All that workers need for TLS. Shared; never changed once it is made.
#[derive(Default)]
pub struct TlsContexts {
    pub(crate) clients: Option<Acceptor>,
    servers: HashMap<Arc<TlsSettings>, Arc<ClientConfig>>,
    /// What an operator should know although everything works: certificates that run out, keys
    /// that others can read.
    pub warnings: Vec<String>,
}

impl fmt::Debug for TlsContexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsContexts")
            .field("clients", &self.clients.is_some())
            .field("servers", &self.servers.len())
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// Certificates that run out within this are warned of.
const SOON: i64 = 14 * 86_400;

/// One side's settings on their way to a context.
struct Maker<'a> {
    side: TlsSide,
    tls: &'a TlsSettings,
    provider: Arc<CryptoProvider>,
    /// Seconds since 1970.
    now: i64,
    faults: &'a mut Vec<TlsFault>,
    warnings: &'a mut Vec<String>,
}

impl TlsContexts {
    /// Reads the files that `settings` name, and tells all that is wrong. `now`: seconds since
    /// 1970, for certificates that run out.
    pub fn load(settings: &PoolerSettings, now: i64) -> Result<Self, Vec<TlsFault>> {
        let mut faults = Vec::new();
        let mut warnings = Vec::new();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut contexts = Self::default();
        if !settings.tls.is_off() {
            let asks = matches!(settings.auth_method, AuthMethod::Cert | AuthMethod::Hba);
            contexts.clients = Maker {
                side: TlsSide::Clients,
                tls: &settings.tls,
                provider: Arc::clone(&provider),
                now,
                faults: &mut faults,
                warnings: &mut warnings,
            }
            .acceptor(asks);
        } else if settings.auth_method == AuthMethod::Cert {
            faults.push(TlsFault {
                side: TlsSide::Clients,
                key: "mode",
                says: "authentication by certificate needs TLS: mode = \"verify-full\", with ca, \
                       cert and key"
                    .to_owned(),
            });
        }
        for pool in &settings.pools {
            let server = &pool.server;
            if server.tls.is_off() || contexts.servers.contains_key(&server.tls) {
                continue;
            }
            let made = Maker {
                side: TlsSide::Server(Arc::clone(&server.name)),
                tls: &server.tls,
                provider: Arc::clone(&provider),
                now,
                faults: &mut faults,
                warnings: &mut warnings,
            }
            .connector();
            if let Some(config) = made {
                contexts.servers.insert(Arc::clone(&server.tls), config);
            }
        }
        if faults.is_empty() {
            contexts.warnings = warnings;
            Ok(contexts)
        } else {
            Err(faults)
        }
    }

    /// Towards a server with these settings.
    pub(crate) fn server(&self, tls: &Arc<TlsSettings>) -> Option<&Arc<ClientConfig>> {
        self.servers.get(tls)
    }
}

impl Maker<'_> {
    fn fault(&mut self, key: &'static str, says: impl Into<String>) {
        self.faults.push(TlsFault {
            side: self.side.clone(),
            key,
            says: says.into(),
        });
    }

    /// The provider with the suites that are wanted, and the versions.
    fn versions(
        &mut self,
    ) -> Option<(Arc<CryptoProvider>, Vec<&'static SupportedProtocolVersion>)> {
        let tls = self.tls;
        if tls.version_min > tls.version_max {
            let (min, max) = (tls.version_min.name(), tls.version_max.name());
            self.fault(
                "version_min",
                format!("{min} is newer than the newest allowed, {max}"),
            );
            return None;
        }
        let wanted = |version| (tls.version_min..=tls.version_max).contains(&version);
        let mut suites = Vec::new();
        let mut versions = Vec::new();
        for (version, number, supported, key, line) in [
            (
                TlsVersion::V13,
                ProtocolVersion::TLSv1_3,
                &rustls::version::TLS13,
                "ciphers_13",
                &tls.ciphers_13,
            ),
            (
                TlsVersion::V12,
                ProtocolVersion::TLSv1_2,
                &rustls::version::TLS12,
                "ciphers",
                &tls.ciphers,
            ),
        ] {
            if !wanted(version) {
                continue;
            }
            match suites::chosen(&self.provider, number, line) {
                Ok(chosen) => suites.extend(chosen),
                Err(says) => {
                    self.fault(key, says);
                    return None;
                }
            }
            versions.push(supported);
        }
        let provider = CryptoProvider {
            cipher_suites: suites,
            ..(*self.provider).clone()
        };
        Some((Arc::new(provider), versions))
    }

    /// Our certificate chain and its key. `None`: there is none, or a fault was told.
    fn identity(&mut self) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let (cert, key) = match (&self.tls.cert, &self.tls.key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => return None,
            (Some(_), None) => {
                self.fault("key", "a certificate without its key: add `key`");
                return None;
            }
            (None, Some(_)) => {
                // As in libpq. On the console the two come one after the other.
                let says = format!("{}: the key isn't used: it has no certificate", self.side);
                self.warnings.push(says);
                return None;
            }
        };
        let chain = files::certificates(cert);
        let key_read = files::key(key);
        if let Some(says) = files::key_is_open(key) {
            self.warnings.push(format!("{}: {says}", self.side));
        }
        match (chain, key_read) {
            (Ok(chain), Ok(key)) => {
                self.look_at_dates(cert, &chain[0]);
                Some((chain, key))
            }
            (chain, key) => {
                if let Err(says) = chain {
                    self.fault("cert", says);
                }
                if let Err(says) = key {
                    self.fault("key", says);
                }
                None
            }
        }
    }

    /// An expired certificate serves those who don't look, so it is a warning, a loud one.
    fn look_at_dates(&mut self, file: &Path, der: &[u8]) {
        let Some((first, last)) = certificate::validity(der) else {
            return;
        };
        let whose = certificate::subject(der).unwrap_or_default();
        let (file, side) = (file.display(), &self.side);
        let about = format!("{side}: the certificate in \"{file}\" ({whose})");
        if self.now > last {
            let days = (self.now - last) / 86_400;
            self.warnings.push(format!(
                "{about} expired {days} days ago: whoever verifies it refuses it; replace the file \
                 and reload"
            ));
        } else if self.now < first {
            self.warnings.push(format!(
                "{about} is not valid yet; or this machine's clock is wrong"
            ));
        } else if last - self.now < SOON {
            let days = (last - self.now) / 86_400;
            self.warnings.push(format!(
                "{about} expires in {days} days; replace the file and reload"
            ));
        }
    }

    /// The certificates of the CA file, and the store made of them.
    fn authorities(
        &mut self,
    ) -> Option<(
        RootCertStore,
        Vec<rustls::pki_types::CertificateDer<'static>>,
    )> {
        let mut roots = RootCertStore::empty();
        let Some(path) = self.tls.ca.clone() else {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                self.fault(
                    "ca",
                    "no `ca` is given, and the system has no certificates of authorities: name a \
                     file, or install ca-certificates",
                );
                return None;
            }
            return Some((roots, Vec::new()));
        };
        match files::certificates(&path) {
            Ok(certificates) => {
                for certificate in &certificates {
                    if certificate::validity(certificate).is_some_and(|(_, last)| last < self.now) {
                        self.warnings.push(format!(
                            "{}: the authority {} in \"{}\" has expired; nothing that it signed is \
                             believed",
                            self.side,
                            certificate::subject(certificate).unwrap_or_default(),
                            path.display()
                        ));
                    }
                }
                // One that the library can't read (version 1) still counts as itself.
                roots.add_parsable_certificates(certificates.iter().cloned());
                Some((roots, certificates))
            }
            Err(says) => {
                self.fault("ca", says);
                None
            }
        }
    }

    fn acceptor(mut self, asks_for_certificates: bool) -> Option<Acceptor> {
        let before = self.faults.len();
        let versions = self.versions();
        let identity = self.identity();
        if identity.is_none() && self.faults.len() == before {
            self.fault(
                "cert",
                "TLS towards clients needs a certificate: add `cert` and `key`",
            );
        }
        let verifies = self.tls.mode.verifies();
        if verifies && self.tls.ca.is_none() {
            let mode = self.tls.mode;
            self.fault(
                "ca",
                format!("mode {mode} wants client certificates: `ca` must say who signs them"),
            );
            return None;
        }
        let asks = verifies || asks_for_certificates && self.tls.ca.is_some();
        let authorities = if asks {
            Some(self.authorities()?)
        } else {
            None
        };
        let (provider, versions) = versions?;
        let (chain, key) = identity?;
        let end_point = certificate::end_point(&chain[0]).map(Into::into);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|e| self.fault("ciphers", e.to_string()))
            .ok()?;
        let builder = match authorities {
            None => builder.with_no_client_auth(),
            Some((roots, _)) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if verifies {
                    verifier
                } else {
                    verifier.allow_unauthenticated()
                };
                match verifier.build() {
                    Ok(verifier) => builder.with_client_cert_verifier(verifier),
                    Err(fault) => {
                        self.fault("ca", fault.to_string());
                        return None;
                    }
                }
            }
        };
        let mut config = match pair(&self.provider, chain, key) {
            Ok(pair) => builder.with_cert_resolver(pair),
            Err(fault) => {
                self.identity_fault(&fault);
                return None;
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Some(Acceptor {
            config: Arc::new(config),
            end_point,
        })
    }

    fn identity_fault(&mut self, fault: &rustls::Error) {
        let (cert, key) = (&self.tls.cert, &self.tls.key);
        let shown = |path: &Option<std::path::PathBuf>| {
            path.as_ref()
                .map_or_else(String::new, |p| p.display().to_string())
        };
        let says = match fault {
            rustls::Error::InconsistentKeys(_) => format!(
                "the key in \"{}\" is not that of the certificate in \"{}\": they must be a pair",
                shown(key),
                shown(cert)
            ),
            other => format!("\"{}\" can't be used: {other}", shown(key)),
        };
        self.fault("key", says);
    }

    fn connector(mut self) -> Option<Arc<ClientConfig>> {
        let before = self.faults.len();
        let versions = self.versions();
        let identity = self.identity();
        if self.tls.direct && !self.tls.mode.is_required() {
            let mode = self.tls.mode;
            self.fault(
                "direct",
                format!(
                    "direct TLS leaves no way back to plain text, so mode can't be {mode}; write \
                     \"require\" or more"
                ),
            );
        }
        let (roots, anchors) = if self.tls.mode.verifies() {
            self.authorities()?
        } else {
            (RootCertStore::empty(), Vec::new())
        };
        if self.faults.len() > before {
            return None;
        }
        let (provider, versions) = versions?;
        let verifier = Verifier {
            mode: self.tls.mode,
            roots,
            anchors,
            provider: Arc::clone(&provider),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|e| self.fault("ciphers", e.to_string()))
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => match pair(&self.provider, chain, key) {
                Ok(pair) => builder.with_client_cert_resolver(pair),
                Err(fault) => {
                    self.identity_fault(&fault);
                    return None;
                }
            },
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Some(Arc::new(config))
    }
}

/// A certificate with its key, if they are a pair. Also one of X.509 version 1, which many recipes of
/// openssl make: whether it is good enough is for the peer to say.
fn pair(
    provider: &CryptoProvider,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<SingleCertAndKey>, rustls::Error> {
    let key = provider.key_provider.load_private_key(key)?;
    let certificate = chain.first().map(|first| first.to_vec());
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(rustls::Error::InvalidCertificate(_)) => {
            // rustls can't read it. A pair's certificate holds the key's public half, byte for byte.
            let (Some(certificate), Some(public)) = (certificate, pair.key.public_key()) else {
                return Err(InconsistentKeys::Unknown.into());
            };
            let public: &[u8] = public.as_ref();
            if !certificate.windows(public.len()).any(|w| w == public) {
                return Err(InconsistentKeys::KeyMismatch.into());
            }
        }
        Err(other) => return Err(other),
    }
    Ok(Arc::new(SingleCertAndKey::from(pair)))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// Made by `openssl x509 -req -signkey`, which writes version 1; valid for a hundred years.
    const CERTIFICATE: &[u8] = include_bytes!("../../tests/certificates/version1.crt");
    const KEY: &[u8] = include_bytes!("../../tests/certificates/version1.key");
    const ANOTHER: &[u8] = include_bytes!("../../tests/certificates/another.key");

    fn paired(key: &[u8]) -> Result<Arc<SingleCertAndKey>, rustls::Error> {
        let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        pair(&rustls::crypto::aws_lc_rs::default_provider(), chain, key)
    }

    #[test]
    fn a_certificate_of_version_1_goes_with_its_key_and_with_no_other() {
        assert!(paired(KEY).is_ok());
        assert!(matches!(
            paired(ANOTHER),
            Err(rustls::Error::InconsistentKeys(
                InconsistentKeys::KeyMismatch
            ))
        ));
    }
}
