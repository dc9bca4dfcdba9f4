//! Hands one mail to a mail server (RFC 5321), over TLS or not.
//!
//! # What always holds
//! - A password is sent over TLS, or to this very machine.
//! - Nothing that was received before TLS began is believed after it.
//! - A receiver that is refused keeps the mail from none of the others.
//!
//! # Bounds
//! [`LINES_MAX`] lines of [`LINE_MAX`] bytes in an answer; [`super::MAIL_WITHIN`] for the whole.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use weir_model::Secret;

use super::target::MailTls;

const LINE_MAX: usize = 2_048;
const LINES_MAX: usize = 64;

/// A mail server and how to speak to it.
pub(super) struct MailServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: MailTls,
    pub(super) config: Arc<ClientConfig>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

/// Why a mail wasn't taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum MailFault {
    /// Worth another try.
    #[error("{0}")]
    Passing(String),
    /// Not worth one.
    #[error("{0}")]
    Final(String),
}

/// An answer: its code and its lines.
struct Answer {
    code: u16,
    lines: Vec<String>,
}

impl Answer {
    fn says(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" "))
    }

    fn offers(&self, word: &str) -> bool {
        self.lines.iter().any(|line| {
            line.split(' ')
                .next()
                .is_some_and(|first| first.eq_ignore_ascii_case(word))
        })
    }
}

/// Sends `letter` (headers and body, lines ended by CRLF). `Ok`: what the server said.
pub(super) async fn send(
    server: &MailServer,
    from: &str,
    to: &[String],
    letter: &str,
) -> Result<String, MailFault> {
    let tcp = TcpStream::connect((server.host.as_str(), server.port))
        .await
        .map_err(|fault| MailFault::Passing(fault.to_string()))?;
    if server.tls == MailTls::Implicit {
        let mut talk = Talk::new(secured(server, tcp).await?);
        talk.expect("", 220).await?;
        let offers = talk.hello(from).await?;
        return talk.hand_over(server, &offers, from, to, letter).await;
    }
    let mut talk = Talk::new(tcp);
    talk.expect("", 220).await?;
    let offers = talk.hello(from).await?;
    if server.tls == MailTls::None {
        return talk.hand_over(server, &offers, from, to, letter).await;
    }
    if !offers.offers("STARTTLS") {
        return Err(MailFault::Final(
            "the server offers no STARTTLS; use smtps://, or tls = \"none\" in a network you trust"
                .to_owned(),
        ));
    }
    talk.expect("STARTTLS", 220).await?;
    if !talk.read.is_empty() {
        return Err(MailFault::Final(
            "the server spoke before TLS had begun".to_owned(),
        ));
    }
    let mut talk = Talk::new(secured(server, talk.stream).await?);
    let offers = talk.hello(from).await?;
    talk.hand_over(server, &offers, from, to, letter).await
}

async fn secured(server: &MailServer, tcp: TcpStream) -> Result<TlsStream<TcpStream>, MailFault> {
    let name = ServerName::try_from(server.host.clone())
        .map_err(|fault| MailFault::Final(format!("{}: {fault}", server.host)))?;
    TlsConnector::from(Arc::clone(&server.config))
        .connect(name, tcp)
        .await
        .map_err(|fault| MailFault::Passing(format!("TLS: {fault}")))
}

/// Questions and answers on any stream.
struct Talk<S> {
    stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    async fn ask(&mut self, line: &str) -> Result<Answer, MailFault> {
        let passing = |fault: std::io::Error| MailFault::Passing(fault.to_string());
        if !line.is_empty() {
            self.stream
                .write_all(line.as_bytes())
                .await
                .map_err(passing)?;
            self.stream.write_all(b"\r\n").await.map_err(passing)?;
            self.stream.flush().await.map_err(passing)?;
        }
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let Some(code) = code else {
                return Err(MailFault::Final(format!(
                    "this is no mail server: `{line}`"
                )));
            };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Answer { code, lines });
            }
            if lines.len() >= LINES_MAX {
                return Err(MailFault::Final(
                    "the server's answer doesn't end".to_owned(),
                ));
            }
        }
    }

    async fn line(&mut self) -> Result<String, MailFault> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.read.len() > LINE_MAX {
                return Err(MailFault::Final("the server's line doesn't end".to_owned()));
            }
            let mut chunk = [0; 1_024];
            match self.stream.read(&mut chunk).await {
                Ok(0) => return Err(MailFault::Passing("the server hung up".to_owned())),
                Ok(n) => self.read.extend_from_slice(&chunk[..n]),
                Err(fault) => return Err(MailFault::Passing(fault.to_string())),
            }
        }
    }

    async fn expect(&mut self, line: &str, code: u16) -> Result<Answer, MailFault> {
        let answer = self.ask(line).await?;
        match answer.code {
            found if found == code => Ok(answer),
            400..=499 => Err(MailFault::Passing(answer.says())),
            _ => Err(MailFault::Final(answer.says())),
        }
    }

    async fn hello(&mut self, from: &str) -> Result<Answer, MailFault> {
        let domain = from
            .rsplit_once('@')
            .map_or("localhost", |(_, domain)| domain);
        self.expect(&format!("EHLO {domain}"), 250).await
    }

    async fn log_in(&mut self, server: &MailServer, offers: &Answer) -> Result<(), MailFault> {
        let (Some(user), Some(Secret(password))) = (&server.user, &server.password) else {
            return Ok(());
        };
        let ways: Vec<String> = offers
            .lines
            .iter()
            .filter(|line| line.to_ascii_uppercase().starts_with("AUTH"))
            .flat_map(|line| line.split([' ', '=']).map(str::to_ascii_uppercase))
            .collect();
        let knows = |way: &str| ways.iter().any(|w| w == way);
        if knows("PLAIN") {
            let word = STANDARD.encode(format!("\0{user}\0{password}"));
            self.expect(&format!("AUTH PLAIN {word}"), 235).await?;
        } else if knows("LOGIN") {
            self.expect("AUTH LOGIN", 334).await?;
            self.expect(&STANDARD.encode(user), 334).await?;
            self.expect(&STANDARD.encode(&**password), 235).await?;
        } else {
            return Err(MailFault::Final(
                "the server offers neither AUTH PLAIN nor AUTH LOGIN, but a user is configured"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    async fn hand_over(
        &mut self,
        server: &MailServer,
        offers: &Answer,
        from: &str,
        to: &[String],
        letter: &str,
    ) -> Result<String, MailFault> {
        self.log_in(server, offers).await?;
        self.expect(&format!("MAIL FROM:<{from}>"), 250).await?;
        let mut refused = Vec::new();
        let mut passing = false;
        for address in to {
            let answer = self.ask(&format!("RCPT TO:<{address}>")).await?;
            if !matches!(answer.code, 250 | 251) {
                passing |= (400..500).contains(&answer.code);
                refused.push(format!("{address}: {}", answer.says()));
            }
        }
        if refused.len() == to.len() {
            let says = format!("every receiver was refused: {}", refused.join("; "));
            return Err(match passing {
                true => MailFault::Passing(says),
                false => MailFault::Final(says),
            });
        }
        self.expect("DATA", 354).await?;
        let answer = self.expect(&format!("{}.", stuffed(letter)), 250).await?;
        // It is taken; how the farewell goes changes nothing.
        let _ = self.ask("QUIT").await;
        let says = answer.says();
        Ok(match refused.is_empty() {
            true => says,
            false => format!("{says}, but not for {}", refused.join("; ")),
        })
    }
}

/// A line that begins with a dot would end the mail.
fn stuffed(letter: &str) -> String {
    let mut out = String::with_capacity(letter.len() + 16);
    for line in letter.split_inclusive("\r\n") {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
    }
    if !out.ends_with("\r\n") {
        out.push_str("\r\n");
    }
    out
}
