//! Why a request wasn't answered as asked, as every client reads it:
//! `{"error": {"code", "message", "hint"}}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use weir_control::handle::AskFault;

/// A fault with its HTTP status, a name that programs may match on, a sentence, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiFault {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable name: `no_such_incident`, `bad_json`…
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl ApiFault {
    /// A fault.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// 400: what was sent can't be read.
    pub fn bad(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, hint)
    }

    /// 404: what was asked for isn't there.
    pub fn missing(
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message, hint)
    }
}

impl From<AskFault> for ApiFault {
    fn from(fault: AskFault) -> Self {
        let message = fault.to_string();
        match fault {
            AskFault::NoSuch { what, .. } => {
                let (code, hint) = match what {
                    "incident" => ("no_such_incident", "GET /api/v1/incidents lists them"),
                    "server" => ("no_such_server", "SHOW SERVERS on the console lists them"),
                    "silence" => ("no_such_silence", "GET /api/v1/silences lists them"),
                    "client" => ("no_such_client", "SHOW CLIENTS on the console lists them"),
                    what if what.starts_with("pool") => {
                        ("no_such_pool", "GET /api/v1/pools lists them")
                    }
                    _ => ("not_found", "GET /openapi.json lists what can be asked"),
                };
                Self::missing(code, message, hint)
            }
            AskFault::NotNow(_) => Self::new(
                StatusCode::CONFLICT,
                "not_now",
                message,
                "look at the present state and ask again",
            ),
            AskFault::NotStored(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "not_stored",
                message,
                "nothing was changed; see `store` in GET /api/v1/status",
            ),
            AskFault::NotRecorded { .. } => Self::missing(
                "not_recorded",
                message,
                "GET /api/v1/blackbox/range tells how far back one can look",
            ),
            AskFault::TooMuch(_) => {
                Self::bad("too_much", message, "a step of 10 s and one pool reach far")
            }
            AskFault::Gone => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "control_plane_silent",
                message,
                "pooling goes on without it; see GET /readyz and the log",
            ),
        }
    }
}

impl IntoResponse for ApiFault {
    fn into_response(self) -> Response {
        let body = json!({
            "error": { "code": self.code, "message": self.message, "hint": self.hint }
        });
        let mut response = (self.status, axum::Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"weir\""),
            );
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
