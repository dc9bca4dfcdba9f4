//! A real PostgreSQL, a proxy in front of it, and a client that speaks the protocol by hand.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::disallowed_methods, reason = "tests run in real time")]

pub mod pki;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use weir_lab::pg::{PgOptions, PrivatePostgres};
use weir_model::{PoolSettings, PoolSize, PoolerSettings, ServerSettings};
use weir_proxy::{IoChoice, ListenAddr, Proxy, ProxyHandle, ProxySettings};

/// A private PostgreSQL with a client's programs.
pub struct Postgres {
    server: Mutex<PrivatePostgres>,
    pub dir: PathBuf,
    pub port: u16,
    bin: PathBuf,
}

/// `WEIR_TEST_IO=epoll` has everything run without io_uring; scripts/test.sh does both.
fn io_choice() -> IoChoice {
    std::env::var("WEIR_TEST_IO").map_or(IoChoice::Auto, |text| text.parse().expect("a driver"))
}

pub fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
    probe.local_addr().expect("its number").port()
}

impl Postgres {
    pub fn start() -> Self {
        let server = PrivatePostgres::start(&PgOptions::for_tests()).expect("a PostgreSQL");
        let bin = server.bin().to_owned();
        Self {
            dir: server.socket_dir().to_owned(),
            port: server.port(),
            // An installation without them can still be the server.
            bin: if bin.join("psql").exists() {
                bin
            } else {
                PathBuf::new()
            },
            server: Mutex::new(server),
        }
    }

    /// One for all tests of a file that leave it as they found it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| {
            let pg = Self::start();
            let out = pg.run("pgbench", pg.port, &["-i", "-q", "-s", "1"]);
            assert!(out.status.success(), "{out:?}");
            pg
        })
    }

    /// Where its files are.
    pub fn data(&self) -> PathBuf {
        self.server
            .lock()
            .expect("no test failed with it")
            .data_dir()
    }

    /// As after a crash.
    pub fn restart(&self) {
        let mut server = self.server.lock().expect("no test failed with it");
        server.kill_immediate();
        server.start_again().expect("it starts again");
    }

    /// Runs one of PostgreSQL's programs against `port`.
    pub fn run(&self, program: &str, port: u16, args: &[&str]) -> Output {
        self.command(program, port)
            .args(args)
            .output()
            .expect("a client program")
    }

    pub fn command(&self, program: &str, port: u16) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres")
            .env("PGSSLMODE", "disable");
        command
    }

    /// The output of one psql command, which must succeed.
    pub fn psql(&self, port: u16, sql: &str) -> String {
        let out = self.run("psql", port, &["-XAtqc", sql]);
        assert!(out.status.success(), "{sql}: {out:?}");
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }
}

/// A proxy in front of it, stopped when dropped.
pub struct Weir {
    pub handle: Option<ProxyHandle>,
    pub port: u16,
}

impl Weir {
    pub fn before(pg: &Postgres, size: u32) -> Self {
        Self::with(ServerSettings::at("127.0.0.1", pg.port), size, |_| {})
    }

    pub fn with(server: ServerSettings, size: u32, tweak: impl FnOnce(&mut ProxySettings)) -> Self {
        let mut pool = PoolSettings::any(server);
        pool.size = PoolSize::Fixed(NonZeroU32::new(size).expect("a size"));
        let mut settings = ProxySettings {
            listen: vec!["127.0.0.1:0".parse().expect("an address")],
            pooler: PoolerSettings::trusting(pool),
            seed: 1,
            clock_zero: Instant::now(),
            io: io_choice(),
            workers: 1,
        };
        tweak(&mut settings);
        let handle = Proxy::start(settings).expect("a proxy");
        let port = handle
            .local
            .iter()
            .find_map(|l| match l {
                ListenAddr::Tcp { port, .. } => Some(*port),
                ListenAddr::Unix { .. } => None,
            })
            .unwrap_or(0);
        Self {
            handle: Some(handle),
            port,
        }
    }

    pub fn handle(&mut self) -> &mut ProxyHandle {
        self.handle.as_mut().expect("not taken")
    }

    /// A client that is logged in.
    pub fn client(&self) -> Client {
        Client::login(self.port)
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop();
            let ended = handle.join();
            if !std::thread::panicking() {
                ended.expect("the worker didn't panic");
            }
        }
    }
}

/// A client that speaks the protocol by hand.
pub struct Client {
    pub stream: TcpStream,
    pub key: Vec<u8>,
}

impl Client {
    pub fn login(port: u16) -> Self {
        Self::try_login(port).expect("a login")
    }

    pub fn try_login(port: u16) -> Result<Self, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
        packet.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
        let length = u32::try_from(packet.len()).expect("short");
        packet[..4].copy_from_slice(&length.to_be_bytes());
        stream.write_all(&packet).map_err(|e| e.to_string())?;
        let mut client = Self {
            stream,
            key: Vec::new(),
        };
        loop {
            let (tag, body) = client.message().map_err(|e| e.to_string())?;
            match tag {
                b'K' => client.key = body,
                b'Z' => return Ok(client),
                b'E' => return Err(String::from_utf8_lossy(&body).into_owned()),
                _ => {}
            }
        }
    }

    /// Sends a simple query.
    pub fn ask(&mut self, sql: &str) {
        let length = u32::try_from(sql.len() + 5).expect("short");
        let mut packet = vec![b'Q'];
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(sql.as_bytes());
        packet.push(0);
        self.stream.write_all(&packet).expect("the query went");
    }

    /// The next message: its tag and body.
    pub fn message(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    /// Reads up to ReadyForQuery: the first column of each row, or the error's fields.
    pub fn answer(&mut self) -> Result<Vec<String>, String> {
        let (mut rows, mut fault) = (Vec::new(), None);
        loop {
            match self
                .message()
                .map_err(|e| fault.clone().unwrap_or_else(|| e.to_string()))?
            {
                (b'D', body) => rows.push(String::from_utf8_lossy(&body[6..]).into_owned()),
                (b'E', body) => fault = Some(String::from_utf8_lossy(&body).into_owned()),
                (b'Z', _) => return fault.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    pub fn query(&mut self, sql: &str) -> Result<Vec<String>, String> {
        self.ask(sql);
        self.answer()
    }
}
