//! Nothing explains enough of it. An answer, with what is known.

use weir_model::{Cause, ConnectFailure};

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object};
use crate::detect::failure_says;
use crate::insight::say;

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let largest = f.attribution.factors.first();
    let known = match largest {
        Some(x) if x.rise > 0.0 => format!(
            "most of the rise in load, {}, is {}",
            say::percent(x.rise),
            x.name.says()
        ),
        _ => "no factor of the load rose".to_owned(),
    };
    let turned_away = f.logins.unwelcome > 0;
    let (says, remedy) = match &f.logins.last {
        Some((_, failure @ ConnectFailure::Refused { .. })) if turned_away => (
            format!(
                "PostgreSQL turns pool {} away at login: {} ({} times); {} clients wait. That is none of the causes Weir knows: credentials or pg_hba.conf changed.",
                f.key,
                failure_says(failure),
                f.logins.unwelcome,
                f.waiting()
            ),
            "Check the user, password and database of this pool, and pg_hba.conf on the server.",
        ),
        Some((_, failure @ ConnectFailure::Tls(_))) if turned_away => (
            format!(
                "No TLS connection to the server of pool {} comes about: {} ({} times); {} clients wait. The server is there; the certificates, or the settings about them, don't fit.",
                f.key,
                failure_says(failure),
                f.logins.unwelcome,
                f.waiting()
            ),
            "Check the server's certificate (its dates, its names, who signed it) against `tls` of the [server] section.",
        ),
        _ => (
            format!(
                "No known cause explains why pool {} is dry: {known}; {} of {} servers in use, {} clients wait.",
                f.key,
                f.during.active.round(),
                f.size(),
                f.waiting()
            ),
            "Look at pg_stat_activity and at what changed last; note what you find in the incident.",
        ),
    };
    let evidence = vec![
        say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_load",
            f.attribution.load,
            f.has_baseline().then_some(f.attribution.load_baseline),
            say::samples_query(&f.key),
            format!(
                "load (arrivals × hold time / servers) {:.2} against {:.2}; {known}",
                f.attribution.load, f.attribution.load_baseline
            ),
        ),
        say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_server_login_failures_total",
            f.logins.failed() as f64,
            None,
            say::samples_query(&f.key),
            format!(
                "{} server logins failed, {} succeeded",
                f.logins.failed(),
                f.logins.ok
            ),
        ),
    ];
    Judged {
        cause: Cause::Unknown,
        odds: Odds::prior(0.5).weigh_if(turned_away, 3.0),
        share: 0.0,
        object: object([("pool", f.key.to_string())]),
        says,
        evidence,
        remedy: advise(remedy),
        against: None,
        unmeasured: None,
    }
}
