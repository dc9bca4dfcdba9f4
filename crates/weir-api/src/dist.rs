//! The dashboard as it was built, out of the binary: which file answers which path.
//!
//! # What always holds
//! - A file whose name carries a hash of its content may be kept for ever; every other is asked for
//!   again each time, by its tag.
//! - The paths of the dashboard's own pages give the one page, which reads its place from the
//!   address; an unknown path under `/api` or of a file stays a 404.
//!
//! # What is deliberately absent
//! - Files of the disk: what isn't in the binary isn't served.
//! - The dashboard itself: without Node at build time there is none, and [`crate::page`] answers.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// One file of `web/dist`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    /// From the folder on, with slashes: `assets/index-B3xYz.js`.
    pub(crate) path: &'static str,
    pub(crate) kind: &'static str,
    /// A hash of its content, in quotes.
    pub(crate) tag: &'static str,
    pub(crate) plain: &'static [u8],
    /// Empty where it wasn't made.
    pub(crate) brotli: &'static [u8],
    /// Empty where it wasn't made.
    pub(crate) gzip: &'static [u8],
}

// `FILES`, sorted by path; written by build.rs.
include!(concat!(env!("OUT_DIR"), "/dist.rs"));

/// The page that every address of the dashboard gives.
const SHELL: &str = "index.html";
/// First parts of the addresses of the dashboard's pages.
const PAGES: [&str; 8] = [
    "pools",
    "waits",
    "queries",
    "incidents",
    "blackbox",
    "decisions",
    "configuration",
    "status",
];
/// What the dashboard may load: its own files and nothing else.
const POLICY: &str = "default-src 'self'";

/// True if the dashboard is in this binary.
pub(crate) fn is_built() -> bool {
    find(FILES, SHELL).is_some()
}

fn find<'a>(files: &'a [File], path: &str) -> Option<&'a File> {
    let index = files.binary_search_by(|file| file.path.cmp(path)).ok()?;
    files.get(index)
}

/// The file for an address, where there is one.
fn file_of<'a>(files: &'a [File], path: &str) -> Option<&'a File> {
    let path = path.strip_prefix('/')?;
    if let Some(file) = find(files, path) {
        return Some(file);
    }
    let first = path.split('/').next().unwrap_or_default();
    match path.is_empty() || PAGES.contains(&first) {
        true => find(files, SHELL),
        false => None,
    }
}

/// True if this address gives a file of the dashboard, which is nobody's secret.
pub(crate) fn serves(path: &str) -> bool {
    file_of(FILES, path).is_some()
}

/// The answer for an address; `None`: there is nothing.
pub(crate) fn answer(path: &str, headers: &HeaderMap) -> Option<Response> {
    Some(respond(file_of(FILES, path)?, headers))
}

/// Vite puts files whose names carry a hash there.
fn is_hashed(path: &str) -> bool {
    path.starts_with("assets/")
}

fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| {
            let mut part = part.split(';').map(str::trim);
            let named = part.next().is_some_and(|c| c.eq_ignore_ascii_case(coding));
            // `q=0` means "anything but this".
            named && !part.any(|q| matches!(q, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}

fn respond(file: &File, headers: &HeaderMap) -> Response {
    let mut response = if headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == file.tag)
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else if !file.brotli.is_empty() && accepts(headers, "br") {
        encoded(file.brotli, Some("br"))
    } else if !file.gzip.is_empty() && accepts(headers, "gzip") {
        encoded(file.gzip, Some("gzip"))
    } else {
        encoded(file.plain, None)
    };
    let keep = match is_hashed(file.path) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let with: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, file.kind),
        (header::ETAG, file.tag),
        (header::CACHE_CONTROL, keep),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    for (name, value) in with {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn encoded(bytes: &'static [u8], coding: Option<&'static str>) -> Response {
    let mut response = Bytes::from_static(bytes).into_response();
    if let Some(coding) = coding {
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[File] = &[
        File {
            path: "assets/app-1a2b.js",
            kind: "text/javascript",
            tag: "\"abc\"",
            plain: b"plain",
            brotli: b"br",
            gzip: b"",
        },
        File {
            path: "index.html",
            kind: "text/html; charset=utf-8",
            tag: "\"def\"",
            plain: b"shell",
            brotli: b"",
            gzip: b"gz",
        },
    ];

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn pages_give_the_shell_and_unknown_files_and_paths_nothing() {
        let path = |path| file_of(TWO, path).map(|file| file.path);
        for page in ["/", "/pools/app/dashboard", "/incidents/INC-7", "/blackbox"] {
            assert_eq!(path(page), Some("index.html"), "{page}");
        }
        assert_eq!(path("/assets/app-1a2b.js"), Some("assets/app-1a2b.js"));
        for nothing in ["/assets/app-0000.js", "/api/v1/nope", "/etc/passwd", "/.."] {
            assert_eq!(path(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn each_client_gets_what_it_can_read_and_nothing_twice() {
        let coding = |file: &File, accept: &str| {
            let response = respond(file, &headers(header::ACCEPT_ENCODING, accept));
            let coding = response.headers().get(header::CONTENT_ENCODING);
            coding.map(|coding| coding.to_str().unwrap().to_owned())
        };
        assert_eq!(coding(&TWO[0], "gzip, br").as_deref(), Some("br"));
        assert_eq!(coding(&TWO[0], "gzip"), None);
        assert_eq!(coding(&TWO[1], "br, gzip;q=0.5").as_deref(), Some("gzip"));
        assert_eq!(coding(&TWO[0], "br;q=0"), None);
        let again = respond(&TWO[0], &headers(header::IF_NONE_MATCH, "\"x\", W/\"abc\""));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let kept =
            |file: &File| respond(file, &HeaderMap::new()).headers()["cache-control"].clone();
        assert!(kept(&TWO[0]).to_str().unwrap().contains("immutable"));
        assert_eq!(kept(&TWO[1]), "no-cache");
    }

    #[test]
    fn what_is_in_this_binary_is_sorted_and_whole() {
        assert!(FILES.is_sorted_by_key(|file| file.path));
        for file in FILES {
            assert!(file.tag.starts_with('"') && file.tag.ends_with('"'));
        }
    }
}
