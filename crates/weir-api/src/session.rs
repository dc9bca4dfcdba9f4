//! Sessions of browsers: `GET|POST|DELETE /api/v1/session`. A page can't keep a bearer token where
//! scripts don't reach it, and an `EventSource` can't send one; a cookie does both.
//!
//! # What always holds
//! - The cookie is a random number that means nothing elsewhere; the token itself is never stored.
//! - It is HttpOnly and SameSite=Strict: no script reads it, no other site's page sends it.
//!
//! # Bounds
//! - [`SESSIONS_MAX`] sessions; the oldest ends. Each ends after [`LASTS`].
//! - [`WRONG_MAX`] wrong tokens in [`WRONG_WITHIN`], over all callers (behind a proxy they can't be told
//!   apart); then everybody waits before the next attempt. Who is signed in, or sends the bearer
//!   token, doesn't notice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_model::Instant;

use crate::act::body;
use crate::fault::ApiFault;
use crate::guard::{Guard, equal};
use crate::json;
use crate::server::Api;

/// How long a session lasts.
const LASTS: Duration = Duration::from_secs(12 * 3_600);
/// Sessions at once.
const SESSIONS_MAX: usize = 1_000;
/// Wrong tokens…
const WRONG_MAX: usize = 10;
/// …in this time.
const WRONG_WITHIN: Duration = Duration::from_secs(60);
/// The cookie's name.
const COOKIE: &str = "weir_session";

#[derive(Debug, Default)]
struct Table {
    /// Oldest first, with their end.
    sessions: VecDeque<([u8; 32], Instant)>,
    wrong: VecDeque<Instant>,
}

/// All sessions of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    table: Arc<Mutex<Table>>,
}

impl Sessions {
    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the session that this request belongs to ends; `None`: it belongs to none.
    pub(crate) fn ends(&self, headers: &HeaderMap, now: Instant) -> Option<Instant> {
        let offered = offered(headers)?;
        let table = self.table();
        // Every one is compared, each in the same time.
        let mut found = None;
        for (id, end) in &table.sessions {
            if equal(&offered, id) && *end > now {
                found = Some(*end);
            }
        }
        found
    }

    fn begin(&self, id: [u8; 32], now: Instant) -> Instant {
        let end = now.after(LASTS);
        let mut table = self.table();
        table.sessions.retain(|(_, end)| *end > now);
        while table.sessions.len() >= SESSIONS_MAX {
            table.sessions.pop_front();
        }
        table.sessions.push_back((id, end));
        end
    }

    fn end(&self, headers: &HeaderMap) {
        if let Some(offered) = offered(headers) {
            self.table().sessions.retain(|(id, _)| !equal(&offered, id));
        }
    }

    /// `Err`: how long to wait before the next attempt.
    fn may_try(&self, now: Instant) -> Result<(), Duration> {
        let mut table = self.table();
        while let Some(first) = table.wrong.front()
            && now.since(*first) >= WRONG_WITHIN
        {
            table.wrong.pop_front();
        }
        match table.wrong.front() {
            Some(first) if table.wrong.len() >= WRONG_MAX => {
                Err(WRONG_WITHIN.saturating_sub(now.since(*first)))
            }
            _ => Ok(()),
        }
    }

    fn was_wrong(&self, now: Instant) {
        self.table().wrong.push_back(now);
    }
}

/// The id in the cookie.
fn offered(headers: &HeaderMap) -> Option<[u8; 32]> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .and_then(|(_, text)| read_hex(text))
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    let mut id = [0; 32];
    if text.len() != 2 * id.len() {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(id)
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `Secure` where a proxy in front speaks TLS; on plain HTTP the browser would drop it.
fn cookie(value: &str, lasts: Duration, headers: &HeaderMap) -> Result<HeaderValue, ApiFault> {
    let secure = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if secure { "; Secure" } else { "" };
    let text = format!(
        "{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}{secure}",
        lasts.as_secs()
    );
    HeaderValue::from_str(&text).map_err(|_| no_dice())
}

fn no_dice() -> ApiFault {
    ApiFault::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "no_session",
        "the operating system gave no random numbers",
        "send the bearer token with each request instead",
    )
}

fn document(api: &Api, guard: &Guard, signed_in: Option<Instant>, bearer: bool) -> Value {
    let published = api.handle.now();
    let needs_token = guard.needs_token();
    let may = !needs_token || bearer || signed_in.is_some();
    let says = match (needs_token, may) {
        (false, _) => "no token is configured: whoever reaches this port may read and act",
        (true, true) => "signed in: may read and act",
        (true, false) if guard.read_open => "may read; acting needs the token",
        (true, false) => "the token is needed to read and to act",
    };
    json!({
        "schema": "weir.session/1",
        "needs_token": needs_token,
        "signed_in": signed_in.is_some(),
        "can_read": may || guard.read_open,
        "can_act": may,
        "expires_at": signed_in.map(|end| json::time(published.clock.wall(end))),
        "says": says,
    })
}

/// `GET /api/v1/session`: also for who has none.
pub(crate) async fn show(State(api): State<Api>, headers: HeaderMap) -> Response {
    let guard = api.guard();
    let ends = guard.sessions.ends(&headers, api.handle.now().at);
    axum::Json(document(&api, guard, ends, guard.has_bearer(&headers))).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

/// `POST /api/v1/session`.
pub(crate) async fn begin(
    State(api): State<Api>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiFault> {
    let SignIn { token } = body(&bytes, r#"{"token": "…"}"#)?;
    let guard = api.guard();
    let now = api.handle.now().at;
    if !guard.needs_token() {
        return Err(ApiFault::new(
            StatusCode::CONFLICT,
            "no_token",
            "no token is configured, so there is nothing to sign in to",
            "set `api_token` in weir.toml to ask for one",
        ));
    }
    if let Err(wait) = guard.sessions.may_try(now) {
        let mut refused = ApiFault::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "too many wrong tokens",
            format!("try again in {} s", wait.as_secs() + 1),
        )
        .into_response();
        refused
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return Ok(refused);
    }
    if !guard.is_token(&token) {
        guard.sessions.was_wrong(now);
        return Err(ApiFault::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the token is wrong",
            "it is `api_token` in weir.toml",
        ));
    }
    let mut id = [0; 32];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .secure_random
        .fill(&mut id)
        .map_err(|_| no_dice())?;
    let set = cookie(&hex(&id), LASTS, &headers)?;
    let end = guard.sessions.begin(id, now);
    let mut response = axum::Json(document(&api, guard, Some(end), false)).into_response();
    response.headers_mut().insert(header::SET_COOKIE, set);
    Ok(response)
}

/// `DELETE /api/v1/session`.
pub(crate) async fn end(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiFault> {
    let guard = api.guard();
    guard.sessions.end(&headers);
    let gone = cookie("", Duration::ZERO, &headers)?;
    let bearer = guard.has_bearer(&headers);
    let mut response = axum::Json(document(&api, guard, None, bearer)).into_response();
    response.headers_mut().insert(header::SET_COOKIE, gone);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_cookie(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())])
    }

    #[test]
    fn a_session_is_found_among_other_cookies_until_it_ends() {
        let sessions = Sessions::default();
        let id = [7; 32];
        let end = sessions.begin(id, Instant::ZERO);
        let mine = with_cookie(&format!("theme=dark; {COOKIE}={}; x=y", hex(&id)));
        assert_eq!(sessions.ends(&mine, Instant::ZERO), Some(end));
        assert_eq!(sessions.ends(&mine, end), None);
        for wrong in ["weir_session=", "weir_session=07", "other=1", ""] {
            assert_eq!(sessions.ends(&with_cookie(wrong), Instant::ZERO), None);
        }
        sessions.end(&mine);
        assert_eq!(sessions.ends(&mine, Instant::ZERO), None);
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let sessions = Sessions::default();
        for n in 0..=SESSIONS_MAX {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            sessions.begin(id, Instant::from_millis(n as u64));
        }
        assert_eq!(sessions.table().sessions.len(), SESSIONS_MAX);
        let oldest = with_cookie(&format!("{COOKIE}={}", hex(&[0; 32])));
        assert_eq!(sessions.ends(&oldest, Instant::ZERO), None);
    }

    #[test]
    fn after_ten_wrong_tokens_everybody_waits_out_the_minute() {
        let sessions = Sessions::default();
        let second = |n: u64| Instant::from_millis(n * 1_000);
        for n in 0..10 {
            assert!(sessions.may_try(second(n)).is_ok());
            sessions.was_wrong(second(n));
        }
        assert_eq!(sessions.may_try(second(10)), Err(Duration::from_secs(50)));
        assert!(sessions.may_try(second(60)).is_ok());
    }
}
