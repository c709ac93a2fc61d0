//! The program as a separate process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{HEALED, answer_within};
use crate::support::{ServerData, Settings, fetch};

/// Returns the settings of every server here: a readable log, durable commits, and a fixed address in tokens, which
/// must not change with the port.
pub(super) fn settings() -> Settings {
    let settings = Settings::default().set("LOG_LEVEL", "info").set("LOG_FORMAT", "json").set("WORKERS", "2");
    let settings = settings.set("PUBLIC_URL", "http://tenantry.example");
    settings.set("SQLITE_SYNCHRONOUS", "full").set("DATABASE_POOL_SIZE", "10")
}

/// A running `tenantry`. Dropping it kills the process.
pub(super) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    url: String,
}

impl Process {
    /// Starts the program with only these settings in its environment.
    pub(super) fn spawn(arguments: &[&str], settings: &[(String, String)], folder: &Path) -> Self {
        Self::spawn_program(Path::new(env!("CARGO_BIN_EXE_tenantry")), arguments, settings, folder)
    }

    /// Starts the program through another one, which must exec it.
    pub(super) fn spawn_program(
        program: &Path,
        arguments: &[&str],
        settings: &[(String, String)],
        folder: &Path,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(settings.iter().map(|(name, value)| (name, value)));
        // The developer's `.env` is not read.
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let log = log.clone();
            move || lines.map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line))
        });
        Self { child, log, reader: Some(reader), url: String::new() }
    }

    /// Starts a server with its data in this place, without waiting for it.
    pub(super) fn launch(place: &ServerData, settings: &Settings) -> Self {
        Self::spawn(&["serve"], &place.settings(settings), place.folder.path())
    }

    /// Starts a server and waits until it is ready.
    pub(super) async fn start(place: &ServerData, settings: &Settings) -> Self {
        let mut server = Self::launch(place, settings);
        server.becomes_ready().await;
        server
    }

    /// Waits until the server is ready, at most for the maximum time of a recovery.
    pub(super) async fn becomes_ready(&mut self) {
        let listening = async || {
            assert!(self.child.try_wait().unwrap().is_none(), "the server has ended:\n{}", self.log());
            self.entry("listening").map(|fields| fields["address"].as_str().unwrap().to_owned())
        };
        let (address, took) = answer_within(HEALED, "the server listens", listening).await;
        self.url = format!("http://{address}");
        let ready = async || fetch(format!("{}/readyz", self.url)).await.ok().filter(|r| r.status() == 200);
        answer_within(HEALED.saturating_sub(took), "the server is ready", ready).await;
    }

    /// Returns its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the URL of the server, as `http://…`.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns everything that it has logged.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Returns the fields of the first log entry with this message.
    pub(super) fn entry(&self, message: &str) -> Option<Value> {
        let log = self.log.lock().unwrap();
        let entries = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.map(|entry| entry["fields"].clone()).find(|fields| fields["message"] == message)
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it without warning.
    pub(super) fn kill(mut self) {
        self.end();
    }

    /// Waits until it ends.
    pub(super) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let (status, _) = answer_within(limit, "the process ends", async || self.child.try_wait().unwrap()).await;
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    fn end(&mut self) {
        // Fails when the process has ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    #[expect(clippy::print_stdout, reason = "a failed test prints the log of its server")]
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            println!("the log of the server at {}:\n{}", self.url, self.log());
        }
    }
}

/// Waits for a process that ends by itself; returns its exit code and its whole standard error.
pub(super) async fn ends(
    arguments: &[&str],
    settings: &[(String, String)],
    folder: &std::path::Path,
) -> (Option<i32>, String) {
    let mut process = Process::spawn(arguments, settings, folder);
    let status = process.ended(Duration::from_secs(20)).await;
    (status.code(), process.log())
}
