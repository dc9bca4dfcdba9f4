//! Where messages can go, as configured, and what is wrong with it.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;
use weir_control::notify::announce::{Manner, Wants, announces};
use weir_control::notify::policy::Paging;
use weir_model::{Secret, Severity};

use super::tls::TlsFault;

/// Which language a target speaks, with what that language needs beside an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// `POST {url}/api/v2/alerts`.
    Alertmanager {
        /// Silence the pools' other alerts there once somebody has the incident.
        silence_on_ack: bool,
        /// And while a maintenance window or silence of Weir's holds.
        silence_on_maintenance: bool,
    },
    /// CloudEvents 1.0, structured.
    Webhook,
    /// Events API v2.
    PagerDuty {
        /// The integration's key.
        routing_key: Secret,
    },
    /// An incoming webhook; its URL is its secret.
    Slack,
    /// The alert API of Opsgenie and Jira Service Management.
    Opsgenie {
        /// `GenieKey`.
        key: Secret,
        /// Who responds there.
        team: Option<String>,
    },
    /// SMTP: `smtp://host:port` or `smtps://host:port`.
    Email {
        /// The sender's address.
        from: String,
        /// The receivers' addresses.
        to: Vec<String>,
        /// Who logs in.
        user: Option<String>,
        /// With what.
        password: Option<Secret>,
        /// Before anything is said.
        tls: MailTls,
    },
    /// Annotations on dashboards.
    Grafana {
        /// On this dashboard only.
        dashboard: Option<String>,
        /// On this panel of it only.
        panel: Option<u32>,
    },
    /// `POST {url}/v1/logs`.
    Otlp,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// Not at all.
    None,
    /// After STARTTLS, which the server must offer.
    StartTls,
    /// From the first byte.
    Implicit,
}

impl Service {
    /// As written in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Alertmanager { .. } => "alertmanager",
            Self::Webhook => "webhook",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Slack => "slack",
            Self::Opsgenie { .. } => "opsgenie",
            Self::Email { .. } => "email",
            Self::Grafana { .. } => "grafana",
            Self::Otlp => "otlp",
        }
    }

    fn manner(&self) -> Manner {
        let (reaches_people, records, updates_quietly) = match self {
            // It decides itself whom to tell, and merges what it is sent again.
            Self::Alertmanager { .. } | Self::PagerDuty { .. } => (true, false, true),
            Self::Opsgenie { .. } | Self::Slack | Self::Email { .. } => (true, false, false),
            Self::Webhook => (false, false, true),
            Self::Grafana { .. } | Self::Otlp => (false, true, true),
        };
        Manner {
            reaches_people,
            records,
            updates_quietly,
        }
    }
}

/// One `[[notify]]` of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// As contacts, steps and the journal call it; empty: kind and origin.
    pub name: String,
    /// Its language.
    pub service: Service,
    /// Where; `http://user:password@host/…` logs in. May hold a secret, so never printed whole.
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// Only incidents of these severities; empty: all.
    pub only: Vec<Severity>,
    /// Told of every incident? `None`: unless the escalation names it.
    pub announce: Option<bool>,
    /// Told of drills? `None`: if it reaches programs and not people.
    pub drills: Option<bool>,
    /// PEM file of the only certificates that are trusted here.
    pub ca: Option<PathBuf>,
}

impl Target {
    /// A target with nothing but its language and address.
    pub fn new(service: Service, url: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            service,
            url: url.into(),
            token: None,
            only: Vec::new(),
            announce: None,
            drills: None,
            ca: None,
        }
    }

    /// As the journal calls it: its name, or `alertmanager http://alertmanager:9093`.
    pub fn channel(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let origin = Url::parse(&self.url).map_or_else(|_| "…".to_owned(), |url| origin(&url));
        format!("{} {origin}", self.service.name())
    }

    /// What it wants to hear.
    pub fn wants(&self, paging: &Paging) -> Wants {
        let channel = self.channel();
        let manner = self.service.manner();
        Wants {
            announce: self.announce.unwrap_or_else(|| announces(paging, &channel)),
            drills: self.drills.unwrap_or(!manner.reaches_people),
            only: self.only.clone(),
            manner,
            channel,
        }
    }

    /// Everything that must not be repeated in a log, a journal or an answer.
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = Vec::new();
        let mut secret = |text: &str| {
            // Shorter ones are no secrets, and would make holes in every sentence.
            if text.len() >= 5 {
                secrets.push(text.to_owned());
            }
        };
        if let Some(Secret(token)) = &self.token {
            secret(token);
        }
        match &self.service {
            Service::PagerDuty { routing_key } => secret(&routing_key.0),
            Service::Opsgenie { key, .. } => secret(&key.0),
            Service::Email {
                password: Some(password),
                ..
            } => secret(&password.0),
            Service::Email { password: None, .. }
            | Service::Alertmanager { .. }
            | Service::Webhook
            | Service::Slack
            | Service::Grafana { .. }
            | Service::Otlp => {}
        }
        if let Ok(url) = Url::parse(&self.url) {
            secret(url.password().unwrap_or_default());
            if matches!(self.service, Service::Slack | Service::Webhook) {
                secret(url.path());
                url.path_segments()
                    .into_iter()
                    .flatten()
                    .for_each(&mut secret);
                secret(url.query().unwrap_or_default());
            }
        }
        secrets
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.url).map_or_else(|_| "…".to_owned(), |url| origin(&url));
        write!(f, "{} {origin}", self.service.name())
    }
}

/// Why a target can't be used. Said at start, with the place in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// Not a URL.
    #[error("the url of {kind} can't be read: {says}; write for example {example}")]
    Unreadable {
        /// Which kind.
        kind: &'static str,
        /// The parser's words.
        says: String,
        /// What would do.
        example: &'static str,
    },
    /// `ftp:`, `file:`…
    #[error("{origin}: {kind} is reached over {wanted}")]
    Scheme {
        /// Which kind.
        kind: &'static str,
        /// Scheme, host, port.
        origin: String,
        /// What would do.
        wanted: &'static str,
    },
    /// A password in the clear over a network.
    #[error(
        "{origin}: the password would be sent in the clear; use smtps://, or tls = \"starttls\""
    )]
    Clear {
        /// Scheme, host, port.
        origin: String,
    },
    /// A header can't hold it.
    #[error("{origin}: the {what} holds a letter that no header can carry")]
    NoHeader {
        /// Scheme, host, port.
        origin: String,
        /// Token or key.
        what: &'static str,
    },
    /// An address that SMTP can't carry.
    #[error("{origin}: `{address}` is no mail address; write name@host")]
    Address {
        /// Scheme, host, port.
        origin: String,
        /// As written.
        address: String,
    },
    /// Two targets of one name.
    #[error("two [[notify]] are called `{0}`: give them different names")]
    Twice(String),
    /// Nobody to trust.
    #[error("{origin}: {source}")]
    Tls {
        /// Scheme, host, port.
        origin: String,
        /// Why.
        source: TlsFault,
    },
    /// The HTTP client couldn't be made.
    #[error("couldn't prepare the HTTP client: {0}")]
    Client(String),
}

/// Scheme, host and port: all of a URL that may be repeated.
pub(super) fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    let port = url.port_or_known_default().or(match url.scheme() {
        "smtp" => Some(587),
        "smtps" => Some(465),
        _ => None,
    });
    match port {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// The target's URL, checked.
pub(super) fn url_of(target: &Target) -> Result<Url, TargetFault> {
    let kind = target.service.name();
    let mail = matches!(target.service, Service::Email { .. });
    let (schemes, wanted, example): (&[&str], _, _) = match mail {
        true => (
            &["smtp", "smtps"],
            "smtp:// or smtps://",
            "smtp://mail.example:587",
        ),
        false => (
            &["http", "https"],
            "http:// or https://",
            "http://alertmanager:9093",
        ),
    };
    let url = Url::parse(&target.url).map_err(|error| TargetFault::Unreadable {
        kind,
        says: error.to_string(),
        example,
    })?;
    let origin = origin(&url);
    if !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return Err(TargetFault::Scheme {
            kind,
            origin,
            wanted,
        });
    }
    if let Service::Email {
        from,
        to,
        password,
        tls,
        ..
    } = &target.service
    {
        for address in to.iter().chain([from]) {
            let fits = address.split_once('@').is_some_and(|(name, host)| {
                !name.is_empty() && !host.is_empty() && !host.contains('@')
            });
            let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ',' | ';');
            if !fits || !address.chars().all(plain) {
                let address = address.clone();
                return Err(TargetFault::Address { origin, address });
            }
        }
        let near = url.host_str().is_some_and(|host| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || host
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|ip| ip.is_loopback())
        });
        if password.is_some() && *tls == MailTls::None && !near {
            return Err(TargetFault::Clear { origin });
        }
    }
    Ok(url)
}
