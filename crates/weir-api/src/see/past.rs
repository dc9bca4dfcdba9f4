//! How was it then? `at` on a document asks for the same as it was.

use std::sync::Arc;

use serde::Deserialize;
use weir_control::handle::{Answer, Ask, Published};
use weir_model::Wall;

use crate::fault::ApiFault;
use crate::read;
use crate::server::Api;

/// Keys of documents that can be asked for as they were.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtQuery {
    pub(crate) at: Option<String>,
}

impl AtQuery {
    /// The instant asked for.
    pub(crate) fn wall(&self) -> Result<Option<Wall>, ApiFault> {
        read::moment("at", self.at.as_deref())
    }
}

/// What was published last, or everything as it was.
pub(crate) async fn published(api: &Api, at: Option<Wall>) -> Result<Arc<Published>, ApiFault> {
    let Some(at) = at else {
        return Ok(api.handle.now());
    };
    match api.handle.ask(Ask::At { at }).await? {
        Answer::Published(published) => Ok(published),
        _ => Err(read::wrong_answer()),
    }
}
