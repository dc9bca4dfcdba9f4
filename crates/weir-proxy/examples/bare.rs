//! A proxy without a control plane: `bare 127.0.0.1:6432 127.0.0.1:5432 [POOL_SIZE]`.
//!
//! For measuring the data plane alone, and to show that it needs nothing else to serve. Trusts
//! every client; never put it where others can reach it.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it has no other way to speak")]

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Instant;

use weir_model::{PoolSettings, PoolSize, PoolerSettings, ServerSettings};
use weir_proxy::{IoChoice, ListenAddr, Proxy, ProxySettings};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, rest @ ..] = args.as_slice() else {
        return Err("usage: bare LISTEN UPSTREAM [POOL_SIZE]".into());
    };
    let size: NonZeroU32 = rest.first().map_or("20", String::as_str).parse()?;
    // An address is read alike on both sides: host:port, or a socket's directory:port.
    let server = match upstream.parse::<ListenAddr>()? {
        ListenAddr::Tcp { host, port } => ServerSettings::at(&host, port),
        ListenAddr::Unix { dir, port } => ServerSettings::at(&dir.to_string_lossy(), port),
    };
    let mut pool = PoolSettings::any(server);
    pool.size = PoolSize::Fixed(size);
    #[expect(clippy::disallowed_methods, reason = "the zero of the time line")]
    let clock_zero = Instant::now();
    let proxy = Proxy::start(ProxySettings {
        listen: vec![listen.parse()?],
        pooler: PoolerSettings::trusting(pool),
        seed: 1,
        clock_zero,
        io: IoChoice::Auto,
        workers: 1,
    })?;
    println!(
        "listening on {}, driver {}: {}",
        proxy.local[0], proxy.driver.driver, proxy.driver.because
    );
    // Nobody looks at samples and events: they are lost and counted, and serving goes on.
    proxy.join()?;
    Ok(())
}
