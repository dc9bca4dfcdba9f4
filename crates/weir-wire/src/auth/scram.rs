//! SCRAM-SHA-256, both sides, without I/O: [`Client`] proves itself, [`Server`] checks a proof.
//!
//! # What always holds
//! - A server that can't prove that it knows the verifier is refused, even after it said yes.
//! - Comparisons of secrets take the same time wherever they differ.
//! - A lying server can't make Weir work for it: see [`ITERATIONS_MAX`].
//!
//! - Where both ends could bind the channel and one of them was made to believe that the other
//!   can't, the exchange fails: somebody in between took the offer out.
//!
//! # What is deliberately absent
//! - Channel bindings other than `tls-server-end-point`, the only one that PostgreSQL has.
//! - The dice. The caller brings nonces and salts; see [`NONCE_LEN`].

mod client;
mod server;
mod verifier;

pub use client::{Binding, Client, Secret};
pub use server::{Accepted, Server};
pub use verifier::{Keys, Verifier, VerifierError};

/// The mechanism's name in SASL.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// The same with the TLS channel bound to the proof, so that nobody can pass it on.
pub const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The header of a first message that binds the channel.
const END_POINT: &str = "p=tls-server-end-point";

/// Random bytes that a nonce is made of, as in PostgreSQL (`SCRAM_RAW_NONCE_LEN`). Pass them
/// through [`nonce`].
pub const NONCE_LEN: usize = 18;

/// PostgreSQL's default, for verifiers that Weir makes.
pub const ITERATIONS_DEFAULT: u32 = 4096;

/// The most rounds that Weir computes for a server. At 0.1 µs a round (0.3 without the CPU's SHA
/// instructions) a million hold a worker for a tenth of a second; RFC 7677 asks for 4,096 and OWASP's largest advice for
/// PBKDF2-SHA-256 is 600,000. PostgreSQL 16 and later would let an administrator ask for 2³¹.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// The longest message of an exchange that is read; PostgreSQL's are below 300 bytes.
pub const MESSAGE_MAX: usize = 2048;

/// Why an exchange failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message that RFC 5802 doesn't allow.
    #[error("malformed SCRAM message: {what}")]
    Malformed {
        /// What was wrong with it.
        what: &'static str,
    },
    /// A message came out of order.
    #[error("SCRAM message out of order: {what}")]
    Order {
        /// What was expected.
        what: &'static str,
    },
    /// The client insists on channel binding.
    #[error(
        "client requires SCRAM channel binding, but it is not supported: the connection has no TLS, or Weir's certificate is signed in a way that has no hash (Ed25519)"
    )]
    ChannelBinding,
    /// The client was made to believe that we can't bind the channel.
    #[error(
        "the client supports SCRAM channel binding but thinks the server does not; however, this server does support channel binding: somebody may be in between"
    )]
    Downgrade,
    /// The channel that the client is at the other end of isn't ours.
    #[error("SCRAM channel binding check failed")]
    WrongChannel,
    /// A mechanism that wasn't offered.
    #[error("client selected an invalid SASL authentication mechanism")]
    Mechanism,
    /// The server asks for too little or too much work.
    #[error(
        "the server asks for {iterations} SCRAM iterations; 1 to {ITERATIONS_MAX} are possible"
    )]
    Iterations {
        /// What it asks for.
        iterations: u64,
    },
    /// The server's nonce doesn't begin with the client's, or the client's isn't the server's.
    #[error("SCRAM nonce does not match")]
    Nonce,
    /// The proof is wrong: the wrong password.
    #[error("password authentication failed")]
    WrongProof,
    /// The server said so.
    #[error("the server ended the SCRAM exchange: {0}")]
    Server(String),
    /// The server said yes without knowing the secret.
    #[error(
        "the server could not prove that it knows the password; it may not be the server you think it is"
    )]
    WrongServer,
}

/// A nonce's text from random bytes.
pub fn nonce(random: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(random)
}
