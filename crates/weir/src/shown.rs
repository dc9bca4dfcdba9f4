//! Where did each value of this run come from? What the command line said, put beside file and
//! environment, for the page "configuration".

use std::collections::BTreeMap;

use weir_api::see::configuration::Configuration;

use crate::cli::RunArgs;
use crate::config::origin::{self, Flag};
use crate::run;

/// Every setting with its origin.
pub(crate) fn configuration(
    args: &RunArgs,
    environment: &BTreeMap<String, String>,
) -> Configuration {
    let quoted = |text: &str| format!("{text:?}");
    let mut flags: Vec<Flag> = Vec::new();
    let mut flag = |section, name, flag, value: Option<String>| {
        flags.extend(value.map(|value| Flag {
            section,
            name,
            flag,
            value,
        }));
    };
    let listen = (!args.listen.is_empty()).then(|| format!("{:?}", args.listen));
    flag("", "listen", "--listen", listen);
    flag("", "api", "--api", args.api.as_deref().map(quoted));
    flag("", "store", "--store", args.store.as_deref().map(quoted));
    flag("", "io", "--io", args.io.as_deref().map(quoted));
    let workers = args.workers.as_deref().map(quoted);
    flag("", "workers", "--workers", workers);
    let log_format = args.log_format.as_deref().map(quoted);
    flag("", "log_format", "--log-format", log_format);
    let size = args.pool_size.clone().filter(|size| size != "auto");
    flag("pool.*", "size", "--pool-size", size);
    let mode = args.pool_mode.map(|mode| quoted(&mode.to_string()));
    flag("pool.*", "mode", "--pool-mode", mode);
    let mode = args.regulator.map(|mode| quoted(mode.name()));
    flag("regulator", "mode", "--regulator", mode);
    // The address alone: the rest of the URL is a user and a password.
    let upstream = args
        .upstream
        .as_deref()
        .and_then(|url| run::upstream(url).ok());
    let hosts = upstream.and_then(|config| {
        let server = config.servers.first()?;
        Some(format!("[\"{}:{}\"]", server.host, server.port))
    });
    flag("server.*", "hosts", "--upstream", hosts);
    let text = args
        .file
        .as_ref()
        .and_then(|file| std::fs::read_to_string(file).ok());
    let file = args.file.as_deref().zip(text.as_deref());
    origin::configuration(file, environment, &flags)
}
