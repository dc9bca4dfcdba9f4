//! `[tls]` and `tls = { … }` of a server: read as written, then the files that they name are looked
//! at, so that a key that doesn't fit is a fault with its line and not a surprise at the first
//! handshake.

use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;
use weir_model::{AuthMethod, PoolSettings, PoolerSettings, TlsMode, TlsSettings};
use weir_proxy::{TlsContexts, TlsSide};

use super::reader::{Reader, Section};

/// Where faults of one side belong.
pub(super) struct Written<'r, 'e, 't> {
    side: TlsSide,
    section: Section<'r, 'e, 't>,
}

/// `[tls]`: towards clients.
pub(super) fn of_clients<'r, 'e, 't>(
    reader: &'r Reader<'e>,
    table: Option<&'t DeTable<'t>>,
    file: &Path,
) -> (TlsSettings, Written<'r, 'e, 't>) {
    let section = reader.section("tls", "tls", table, &[]);
    // Whoever gives a certificate wants it used; who wants more says so.
    let default = if section.has("cert") {
        TlsMode::Prefer
    } else {
        TlsMode::Disable
    };
    let tls = settings(&section, file, default);
    let side = TlsSide::Clients;
    (tls, Written { side, section })
}

/// `tls = { … }` of `[server.NAME]`.
pub(super) fn of_server<'r, 'e, 't>(
    reader: &'r Reader<'e>,
    server: &Section<'r, 'e, 't>,
    name: &str,
    file: &Path,
) -> Option<(TlsSettings, Written<'r, 'e, 't>)> {
    let table = server.table("tls");
    if table.is_none() {
        if server.has("tls") {
            server.fault_at(
                "tls",
                "`tls` takes a table: { mode = \"verify-full\", ca = \"ca.pem\" }",
            );
        }
        return None;
    }
    let section = reader.section("server.*.tls", &format!("server.{name}.tls"), table, &[]);
    // Whoever names an authority wants to be sure.
    let default = if section.has("ca") {
        TlsMode::VerifyFull
    } else {
        TlsMode::Prefer
    };
    let mut tls = settings(&section, file, default);
    tls.direct = section.flag("direct").unwrap_or(false);
    let side = TlsSide::Server(name.into());
    Some((tls, Written { side, section }))
}

fn settings(section: &Section<'_, '_, '_>, file: &Path, default: TlsMode) -> TlsSettings {
    let beside = file.parent().unwrap_or(Path::new("."));
    let path = |key| section.text(key).map(|text| beside.join(text));
    let mut tls = TlsSettings::of(section.parsed("mode").unwrap_or(default));
    tls.ca = path("ca");
    tls.cert = path("cert");
    tls.key = path("key");
    if let Some(version) = section.parsed("version_min") {
        tls.version_min = version;
    }
    if let Some(version) = section.parsed("version_max") {
        tls.version_max = version;
    }
    tls.ciphers = section.text("ciphers").unwrap_or_default();
    tls.ciphers_13 = section.text("ciphers_13").unwrap_or_default();
    tls
}

/// Looks at the files, as the data plane will at its start.
pub(super) fn look_at_files(
    tls: &Arc<TlsSettings>,
    auth_method: AuthMethod,
    pools: &[PoolSettings],
    written: &[Written<'_, '_, '_>],
) {
    let pooler = PoolerSettings {
        tls: Arc::clone(tls),
        auth_method,
        ..PoolerSettings::of(pools.to_vec())
    };
    // Dates are looked at when it starts: here they are warnings to nobody.
    for fault in TlsContexts::load(&pooler, 0).err().unwrap_or_default() {
        if let Some(at) = written.iter().find(|w| w.side == fault.side) {
            at.section.fault_at(fault.key, fault.says);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::keys;

    /// The keys, on either side.
    const KEYS: [&str; 8] = [
        "mode",
        "ca",
        "cert",
        "key",
        "version_min",
        "version_max",
        "ciphers",
        "ciphers_13",
    ];

    /// Only towards a server.
    const SERVER_KEYS: [&str; 9] = [
        "mode",
        "ca",
        "cert",
        "key",
        "version_min",
        "version_max",
        "ciphers",
        "ciphers_13",
        "direct",
    ];

    #[test]
    fn every_key_that_is_read_has_its_row() {
        assert_eq!(keys("tls"), KEYS);
        assert_eq!(keys("server.*.tls"), SERVER_KEYS);
    }
}
