//! Whether a server's certificate is believed, by mode.
//!
//! # What always holds
//! - Whatever the mode, the server must prove that it has the certificate's key: without that the
//!   channel binding of SCRAM would mean nothing.
//!
//! # What goes beyond the library
//! - A certificate that is itself in our CA file is believed, as by OpenSSL: many set-ups have one
//!   self-signed certificate and hand that out.
//! - Where a certificate has no subjectAltName, its common name counts, as in libpq.
//! - With a mode that doesn't verify, certificates that the library can't read (X.509 version 1,
//!   what `openssl x509 -req` made for decades) are taken all the same.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use weir_model::TlsMode;
use weir_wire::certificate;

/// Looks at servers' certificates.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) mode: TlsMode,
    pub(super) roots: RootCertStore,
    /// The certificates of the CA file themselves.
    pub(super) anchors: Vec<CertificateDer<'static>>,
    pub(super) provider: Arc<CryptoProvider>,
}

/// A reason that the library has no word for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Because(String);

fn because(says: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Because(says)))))
}

impl Verifier {
    fn is_anchored(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self
            .anchors
            .iter()
            .any(|a| a.as_ref() == certificate.as_ref())
        {
            let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            return match certificate::validity(certificate) {
                Some((first, _)) if at < first => Err(CertificateError::NotValidYet.into()),
                Some((_, last)) if at > last => Err(CertificateError::Expired.into()),
                Some(_) => Ok(()),
                None => Err(CertificateError::BadEncoding.into()),
            };
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )
    }

    fn is_named(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        if certificate::has_alternative_names(certificate) {
            return verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
        }
        let wanted = name.to_str();
        match certificate::common_name(certificate) {
            Some(common) if fits(&common, &wanted) => Ok(()),
            Some(common) => Err(because(format!(
                "server certificate for \"{common}\" does not match host name \"{wanted}\""
            ))),
            None => Err(because("the server's certificate names no host".to_owned())),
        }
    }

    /// The signature, for a certificate that the library can't read.
    fn by_key_alone(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let (algorithm, key) =
            certificate::public_key(certificate).ok_or(CertificateError::BadEncoding)?;
        let known = self.provider.signature_verification_algorithms.mapping;
        let fits = known
            .iter()
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter())
            .filter(|a| a.public_key_alg_id().as_ref() == algorithm);
        for algorithm in fits {
            if algorithm
                .verify_signature(key, message, signed.signature())
                .is_ok()
            {
                return Ok(HandshakeSignatureValid::assertion());
            }
        }
        Err(CertificateError::BadSignature.into())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.mode.verifies() {
            self.is_anchored(certificate, intermediates, now)?;
        }
        if self.mode == TlsMode::VerifyFull {
            Self::is_named(certificate, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
            .or_else(|_| self.by_key_alone(message, certificate, signed))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms).or_else(
            |fault| match fault {
                // A scheme that TLS 1.3 forbids is none of the certificate's fault.
                Error::PeerMisbehaved(_) => Err(fault),
                _ => self.by_key_alone(message, certificate, signed),
            },
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Whether a common name stands for a host; `*.` for one label, the leftmost.
fn fits(common: &str, host: &str) -> bool {
    let (common, host) = (common.to_ascii_lowercase(), host.to_ascii_lowercase());
    match common.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(label, domain)| {
            !label.is_empty() && domain == rest && rest.contains('.')
        }),
        None => common == host,
    }
}

/// A TLS error in an operator's words.
pub(super) fn says(fault: &Error) -> String {
    let why = match fault {
        Error::InvalidCertificate(why) => why,
        Error::NoCertificatesPresented => {
            return "certificate verify failed: the peer showed no certificate".to_owned();
        }
        Error::AlertReceived(alert) => {
            return format!("the other side refused: {}", alert_says(*alert));
        }
        Error::PeerIncompatible(why) => {
            return format!("no version, cipher or extension in common: {why:?}");
        }
        Error::InvalidMessage(_) => {
            return format!("what came is not TLS ({fault})");
        }
        other => return other.to_string(),
    };
    let why = match why {
        CertificateError::UnknownIssuer => {
            "it was not signed by any certificate of the CA file".to_owned()
        }
        CertificateError::Expired => "it has expired".to_owned(),
        CertificateError::NotValidYet => "it is not valid yet".to_owned(),
        CertificateError::ExpiredContext { not_after, time } => {
            let over = time.as_secs().saturating_sub(not_after.as_secs());
            format!("it expired {} days ago", over / 86_400)
        }
        CertificateError::NotValidYetContext { not_before, time } => {
            let left = not_before.as_secs().saturating_sub(time.as_secs());
            format!(
                "it is not valid for another {} minutes (or a clock is wrong)",
                left / 60
            )
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "it does not match host name \"{}\"; it is for {}",
            expected.to_str(),
            presented.join(", ")
        ),
        CertificateError::Other(why) => {
            // The library nests its own reasons without words of theirs.
            let text = why.to_string();
            if text.contains("CaUsedAsEndEntity") {
                "it is a CA's own, and isn't in the CA file".to_owned()
            } else if text.contains("UnsupportedCertVersion") {
                "it is of X.509 version 1; issue it anew with extensions (version 3)".to_owned()
            } else {
                text
            }
        }
        other => other.to_string(),
    };
    format!("certificate verify failed: {why}")
}

fn alert_says(alert: rustls::AlertDescription) -> &'static str {
    use rustls::AlertDescription as A;
    match alert {
        A::UnknownCA => "it doesn't know who signed our certificate (tlsv1 alert unknown ca)",
        A::CertificateExpired => "our certificate has expired",
        A::BadCertificate => "our certificate is bad",
        A::CertificateRequired => "it wants a certificate of ours, and there is none",
        A::CertificateUnknown => "it doesn't believe our certificate",
        A::HandshakeFailure => "no cipher in common, or it wants a certificate of ours",
        A::ProtocolVersion => "no version of TLS in common",
        A::NoApplicationProtocol => "it doesn't know the ALPN name \"postgresql\"",
        A::UnrecognisedName => "it doesn't know the host's name",
        A::AccessDenied => "access denied",
        other => other.as_str().unwrap_or("an alert that has no name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(fits("db.example.org", "DB.example.org"));
        assert!(fits("*.example.org", "db.example.org"));
        assert!(!fits("*.example.org", "a.db.example.org"));
        assert!(!fits("*.example.org", "example.org"));
        assert!(!fits("*.org", "example.org"));
        assert!(!fits("", "example.org"));
    }

    #[test]
    fn a_reason_says_which_and_why() {
        let fault = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let text = says(&fault);
        assert!(text.starts_with("certificate verify failed: "), "{text}");
        assert!(text.contains("CA file"), "{text}");
    }
}
