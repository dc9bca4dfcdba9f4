//! Who proves what to whom: SCRAM-SHA-256 (RFC 5802, RFC 7677) on both sides, and md5.
//!
//! A pooler proves twice: the client proves itself to Weir, Weir proves itself to the server. With
//! SCRAM it needs no plain text for that: a client's proof, checked against the stored verifier,
//! yields the very key ([`scram::Keys`]) that logs in to a server holding the same verifier.

pub mod md5;
pub mod scram;
