//! A Redis server of one test, which the test may freeze, kill and restart.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(10);

/// Returns the URL of the Redis server that several tests share, as `cargo xtask test` provides it.
///
/// # Panics
///
/// Panics when `TEST_REDIS_URL` is not set.
#[expect(clippy::disallowed_methods, reason = "environment variables give the addresses of the test servers")]
pub fn shared_url() -> String {
    std::env::var("TEST_REDIS_URL").expect(
        "TEST_REDIS_URL names no Redis: run the tests by `cargo xtask test`, which starts one, or set it to one that runs, \
         such as redis://127.0.0.1:6379",
    )
}

/// A running server. Dropping it stops the server.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    server: Child,
}

impl RedisServer {
    /// Starts `redis-server`, found on the `PATH`, on a free port of the loopback address.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("tenantry-redis-").unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let server = spawn(&folder, port);
        let mut started = Self { folder, port, server };
        started.becomes_ready();
        started
    }

    /// Returns the URL of the server.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Pauses the process. Connections stay open, and no command gets a reply.
    pub fn freeze(&self) {
        kill_process(Pid::from_child(&self.server), Signal::STOP).unwrap();
    }

    /// Resumes the process.
    pub fn thaw(&self) {
        kill_process(Pid::from_child(&self.server), Signal::CONT).unwrap();
    }

    /// Kills the process. Its data is lost.
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again on its port, without data.
    pub fn restart(&mut self) {
        self.server = spawn(&self.folder, self.port);
        self.becomes_ready();
    }

    /// Sends a raw command, such as `GET name`, and returns the reply as Redis writes it.
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap()
    }

    fn try_ask(&self, command: &str) -> std::io::Result<String> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        connection.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer.trim_end_matches("+OK\r\n").to_owned())
    }

    fn becomes_ready(&mut self) {
        let began = Instant::now();
        while !self.try_ask("PING").is_ok_and(|answer| answer.starts_with("+PONG")) {
            assert!(self.server.try_wait().unwrap().is_none(), "redis-server has ended");
            assert!(began.elapsed() < START_LIMIT, "redis-server does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Fails when the process was killed already, which is fine.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn spawn(folder: &TempDir, port: u16) -> Child {
    let port = port.to_string();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect(
        "some tests start a Redis of their own: install its server (Debian: apt-get install redis-server), also when \
         TEST_REDIS_URL names one",
    )
}
