//! Runs other programs and stops them, however this process ends.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    ffi::OsStr,
    fmt,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Time limit for a program that was asked to end. nextest gives its tests ten seconds and needs some time itself.
const GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// The error when ctrl-c or a signal ended the work.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Runs programs, and receives ctrl-c and signals on their behalf. While it lives, a signal does not end this process.
/// Instead the signal becomes the error [`Interrupted`], so that the `Drop` of every started program stops it.
pub(crate) struct Runner {
    signals: Signals,
}

impl Runner {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { signals: Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")? })
    }

    /// Runs the program to its end. Fails when it cannot be started, and with [`Interrupted`] when a signal arrived
    /// meanwhile.
    ///
    /// The program gets a process group of its own, so that only this process passes on ctrl-c, once and to all
    /// descendants. It gets no standard input, because reading the terminal from such a group would stop it.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<ExitStatus> {
        self.run_with_input(command, Stdio::null())
    }

    /// Like [`Runner::run`], for a program that reads this input.
    pub(crate) fn run_with_input(&mut self, command: &mut Command, input: impl Into<Stdio>) -> Result<ExitStatus> {
        self.refuse_if_interrupted()?;
        let child = command
            .stdin(input)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut group = Group { child, reaped: false };
        let mut deadline = None;
        loop {
            if group.has_ended()? {
                return if deadline.is_some() { Err(Interrupted.into()) } else { group.reap() };
            }
            for signal in self.signals.pending() {
                deadline.get_or_insert_with(|| Instant::now() + GRACE);
                group.send(if signal == SIGINT { Signal::INT } else { Signal::TERM });
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Err(Interrupted.into());
            }
            thread::sleep(POLL);
        }
    }

    /// Calls `ask` every 20 ms until it returns a value, for at most `limit`. Fails with the error of `ask` and with
    /// [`Interrupted`].
    pub(crate) fn wait_for<T>(
        &mut self,
        limit: Duration,
        mut ask: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            self.refuse_if_interrupted()?;
            if let Some(answer) = ask()? {
                return Ok(Some(answer));
            }
            thread::sleep(POLL);
        }
        Ok(None)
    }

    fn refuse_if_interrupted(&mut self) -> Result<()> {
        if self.signals.pending().next().is_some() { Err(Interrupted.into()) } else { Ok(()) }
    }
}

/// A running program and its descendants. Dropping it before [`Group::reap`] kills those still running.
struct Group {
    child: Child,
    reaped: bool,
}

impl Group {
    /// Returns whether the program itself has ended. Its process id stays taken, so that the group can still be
    /// signalled.
    fn has_ended(&self) -> Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?.is_some())
    }

    /// Sends a signal to the program and its descendants.
    fn send(&self, signal: Signal) {
        // A failure means that all of them have ended, which is the aim.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    fn reap(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.send(Signal::KILL);
            // A failure on the way out cannot be handled any further.
            let _ = self.child.wait();
        }
    }
}

/// Returns a command for the cargo that runs this program, so that a chosen toolchain is kept; else for the one on the
/// `PATH`.
#[expect(clippy::disallowed_methods, reason = "cargo passes settings to its subcommands through the environment")]
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Returns whether cargo has this subcommand, such as `nextest`.
pub(crate) fn cargo_has(subcommand: &str) -> bool {
    cargo([subcommand, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
