//! Whom do we trust? The machine's certificates, or those of one file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why nobody can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The file can't be read.
    #[error("can't read the certificates in {path}: {says}; `ca` names a PEM file")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        says: String,
    },
    /// The machine has none.
    #[error(
        "this machine has no trusted certificates ({0}); install ca-certificates, or name a PEM file with `ca`"
    )]
    NoneHere(String),
    /// rustls refuses.
    #[error("couldn't prepare TLS: {0}")]
    Refused(String),
}

/// TLS 1.2 and 1.3 with aws-lc-rs. `ca`: trust these and nobody else.
pub fn client(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsFault> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let unreadable = |says: String| TlsFault::Unreadable {
                path: path.to_owned(),
                says,
            };
            let found: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(|fault| unreadable(fault.to_string()))?;
            if found.is_empty() {
                return Err(unreadable("there is no certificate in it".to_owned()));
            }
            for certificate in found {
                roots
                    .add(certificate)
                    .map_err(|fault| unreadable(fault.to_string()))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            // One that can't be read takes nothing from the others.
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let says = found
                    .errors
                    .first()
                    .map_or("none found".to_owned(), ToString::to_string);
                return Err(TlsFault::NoneHere(says));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| TlsFault::Refused(fault.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// For targets without TLS: should one be redirected into it all the same, nobody is trusted.
pub(super) fn nobody() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs speaks TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}
