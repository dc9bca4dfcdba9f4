//! A mail server on a real port, as far as a client can tell.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use weir_api::deliveries::{MailTls, Service, Target};
use weir_model::Secret;

use crate::common::receiver::certificate;

/// How it behaves.
#[derive(Clone, Default)]
pub(crate) struct Manner {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) implicit: bool,
    pub(crate) refuses: Option<&'static str>,
}

impl Manner {
    pub(crate) fn plain() -> Self {
        Self::default()
    }

    pub(crate) fn starttls(dir: &Path) -> Self {
        let (acceptor, ca) = certificate(dir);
        Self {
            tls: Some(acceptor),
            ca: Some(ca),
            ..Self::default()
        }
    }

    pub(crate) fn implicit(dir: &Path) -> Self {
        Self {
            implicit: true,
            ..Self::starttls(dir)
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) raw: String,
}

impl Mail {
    pub(crate) fn header(&self, name: &str) -> String {
        let head = self
            .raw
            .split("\r\n\r\n")
            .next()
            .unwrap()
            .replace("\r\n ", " ");
        let found = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found
            .unwrap_or_else(|| panic!("no {name} in {head}"))
            .to_owned()
    }

    /// The body, its soft line breaks taken out.
    pub(crate) fn body(&self) -> String {
        self.raw
            .split_once("\r\n\r\n")
            .unwrap()
            .1
            .replace("=\r\n", "")
            .replace("=3D", "=")
    }
}

#[derive(Clone)]
pub(crate) struct MailServer {
    port: u16,
    manner: Manner,
    mails: Arc<Mutex<Vec<Mail>>>,
    logins: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            manner,
            mails: Arc::default(),
            logins: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let Ok((tcp, _)) = listener.accept().await else {
                    return;
                };
                let server = serving.clone();
                tokio::spawn(async move {
                    let tls = server.manner.tls.clone();
                    if server.manner.implicit {
                        let stream = tls.unwrap().accept(tcp).await.unwrap();
                        server.talk(BufReader::new(stream), true, true).await;
                        return;
                    }
                    if let Some(tcp) = server.talk(BufReader::new(tcp), false, true).await {
                        let stream = tls.unwrap().accept(tcp.into_inner()).await.unwrap();
                        server.talk(BufReader::new(stream), true, false).await;
                    }
                });
            }
        });
        server
    }

    pub(crate) fn target(&self, tls: MailTls) -> Target {
        let scheme = if tls == MailTls::Implicit {
            "smtps"
        } else {
            "smtp"
        };
        let service = Service::Email {
            from: "weir@example.org".to_owned(),
            to: vec!["dba@example.org".to_owned(), "ann@example.org".to_owned()],
            user: (tls != MailTls::None).then(|| "weir".to_owned()),
            password: (tls != MailTls::None).then(|| Secret("s3cret".into())),
            tls,
        };
        Target {
            ca: self.manner.ca.clone(),
            ..Target::new(service, format!("{scheme}://localhost:{}", self.port))
        }
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }

    pub(crate) fn logins(&self) -> Vec<String> {
        self.logins.lock().unwrap().clone()
    }

    /// Until the client leaves, or asks for TLS: then the stream comes back.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        secure: bool,
        greet: bool,
    ) -> Option<BufReader<S>> {
        let (mut from, mut to) = (String::new(), Vec::new());
        if greet {
            stream
                .write_all(b"220 mail.example.org ESMTP\r\n")
                .await
                .unwrap();
        }
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return None;
            }
            assert!(line.ends_with("\r\n"), "{line:?}");
            let line = line.trim_end().to_owned();
            let answer = match line
                .split_once([' ', ':'])
                .map_or(line.as_str(), |(verb, _)| verb)
            {
                "EHLO" => {
                    let offers = match (secure, self.manner.tls.is_some()) {
                        (true, _) => "250-mail.example.org\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
                        (false, true) => "250-mail.example.org\r\n250-STARTTLS\r\n250 8BITMIME",
                        (false, false) => "250-mail.example.org\r\n250 8BITMIME",
                    };
                    offers.to_owned()
                }
                "STARTTLS" => {
                    stream.write_all(b"220 go ahead\r\n").await.unwrap();
                    return Some(stream);
                }
                "AUTH" => {
                    let word = line.strip_prefix("AUTH PLAIN ").unwrap();
                    let word = String::from_utf8(STANDARD.decode(word).unwrap()).unwrap();
                    let mut parts = word.split('\0').skip(1);
                    let how = if secure { "over TLS" } else { "in the clear" };
                    let login =
                        format!("{}:{} {how}", parts.next().unwrap(), parts.next().unwrap());
                    self.logins.lock().unwrap().push(login);
                    "235 welcome".to_owned()
                }
                "MAIL" => {
                    from = line
                        .trim_start_matches("MAIL FROM:<")
                        .trim_end_matches('>')
                        .to_owned();
                    "250 ok".to_owned()
                }
                "RCPT" => {
                    let address = line.trim_start_matches("RCPT TO:<").trim_end_matches('>');
                    if self.manner.refuses == Some(address) {
                        "550 no such user".to_owned()
                    } else {
                        to.push(address.to_owned());
                        "250 ok".to_owned()
                    }
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.unwrap();
                    let mut raw = String::new();
                    loop {
                        let mut line = String::new();
                        stream.read_line(&mut line).await.unwrap();
                        if line == ".\r\n" {
                            break;
                        }
                        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
                    }
                    let mail = Mail {
                        from: from.clone(),
                        to: std::mem::take(&mut to),
                        raw,
                    };
                    self.mails.lock().unwrap().push(mail);
                    "250 queued as 1".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                other => panic!("{other}"),
            };
            stream
                .write_all(format!("{answer}\r\n").as_bytes())
                .await
                .unwrap();
        }
    }
}
