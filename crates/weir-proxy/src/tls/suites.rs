//! Cipher suites by OpenSSL's names, as far as the library has them.

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite};

/// OpenSSL's names, the library's own order.
const NAMES: [(&str, CipherSuite); 9] = [
    (
        "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_256_GCM_SHA384,
    ),
    (
        "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_128_GCM_SHA256,
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Words for sets of suites. All that the library has is what they call secure.
const SETS: [&str; 9] = [
    "", "default", "secure", "normal", "fast", "all", "compat", "HIGH", "ALL",
];

/// A suite as OpenSSL names it.
pub(super) fn name(suite: CipherSuite) -> &'static str {
    NAMES
        .iter()
        .find(|(_, known)| *known == suite)
        .map_or_else(|| suite.as_str().unwrap_or("?"), |(name, _)| *name)
}

/// The suites of `version` that `line` names. Exclusions (`!aNULL`) are fulfilled already: the
/// library has nothing that anybody excludes.
pub(super) fn chosen(
    provider: &CryptoProvider,
    version: ProtocolVersion,
    line: &str,
) -> Result<Vec<SupportedCipherSuite>, String> {
    let all = |wanted: &dyn Fn(CipherSuite) -> bool| -> Vec<SupportedCipherSuite> {
        let suites = provider.cipher_suites.iter().copied();
        suites
            .filter(|s| s.version().version == version && wanted(s.suite()))
            .collect()
    };
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    for word in line.split([':', ',', ' ']) {
        if word.starts_with(['!', '-', '+', '@']) {
            continue;
        }
        if SETS.contains(&word) {
            if word.is_empty() && !line.is_empty() {
                continue;
            }
            return Ok(all(&|_| true));
        }
        let suite = NAMES.iter().find(|(name, _)| *name == word);
        let found = suite
            .map(|(_, suite)| all(&|s| s == *suite))
            .unwrap_or_default();
        if found.is_empty() {
            let known: Vec<&str> = all(&|_| true).iter().map(|s| name(s.suite())).collect();
            let which = if version == ProtocolVersion::TLSv1_3 {
                "failed to set the TLSv1.3 cipher suites"
            } else {
                "failed to set the cipher suites"
            };
            return Err(format!(
                "{which}: there is no `{word}`; known are {}",
                known.join(":")
            ));
        }
        for suite in found {
            if !chosen.contains(&suite) {
                chosen.push(suite);
            }
        }
    }
    Ok(if chosen.is_empty() {
        all(&|_| true)
    } else {
        chosen
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(version: ProtocolVersion, line: &str) -> Result<Vec<&'static str>, String> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let suites = chosen(&provider, version, line)?;
        Ok(suites.iter().map(|s| name(s.suite())).collect())
    }

    #[test]
    fn suites_are_taken_in_the_order_in_which_they_are_named() {
        let line = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:!aNULL";
        assert_eq!(
            names(ProtocolVersion::TLSv1_2, line).unwrap(),
            ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
        );
        for set in ["", "default", "HIGH:!aNULL"] {
            assert_eq!(
                names(ProtocolVersion::TLSv1_2, set).unwrap().len(),
                6,
                "{set}"
            );
            assert_eq!(
                names(ProtocolVersion::TLSv1_3, set).unwrap().len(),
                3,
                "{set}"
            );
        }
    }

    #[test]
    fn an_unknown_suite_is_named_and_so_are_those_that_there_are() {
        let says = names(ProtocolVersion::TLSv1_3, "TLS_SM4_GCM_SM3").unwrap_err();
        assert!(
            says.contains("failed to set the TLSv1.3 cipher suites"),
            "{says}"
        );
        assert!(says.contains("TLS_SM4_GCM_SM3"), "{says}");
        assert!(says.contains("TLS_AES_128_GCM_SHA256"), "{says}");
    }
}
