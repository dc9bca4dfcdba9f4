//! Who may ask: the bearer token, the Host header, and where a POST comes from.
//!
//! On a loopback address there is no token, so the danger is a browser on the same machine that
//! shows somebody else's page. Such a page can send a form (hence the content type) and can make
//! its own name resolve to 127.0.0.1 (hence the Host check); it can't forge Origin, nor
//! Sec-Fetch-Site.
//!
//! With a token, a browser signs in once and carries a cookie ([`crate::session`]); the dashboard's
//! own files need neither, for they hold nothing but what everybody can download.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use weir_model::{Instant, Secret};

use crate::dist;
use crate::fault::ApiFault;
use crate::server::Api;
use crate::session::Sessions;

/// What is demanded of every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Demanded of everybody but the probes, where set.
    pub(crate) token: Option<Secret>,
    /// Reading needs no token; acting always does.
    pub(crate) read_open: bool,
    /// Browsers that signed in.
    pub(crate) sessions: Sessions,
    /// True where only names of this machine may stand in Host.
    pub(crate) local_only: bool,
}

/// Compares in a time that depends on the length of what was offered alone.
pub(crate) fn equal(offered: &[u8], wanted: &[u8]) -> bool {
    let mut different = u8::from(offered.len() != wanted.len());
    for (index, byte) in offered.iter().enumerate() {
        let wanted = wanted.get(index % wanted.len().max(1)).copied();
        different |= byte ^ wanted.unwrap_or(!byte);
    }
    std::hint::black_box(different) == 0
}

/// The host of `name:port`, `[::1]:port` or `name`.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_local(host: &str) -> bool {
    let name = without_port(host);
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Anybody may ask for these: probes of kubelets and balancers, which carry no secrets and learn
/// nothing but yes or no; the dashboard's files; and how to sign in.
fn is_public(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/api/v1/session") || dist::serves(path)
}

/// The secret after `Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    text(headers, header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, offered)| offered.trim())
}

impl Guard {
    /// A token is configured.
    pub(crate) fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is the token.
    pub(crate) fn is_token(&self, offered: &str) -> bool {
        let token = self.token.as_ref();
        token.is_some_and(|Secret(token)| equal(offered.as_bytes(), token.as_bytes()))
    }

    /// Whether the request carries the token.
    pub(crate) fn has_bearer(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|offered| self.is_token(offered))
    }

    /// `Err`: why this request isn't served.
    pub(crate) fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<(), ApiFault> {
        let host = text(headers, header::HOST);
        if self.local_only && host.is_some_and(|host| !is_local(host)) {
            return Err(ApiFault::new(
                StatusCode::MISDIRECTED_REQUEST,
                "wrong_host",
                "this port answers to localhost and loopback addresses only",
                "ask for http://127.0.0.1:<port>/, or bind another address and set a token",
            ));
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let open = is_public(path) || (reads && self.read_open);
        if self.needs_token()
            && !open
            && !self.has_bearer(headers)
            && self.sessions.ends(headers, now).is_none()
        {
            return Err(ApiFault::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                match bearer(headers) {
                    Some(_) => "the bearer token is wrong",
                    None => "a bearer token is needed",
                },
                "send `Authorization: Bearer <token>`; the token is `api_token` in weir.toml",
            ));
        }
        if reads {
            return Ok(());
        }
        let is_json = text(headers, header::CONTENT_TYPE).is_some_and(|value| {
            let kind = value.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json")
        });
        if !is_json {
            return Err(ApiFault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "a change must come as application/json",
                "send `Content-Type: application/json`",
            ));
        }
        let foreign = match text(headers, header::ORIGIN) {
            Some(origin) => {
                let from = origin.split_once("://").map_or(origin, |(_, rest)| rest);
                Some(from) != host
            }
            None => false,
        };
        // `none`: a person typed it. Programs send neither.
        let from = text(headers, HeaderName::from_static("sec-fetch-site"));
        if foreign || from.is_some_and(|from| !matches!(from, "same-origin" | "none")) {
            return Err(ApiFault::new(
                StatusCode::FORBIDDEN,
                "foreign_origin",
                "a page of another site may not change anything here",
                "ask from a program, or from a page of this port",
            ));
        }
        Ok(())
    }
}

/// The middleware.
pub(crate) async fn admit(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, ApiFault> {
    let now = api.handle.now().at;
    let (method, path) = (request.method(), request.uri().path());
    api.guard().admit(method, path, request.headers(), now)?;
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    value.parse().unwrap(),
                )
            })
            .collect()
    }

    fn code(guard: &Guard, method: Method, path: &str, pairs: &[(&'static str, &str)]) -> String {
        match guard.admit(&method, path, &headers(pairs), Instant::ZERO) {
            Ok(()) => "ok".to_owned(),
            Err(fault) => fault.code.to_owned(),
        }
    }

    #[test]
    fn only_the_right_token_opens_and_probes_need_none() {
        let guard = Guard {
            token: Some(Secret("s3cret".into())),
            ..Guard::default()
        };
        let get =
            |pairs: &[(&'static str, &str)]| code(&guard, Method::GET, "/api/v1/pools", pairs);
        assert_eq!(get(&[]), "unauthorized");
        for wrong in ["s3cre", "s3crets", "S3cret", "", "s3crets3cret"] {
            let value = format!("Bearer {wrong}");
            assert_eq!(get(&[("authorization", value.as_str())]), "unauthorized");
        }
        assert_eq!(get(&[("authorization", "Basic s3cret")]), "unauthorized");
        assert_eq!(get(&[("authorization", "bearer s3cret")]), "ok");
        assert_eq!(code(&guard, Method::GET, "/livez", &[]), "ok");
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_refused() {
        let guard = Guard {
            local_only: true,
            ..Guard::default()
        };
        let get = |host| code(&guard, Method::GET, "/", &[("host", host)]);
        for mine in ["localhost:6433", "127.0.0.1", "[::1]:6433", "LOCALHOST"] {
            assert_eq!(get(mine), "ok", "{mine}");
        }
        for foreign in [
            "evil.example:6433",
            "10.0.0.1",
            "localhost.evil.example",
            "",
        ] {
            assert_eq!(get(foreign), "wrong_host", "{foreign}");
        }
    }

    #[test]
    fn a_form_of_a_foreign_page_changes_nothing() {
        let guard = Guard {
            local_only: true,
            ..Guard::default()
        };
        let post =
            |pairs: &[(&'static str, &str)]| code(&guard, Method::POST, "/api/v1/orders", pairs);
        let form = ("content-type", "application/x-www-form-urlencoded");
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "127.0.0.1:6433");
        assert_eq!(post(&[host, form]), "not_json");
        assert_eq!(post(&[host]), "not_json");
        assert_eq!(post(&[host, json]), "ok");
        assert_eq!(
            post(&[host, json, ("origin", "https://evil.example")]),
            "foreign_origin"
        );
        assert_eq!(post(&[host, json, ("origin", "null")]), "foreign_origin");
        assert_eq!(
            post(&[host, json, ("origin", "http://127.0.0.1:6433")]),
            "ok"
        );
    }

    #[test]
    fn a_page_of_another_site_is_known_by_what_browsers_say_of_it() {
        let guard = Guard::default();
        let post = |site: &str| {
            let pairs = [
                ("content-type", "application/json"),
                ("sec-fetch-site", site),
            ];
            code(&guard, Method::POST, "/api/v1/orders", &pairs)
        };
        assert_eq!(post("same-origin"), "ok");
        assert_eq!(post("none"), "ok");
        for foreign in ["cross-site", "same-site", "nonsense"] {
            assert_eq!(post(foreign), "foreign_origin", "{foreign}");
        }
    }

    #[test]
    fn where_reading_is_open_acting_still_needs_the_token() {
        let guard = Guard {
            token: Some(Secret("s3cret".into())),
            read_open: true,
            ..Guard::default()
        };
        assert_eq!(code(&guard, Method::GET, "/api/v1/pools", &[]), "ok");
        let json = ("content-type", "application/json");
        let post =
            |pairs: &[(&'static str, &str)]| code(&guard, Method::POST, "/api/v1/orders", pairs);
        assert_eq!(post(&[json]), "unauthorized");
        assert_eq!(post(&[json, ("authorization", "Bearer s3cret")]), "ok");
    }
}
