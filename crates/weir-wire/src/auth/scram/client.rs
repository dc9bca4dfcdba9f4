//! The client's side: Weir logs in to a server.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::server::binding;
use super::verifier::{hmac, same, sha256, xor};
use super::{END_POINT, ITERATIONS_MAX, Keys, MECHANISM, MECHANISM_PLUS, MESSAGE_MAX, ScramError};

/// What Weir can prove itself with.
#[derive(Clone)]
pub enum Secret {
    /// The plain password; the keys are derived when the server names salt and count.
    Password(Vec<u8>),
    /// Keys, for instance those that a client's own login left behind.
    Keys(Keys),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Secret::Password(…)",
            Self::Keys(_) => "Secret::Keys(…)",
        })
    }
}

/// One login to a server.
///
/// ```text
/// first_message ─▶ on_challenge ─▶ on_final
/// ```
#[derive(Debug)]
pub struct Client {
    secret: Secret,
    nonce: String,
    binding: Binding,
    state: State,
}

#[derive(Debug)]
enum State {
    Started,
    /// The proof is sent; the server owes its own.
    Proved {
        keys: Keys,
        server_signature: [u8; 32],
    },
    /// The server proved itself.
    Done {
        keys: Keys,
    },
    Failed,
}

/// What the client does about the channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// There is no TLS channel, or none that could be bound.
    #[default]
    None,
    /// We could bind it; the server doesn't offer to.
    NotOffered,
    /// The hash of the server's certificate (RFC 5929, `tls-server-end-point`).
    EndPoint(Arc<[u8]>),
}

impl Binding {
    fn flag(&self) -> &'static str {
        match self {
            Self::None => "n",
            Self::NotOffered => "y",
            Self::EndPoint(_) => END_POINT,
        }
    }

    fn channel(&self) -> Option<&[u8]> {
        match self {
            Self::None | Self::NotOffered => None,
            Self::EndPoint(hash) => Some(hash),
        }
    }
}

impl Client {
    /// `nonce` from [`super::nonce`], new for each login.
    pub fn new(secret: Secret, nonce: String) -> Self {
        Self {
            secret,
            nonce,
            binding: Binding::None,
            state: State::Started,
        }
    }

    /// Binds the channel, or tells the server that we would have.
    #[must_use]
    pub fn bind(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// The mechanism to name with the first message.
    pub fn mechanism(&self) -> &'static str {
        match self.binding {
            Binding::None | Binding::NotOffered => MECHANISM,
            Binding::EndPoint(_) => MECHANISM_PLUS,
        }
    }

    /// The client-first-message. The user name stays empty: PostgreSQL takes that of the startup
    /// packet.
    pub fn first_message(&self) -> String {
        format!("{},,n=,r={}", self.binding.flag(), self.nonce)
    }

    /// Answers the server-first-message with the client-final-message.
    pub fn on_challenge(&mut self, challenge: &[u8]) -> Result<String, ScramError> {
        if !matches!(self.state, State::Started) {
            return Err(ScramError::Order {
                what: "a second challenge",
            });
        }
        self.state = State::Failed;
        let challenge = text(challenge)?;
        let malformed = |what| ScramError::Malformed { what };
        let mut parts = challenge.split(',');
        let mut part = |prefix, what| {
            parts
                .next()
                .and_then(|p: &str| p.strip_prefix(prefix))
                .ok_or(malformed(what))
        };
        let nonce = part("r=", "the challenge has no nonce")?;
        let salt = part("s=", "the challenge has no salt")?;
        let iterations = part("i=", "the challenge has no iteration count")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salt = STANDARD
            .decode(salt)
            .map_err(|_| malformed("the salt is not base64"))?;
        if salt.is_empty() {
            return Err(malformed("the salt is empty"));
        }
        let iterations: u64 = iterations
            .parse()
            .map_err(|_| malformed("the iteration count is not a number"))?;
        let count = u32::try_from(iterations)
            .ok()
            .filter(|n| (1..=ITERATIONS_MAX).contains(n))
            .ok_or(ScramError::Iterations { iterations })?;

        let keys = match &self.secret {
            Secret::Password(password) => Keys::derive(password, &salt, count),
            Secret::Keys(keys) => keys.clone(),
        };
        let channel = binding(self.binding.flag(), self.binding.channel());
        let without_proof = format!("c={channel},r={nonce}");
        let auth_message = format!("n=,r={},{challenge},{without_proof}", self.nonce);
        let auth_message = auth_message.as_bytes();
        let client_signature = hmac(&sha256(&keys.client_key), &[auth_message]);
        let proof = xor(&keys.client_key, &client_signature);
        let server_signature = hmac(&keys.server_key, &[auth_message]);
        self.state = State::Proved {
            keys,
            server_signature,
        };
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// Checks the server-final-message: the server's own proof.
    pub fn on_final(&mut self, message: &[u8]) -> Result<(), ScramError> {
        let State::Proved {
            keys,
            server_signature,
        } = std::mem::replace(&mut self.state, State::Failed)
        else {
            return Err(ScramError::Order {
                what: "a final message without a challenge",
            });
        };
        let message = text(message)?;
        if let Some(error) = message.strip_prefix("e=") {
            return Err(ScramError::Server(error.chars().take(200).collect()));
        }
        let signature = message
            .strip_prefix("v=")
            .and_then(|rest| rest.split(',').next())
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or(ScramError::Malformed {
                what: "the final message has no signature",
            })?;
        if !same(&signature, &server_signature) {
            return Err(ScramError::WrongServer);
        }
        self.state = State::Done { keys };
        Ok(())
    }

    /// Whether the server proved itself. AuthenticationOk before that is a server that skipped its
    /// proof, and must be refused.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done { .. })
    }

    /// After the server proved itself: the keys that fitted. The next login with them spares the
    /// derivation; they stop fitting when the password changes.
    pub fn keys(&self) -> Option<&Keys> {
        match &self.state {
            State::Done { keys } => Some(keys),
            State::Started | State::Proved { .. } | State::Failed => None,
        }
    }
}

/// A message's text; all of SCRAM's are.
pub(super) fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MESSAGE_MAX {
        return Err(ScramError::Malformed {
            what: "the message is too long",
        });
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed {
        what: "the message is not UTF-8",
    })
}
