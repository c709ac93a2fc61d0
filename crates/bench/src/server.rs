//! Servers as separate processes: starts each on a free port, reads its figures from the kernel, and stops it.

use anyhow::{Context, Result, bail};
use rustix::{
    param::clock_ticks_per_second,
    process::{Pid, Signal, kill_process},
};
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{self, Path},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Maximum time until a server answers, and until it has ended.
const LIMIT: Duration = Duration::from_secs(30);

/// A running server. Dropping the value stops it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Time from the start to the first answer.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts `tenantry serve` with its defaults, with metrics, and with limits that no client reaches. Its log and emails
    /// go to files in its data folder.
    pub(crate) fn tenantry(binary: &Path, folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::serve(&["serve"], binary, folder, settings)
    }

    /// Starts the same server without a worker, because a worker polls for jobs even without requests.
    pub(crate) fn without_worker(binary: &Path, folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::serve(&["serve", "--no-worker"], binary, folder, settings)
    }

    fn serve(arguments: &[&str], binary: &Path, folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(path::absolute(binary)?);
        command.args(arguments).current_dir(folder).env_clear().envs(settings.iter().copied());
        // Requests are counted, but no client reaches a limit. Metrics are on, as in a monitored installation.
        let plenty = "caller=1000000,tenant=1000000";
        command.env("RATE_LIMIT_PER_MINUTE", "1000000").env("RATE_LIMIT_PLANS_STARTER", plenty);
        command.env("METRICS_ADDR", "127.0.0.1:0");
        command.env("DATA_DIR", folder).stdout(File::create(folder.join("mails"))?);
        command.stderr(File::create(folder.join("log"))?);
        Self::start(command, "/livez").with_context(|| fs::read_to_string(folder.join("log")).unwrap_or_default())
    }

    /// Starts the bare route of [`crate::bare`] that returns the response of the file.
    pub(crate) fn bare(answer: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare").arg(answer);
        Self::start(command, crate::bare::PATH)
    }

    /// Starts the bare route of [`crate::bare`] that serves this file.
    pub(crate) fn bare_file(file: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare-file").arg(file);
        Self::start(command, crate::bare::FILE_PATH)
    }

    fn start(mut command: Command, path: &str) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let began = Instant::now();
        let child = command.env("PORT", address.port().to_string()).stdin(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut server = Self { child, address, started_in: Duration::ZERO };
        while !answers_200(address, path) {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server has ended with {status}");
            }
            if began.elapsed() > LIMIT {
                bail!("the server does not answer");
            }
            thread::sleep(Duration::from_millis(1));
        }
        server.started_in = began.elapsed();
        Ok(server)
    }

    /// Returns the processor time used so far, in user and kernel mode.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        // The second field is the program's name. It may contain any character, and ends with the last parenthesis.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("/proc does not report the processor time")?;
        Ok(Duration::from_secs(user + system) / u32::try_from(clock_ticks_per_second())?)
    }

    /// Returns the resident memory in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        Ok(kib.context("/proc does not report the memory")? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when the server has already ended.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > LIMIT {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Returns a port that no process uses now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn answers_200(address: SocketAddr, path: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        std::io::Result::Ok(head)
    };
    ask().is_ok_and(|head| &head == b"HTTP/1.1 200")
}
