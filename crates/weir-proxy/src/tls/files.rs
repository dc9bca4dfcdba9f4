//! PEM files: what is in them, and who else can read them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// No file of certificates is larger: the system's own bundle has a quarter of a megabyte.
const FILE_MAX: u64 = 16 * 1024 * 1024;

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let about = std::fs::metadata(path)
        .map_err(|e| format!("could not open file \"{shown}\": {}", reason(&e)))?;
    if about.len() > FILE_MAX {
        return Err(format!(
            "\"{shown}\" is larger than any file of certificates"
        ));
    }
    std::fs::read(path).map_err(|e| format!("could not open file \"{shown}\": {}", reason(&e)))
}

fn reason(fault: &std::io::Error) -> String {
    match fault.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "permission denied; the user that Weir runs as must be able to read it".to_owned()
        }
        _ => fault.to_string(),
    }
}

/// All certificates of a file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let shown = path.display();
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!(
            "no certificate in \"{shown}\": it must be PEM, with `-----BEGIN CERTIFICATE-----`"
        )),
        Ok(found) => Ok(found),
        Err(fault) => Err(format!("\"{shown}\" is no PEM file: {fault}")),
    }
}

/// The first key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path)?;
    let shown = path.display();
    PrivateKeyDer::from_pem_slice(&text).map_err(|fault| match fault {
        PemError::NoItemsFound if contains(&text, b"ENCRYPTED") => format!(
            "the key in \"{shown}\" has a passphrase, which Weir can't ask for; write one without: \
             openssl pkey -in {shown} -out NEW"
        ),
        PemError::NoItemsFound => {
            format!(
                "no private key in \"{shown}\": it must be PEM, with `-----BEGIN PRIVATE KEY-----`"
            )
        }
        fault => format!("\"{shown}\" is no PEM file: {fault}"),
    })
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w == word)
}

/// Who else can read a key, if somebody can: PostgreSQL's rule (0600, or 0640 if it is root's).
pub(super) fn key_is_open(path: &Path) -> Option<String> {
    let about = std::fs::metadata(path).ok()?;
    let forbidden = if about.uid() == 0 { 0o037 } else { 0o077 };
    (about.mode() & forbidden != 0).then(|| {
        format!(
            "private key file \"{0}\" has group or world access; permissions should be 0600, or \
             0640 if it is owned by root: chmod 600 {0}",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_is_not_what_it_should_be_is_told_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let name = file.path().display().to_string();
        for says in [
            certificates(file.path()).unwrap_err(),
            key(file.path()).unwrap_err(),
        ] {
            assert!(says.contains(&name) && says.contains("BEGIN"), "{says}");
        }
        let text =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        std::fs::write(file.path(), text).unwrap();
        let says = key(file.path()).unwrap_err();
        assert!(says.contains("passphrase"), "{says}");
        let says = certificates(Path::new("/nowhere/ca.pem")).unwrap_err();
        assert!(says.contains("/nowhere/ca.pem"), "{says}");
    }

    #[test]
    fn a_key_that_others_can_read_is_reported() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let set = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(0o600);
        assert_eq!(key_is_open(file.path()), None);
        set(0o644);
        assert!(key_is_open(file.path()).unwrap().contains("chmod 600"));
    }
}
