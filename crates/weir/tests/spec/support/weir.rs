//! The real binary, with a configuration of the test's own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use super::{SOON, until};

/// The modes in which most promises hold alike.
pub(crate) const MODES: [&str; 2] = ["transaction", "session"];

/// A configuration in front of `port`: every database, trust, `postgres` may use the console.
pub(crate) fn pooled(port: u16, size: u32, pool: &str) -> String {
    format!(
        "[auth]\nmethod = \"trust\"\nadmin_users = [\"postgres\"]\n\
         [server.main]\nhosts = [\"127.0.0.1:{port}\"]\n\
         [pool.\"*\"]\nsize = {size}\n{pool}\n"
    )
}

pub(crate) fn weir_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.stdin(Stdio::null()).env_remove("WEIR_LOG");
    command
}

/// A running Weir. It is killed when this is dropped.
pub(crate) struct Weir {
    child: Child,
    pub(crate) port: u16,
    /// Zero where the API is off.
    pub(crate) api: u16,
    log: Arc<Mutex<String>>,
    pub(crate) dir: Arc<TempDir>,
}

impl Weir {
    /// Without API and store.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, &["--api", "off", "--store", "none"], &[])
    }

    /// With API and store.
    pub(crate) fn watched(config: &str) -> Self {
        Self::start_with(config, &["--api", "127.0.0.1:0"], &[])
    }

    pub(crate) fn start_with(config: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::start_in(dir, config, args, env)
    }

    /// In a folder that outlives it: `weir.db` is there again at the next start.
    pub(crate) fn start_in(
        dir: Arc<TempDir>,
        config: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Self {
        let file = dir.path().join("weir.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = weir_command();
        command.arg("run").arg(&file);
        if !args.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(args).envs(env.iter().copied());
        Self::spawn(dir, command).unwrap_or_else(|out| panic!("Weir didn't start: {out}"))
    }

    /// Runs `command`, which must come to listen. `Err`: what it wrote before it ended.
    pub(crate) fn spawn(dir: Arc<TempDir>, mut command: Command) -> Result<Self, String> {
        let mut child = command
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the weir binary");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut weir = Self {
            child,
            port: 0,
            api: 0,
            log,
            dir,
        };
        let wants_api = {
            let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
            args.windows(2)
                .any(|pair| pair[0] == "--api" && pair[1] != "off")
        };
        let ready = until("Weir listens", SOON, || {
            let log = weir.log();
            if let Some(port) = port_behind(&log, "listen=") {
                weir.port = port;
                weir.api = port_behind(&log, "api=").unwrap_or(0);
                let settled = !wants_api || weir.api != 0 || log.contains("No API");
                if settled {
                    return Some(true);
                }
            }
            weir.child.try_wait().unwrap().map(|_| false)
        });
        if ready { Ok(weir) } else { Err(weir.log()) }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("weir.db")
    }

    /// Waits until it has logged this.
    pub(crate) fn until_logs(&self, text: &str) {
        until(&format!("the log has `{text}`"), SOON, || {
            self.log().contains(text).then_some(())
        });
    }

    /// `TERM`, `KILL`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("Weir ends", SOON, || self.child.try_wait().unwrap())
    }

    /// Resident memory in bytes; `None` where there is no /proc.
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    pub(crate) async fn try_get(&self, path: &str) -> Result<String, String> {
        let url = format!("http://127.0.0.1:{}{path}", self.api);
        // Asked for by every client; the second time it is there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let answer = reqwest::get(&url).await.map_err(|f| f.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|f| f.to_string())?;
        if status.is_success() {
            Ok(text)
        } else {
            Err(format!("{status}: {text}"))
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let text = self
            .try_get(path)
            .await
            .unwrap_or_else(|fault| panic!("GET {path}: {fault}\n{}", self.log()));
        serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{path}: {fault}: {text}"))
    }

    /// `weir …` against this one's API.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        weir_command()
            .args(args)
            .args(["--api", &format!("http://127.0.0.1:{}", self.api)])
            .output()
            .unwrap()
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- Weir's log\n{}---", self.log());
        }
    }
}

/// The port in `listen=127.0.0.1:40123` or `api=http://127.0.0.1:40124`.
fn port_behind(log: &str, key: &str) -> Option<u16> {
    let after = &log[log.find(key)? + key.len()..];
    let word = after.split([' ', '\n', ',']).next()?;
    word.trim_matches('"').rsplit(':').next()?.parse().ok()
}
