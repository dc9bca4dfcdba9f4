//! Authorities and certificates made for a test.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519,
    SignatureAlgorithm,
};
use weir_model::{TlsMode, TlsSettings};

use super::Postgres;

/// A folder of certificates, all of one authority.
pub struct Pki {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    pub ca: PathBuf,
}

impl Pki {
    pub fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        // PostgreSQL's user reads in it.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("its rights");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = dir.path().join("ca.pem");
        let certificate = params.self_signed(&key).expect("signed");
        std::fs::write(&ca, certificate.pem()).expect("written");
        Self {
            issuer: Issuer::new(params, key),
            ca,
            dir,
        }
    }

    /// A certificate for `common` and these host names, and its key.
    pub fn issue(&self, common: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        self.issue_with(common, hosts, &rcgen::PKCS_ECDSA_P256_SHA256, |_| {})
    }

    pub fn issue_with(
        &self,
        common: &str,
        hosts: &[&str],
        algorithm: &'static SignatureAlgorithm,
        tweak: impl FnOnce(&mut CertificateParams),
    ) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let hosts: Vec<String> = hosts.iter().map(|h| (*h).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, common);
        tweak(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let cert_path = self.dir.path().join(format!("{common}.pem"));
        let key_path = self.dir.path().join(format!("{common}.key"));
        std::fs::write(&cert_path, certificate.pem()).expect("written");
        std::fs::write(&key_path, key.serialize_pem()).expect("written");
        std::fs::set_permissions(&key_path, PermissionsExt::from_mode(0o600)).expect("its rights");
        (cert_path, key_path)
    }

    /// Self-signed with a key whose signatures have no hash.
    pub fn ed25519(&self, common: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        let certificate = params.self_signed(&key).expect("signed");
        let cert_path = self.dir.path().join(format!("{common}.pem"));
        let key_path = self.dir.path().join(format!("{common}.key"));
        std::fs::write(&cert_path, certificate.pem()).expect("written");
        std::fs::write(&key_path, key.serialize_pem()).expect("written");
        std::fs::set_permissions(&key_path, PermissionsExt::from_mode(0o600)).expect("its rights");
        (cert_path, key_path)
    }

    pub fn settings(&self, mode: TlsMode, identity: Option<&(PathBuf, PathBuf)>) -> TlsSettings {
        TlsSettings {
            ca: Some(self.ca.clone()),
            cert: identity.map(|i| i.0.clone()),
            key: identity.map(|i| i.1.clone()),
            ..TlsSettings::of(mode)
        }
    }
}

impl Postgres {
    /// A PostgreSQL with a certificate for `localhost` and 127.0.0.1, these rules in front of
    /// its pg_hba.conf, and TLS switched on.
    pub fn with_tls(pki: &Pki, rules: &str) -> Self {
        let pg = Self::start();
        let identity = pki.issue("postgres-server", &["localhost", "127.0.0.1"]);
        pg.put("server.crt", &identity.0);
        pg.put("server.key", &identity.1);
        pg.put("root.crt", &pki.ca);
        let hba = pg.data().join("pg_hba.conf");
        let old = std::fs::read_to_string(&hba).expect("its rules");
        std::fs::write(&hba, format!("{rules}\n{old}")).expect("written");
        for sql in [
            "alter system set ssl = on",
            "alter system set ssl_ca_file = 'root.crt'",
            "select pg_reload_conf()",
        ] {
            pg.psql(pg.port, sql);
        }
        // It reads its files when the signal comes, soon.
        for _ in 0..100 {
            if pg.psql(pg.port, "show ssl") == "on" {
                return pg;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("PostgreSQL doesn't switch TLS on");
    }

    fn put(&self, name: &str, from: &Path) {
        let to = self.data().join(name);
        std::fs::copy(from, &to).expect("copied");
        let owner = std::fs::metadata(self.data()).expect("its folder");
        chown(&to, Some(owner.uid()), Some(owner.gid())).expect("PostgreSQL's own");
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o600)).expect("its rights");
    }
}

/// Shared, as settings have it.
pub fn shared(tls: TlsSettings) -> Arc<TlsSettings> {
    Arc::new(tls)
}
