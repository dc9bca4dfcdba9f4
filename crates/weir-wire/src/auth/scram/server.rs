//! The server's side: a client logs in to Weir.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::text;
use super::verifier::{hmac, same, sha256, xor};
use super::{END_POINT, Keys, MECHANISM, MECHANISM_PLUS, ScramError, Verifier};

/// One login of a client.
///
/// ```text
/// on_first ─▶ on_final ─▶ Accepted
/// ```
#[derive(Debug)]
pub struct Server {
    verifier: Verifier,
    nonce: String,
    /// What identifies our end of the TLS channel.
    channel: Option<Arc<[u8]>>,
    state: State,
}

#[derive(Debug)]
enum State {
    Started,
    /// The challenge is sent; the client owes its proof.
    Challenged {
        /// `c=` that the client must repeat.
        binding: String,
        /// The channel is bound: `binding` says to which.
        bound: bool,
        /// Both nonces.
        nonce: String,
        /// `client-first-message-bare,server-first-message`.
        so_far: String,
    },
    Over,
}

/// A client that proved itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The server-final-message to send with AuthenticationSASLFinal.
    pub final_message: String,
    /// The keys that the proof revealed: they log in to a PostgreSQL that stores the same
    /// verifier.
    pub keys: Keys,
}

impl Server {
    /// `nonce` from [`super::nonce`], new for each login.
    pub fn new(verifier: Verifier, nonce: String) -> Self {
        Self {
            verifier,
            nonce,
            channel: None,
            state: State::Started,
        }
    }

    /// Offers to bind the channel: `end_point` is the hash of our certificate (RFC 5929,
    /// `tls-server-end-point`).
    #[must_use]
    pub fn bind(mut self, end_point: Option<Arc<[u8]>>) -> Self {
        self.channel = end_point;
        self
    }

    /// What to offer, the preferred one first.
    pub fn mechanisms(&self) -> &'static [&'static str] {
        if self.channel.is_some() {
            &[MECHANISM_PLUS, MECHANISM]
        } else {
            &[MECHANISM]
        }
    }

    /// Answers the client-first-message of [`MECHANISM`].
    pub fn on_first(&mut self, message: &[u8]) -> Result<String, ScramError> {
        self.begin(MECHANISM, message)
    }

    /// Answers the client-first-message with the server-first-message. `mechanism` as the client
    /// chose it.
    pub fn begin(&mut self, mechanism: &str, message: &[u8]) -> Result<String, ScramError> {
        if !matches!(self.state, State::Started) {
            return Err(ScramError::Order {
                what: "a second first message",
            });
        }
        self.state = State::Over;
        let channel = match (mechanism, &self.channel) {
            (MECHANISM, _) => None,
            (MECHANISM_PLUS, Some(channel)) => Some(Arc::clone(channel)),
            _ => return Err(ScramError::Mechanism),
        };
        let malformed = |what| ScramError::Malformed { what };
        let message = text(message)?;
        let (flag, rest) = message
            .split_once(',')
            .ok_or(malformed("the first message has no header"))?;
        match flag {
            END_POINT if channel.is_some() => {}
            _ if channel.is_some() => {
                return Err(malformed(
                    "SCRAM-SHA-256-PLUS without a channel binding of type tls-server-end-point",
                ));
            }
            "n" => {}
            // `y`: the client could bind the channel, but believes that we can't.
            "y" if self.channel.is_some() => return Err(ScramError::Downgrade),
            "y" => {}
            _ if flag.starts_with("p=") => return Err(ScramError::ChannelBinding),
            _ => return Err(malformed("the channel binding flag is not n, y or p")),
        }
        let (identity, bare) = rest
            .split_once(',')
            .ok_or(malformed("the first message has no user name"))?;
        if !identity.is_empty() {
            return Err(malformed("authorization identities are not supported"));
        }
        let mut parts = bare.split(',');
        // The name is that of the startup packet, so what stands here doesn't matter (libpq sends
        // none), except that an extension in its place (`m=`) must be understood, and isn't.
        parts
            .next()
            .filter(|name| name.starts_with("n="))
            .ok_or(malformed("the first message has no user name"))?;
        let client_nonce = parts
            .next()
            .and_then(|part| part.strip_prefix("r="))
            .filter(|nonce| !nonce.is_empty() && nonce.bytes().all(|b| b.is_ascii_graphic()))
            .ok_or(malformed("the first message has no printable nonce"))?;
        let nonce = format!("{client_nonce}{}", self.nonce);
        let challenge = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(&self.verifier.salt),
            self.verifier.iterations
        );
        self.state = State::Challenged {
            binding: binding(flag, channel.as_deref()),
            bound: channel.is_some(),
            so_far: format!("{bare},{challenge}"),
            nonce,
        };
        Ok(challenge)
    }

    /// Checks the client-final-message.
    pub fn on_final(&mut self, message: &[u8]) -> Result<Accepted, ScramError> {
        let State::Challenged {
            binding,
            bound,
            nonce,
            so_far,
        } = std::mem::replace(&mut self.state, State::Over)
        else {
            return Err(ScramError::Order {
                what: "a proof without a challenge",
            });
        };
        let malformed = |what| ScramError::Malformed { what };
        let message = text(message)?;
        let (without_proof, proof) = message
            .rsplit_once(",p=")
            .ok_or(malformed("the final message has no proof"))?;
        let proof = STANDARD
            .decode(proof)
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or(malformed("the proof is not 32 bytes of base64"))?;
        let mut parts = without_proof.split(',');
        match parts.next().and_then(|part| part.strip_prefix("c=")) {
            Some(repeated) if repeated == binding => {}
            Some(_) if bound => return Err(ScramError::WrongChannel),
            Some(_) => return Err(malformed("the channel binding is not the one begun with")),
            None => return Err(malformed("the final message has no channel binding")),
        }
        match parts.next().and_then(|part| part.strip_prefix("r=")) {
            Some(repeated) if repeated == nonce => {}
            Some(_) => return Err(ScramError::Nonce),
            None => return Err(malformed("the final message has no nonce")),
        }
        let auth_message: [&[u8]; 3] = [so_far.as_bytes(), b",", without_proof.as_bytes()];
        let client_signature = hmac(&self.verifier.stored_key, &auth_message);
        let client_key = xor(&proof, &client_signature);
        if !same(&sha256(&client_key), &self.verifier.stored_key) {
            return Err(ScramError::WrongProof);
        }
        let server_signature = hmac(&self.verifier.server_key, &auth_message);
        Ok(Accepted {
            final_message: format!("v={}", STANDARD.encode(server_signature)),
            keys: Keys {
                client_key,
                server_key: self.verifier.server_key,
            },
        })
    }
}

/// The value of `c=`: the header, and behind it what identifies the channel.
pub(super) fn binding(flag: &str, channel: Option<&[u8]>) -> String {
    let mut bytes = format!("{flag},,").into_bytes();
    bytes.extend_from_slice(channel.unwrap_or_default());
    STANDARD.encode(bytes)
}
