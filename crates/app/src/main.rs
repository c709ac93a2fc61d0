//! The program `tenantry`: reads a command line, prints the result on standard output and an error as one sentence on
//! standard error.

use clap::Parser;
use rustix::{fs::Mode, process::umask};
use std::{
    error::Error,
    io::{self, ErrorKind, Write},
    iter,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
};
use tenantry_app::{
    AdminError, Application, Composition, StartError,
    cli::{Cli, CliCommand},
    config::{Config, ConfigErrors, Sources},
    logging, readiness_url, run_admin, run_audit, run_doctor, run_healthcheck, run_jobs, run_worker,
    vocabulary::{actions, error_codes, target_kinds},
};
use tenantry_operator::{AuditCommand, AuditVerdict};
use tokio::net::TcpSocket;

type Failure = Box<dyn Error>;

/// Exit code of a command that failed.
const FAILED: u8 = 1;
/// Exit code for a wrong configuration; clap exits with the same code for a wrong command line.
const MISCONFIGURED: u8 = 2;
/// Exit code of a verification that could not decide.
const UNKNOWN: u8 = 2;

/// The reason why a command failed, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct IoFailure {
    what: String,
    source: io::Error,
}

fn main() -> ExitCode {
    // Whatever this process creates is for its user alone, also what libraries create: the database and its log, stored
    // files, mails, keys and locks. Set before any thread starts, because all threads share it.
    umask(Mode::RWXG | Mode::RWXO);
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // If standard error is closed too, only the exit code reports the failure.
            let _ = writeln!(io::stderr().lock(), "error: {}", sentence(&*error));
            ExitCode::from(if error.is::<ConfigErrors>() { MISCONFIGURED } else { FAILED })
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let sources = Sources::from_process(cli.config);
    match cli.command {
        CliCommand::Serve { no_worker } => configured(sources, async |config| serve(config, no_worker).await),
        CliCommand::Worker => configured(sources, async |config| Ok(run_worker(config).await?)),
        CliCommand::Migrate => configured(sources, async |config| print(&Composition::migrate(config).await?)),
        CliCommand::Openapi => {
            print(&serde_json::to_string_pretty(&tenantry_http::document(
                &error_codes(),
                &actions(),
                &target_kinds(),
            ))?)?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Doctor => {
            let report = actix_web::rt::System::new().block_on(run_doctor(Config::load(sources)));
            print(&report.to_string())?;
            Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
        }
        CliCommand::Healthcheck { url } => {
            let url = match url {
                Some(url) => url,
                None => readiness_url(&Config::load(sources)?)?,
            };
            print(&actix_web::rt::System::new().block_on(run_healthcheck(url))?)?;
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Jobs { command } => configured(sources, async |config| print(&run_jobs(config, command).await?)),
        CliCommand::Audit { command } => audit(sources, command),
        CliCommand::Admin { command } => configured(sources, async |config| print(&run_admin(config, command).await?)),
    }
}

/// Carries out a command about the audit log. A broken log and a verification that could not decide have different exit
/// codes, so that callers do not confuse them. On a schema that needs a newer program, every command fails alike.
fn audit(sources: Sources, command: AuditCommand) -> Result<ExitCode, Failure> {
    let config = Config::load(sources)?;
    logging::init(&config.log)?;
    match actix_web::rt::System::new().block_on(run_audit(config, command)) {
        Ok(answer) => {
            print(&answer.text)?;
            Ok(match answer.verdict {
                AuditVerdict::Whole => ExitCode::SUCCESS,
                AuditVerdict::Undecided => ExitCode::from(UNKNOWN),
                AuditVerdict::Broken => ExitCode::from(FAILED),
            })
        }
        Err(error) => {
            // As in `main`.
            let _ = writeln!(io::stderr().lock(), "error: {}", sentence(&error));
            let is_too_old = matches!(error, AdminError::Start(StartError::ProgramTooOld(_)));
            Ok(ExitCode::from(if is_too_old { FAILED } else { UNKNOWN }))
        }
    }
}

/// Runs work that needs a configuration and writes a log.
fn configured(sources: Sources, work: impl AsyncFnOnce(Config) -> Result<(), Failure>) -> Result<ExitCode, Failure> {
    let config = Config::load(sources)?;
    logging::init(&config.log)?;
    actix_web::rt::System::new().block_on(work(config))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, no_worker: bool) -> Result<(), Failure> {
    let address = config.http.bind_address();
    let listener = listen(address).map_err(|error| cannot_listen(address, error))?;
    let application = Application::build(config, listener).await?;
    let application = if no_worker { application.without_worker() } else { application };
    application.run_until_stopped(std::future::pending()).await?;
    Ok(())
}

/// Number of connections that the system queues until we accept them. `TcpListener::bind` would set 128, which a burst
/// of clients overruns.
const BACKLOG: u32 = 1024;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server need not wait until the connections of its predecessor have expired.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

fn cannot_listen(address: SocketAddr, source: io::Error) -> IoFailure {
    let (host, port) = (address.ip(), address.port());
    let what = match source.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "port {port} of {host} is in use: stop the program that uses it, or set PORT to another one; 0 takes a free port"
            )
        }
        ErrorKind::PermissionDenied => format!("port {port} is not permitted: set PORT to a number above 1023"),
        ErrorKind::AddrNotAvailable => {
            format!("{host} is not an address of this machine: set HOST to one of its addresses")
        }
        _ => format!("the server cannot listen on {address}: check HOST and PORT"),
    };
    IoFailure { what, source }
}

/// Prints to standard output. A closed pipe is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(IoFailure { what: "the result could not be printed to standard output".to_owned(), source }.into())
        }
        _ => Ok(()),
    }
}

/// Formats the error, followed in brackets by those causes that its own message does not repeat.
fn sentence(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut causes: Vec<String> = Vec::new();
    for cause in iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string) {
        if !told.contains(&cause) && causes.iter().all(|known| !known.contains(&cause)) {
            causes.push(cause);
        }
    }
    if !causes.is_empty() {
        let causes = causes.join(": ");
        told.push_str(&format!(" ({})", causes.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once_and_on_one_line() {
        let told =
            |what: &str, why: &str| sentence(&IoFailure { what: what.to_owned(), source: io::Error::other(why) });
        assert_eq!(told("it does not answer", "pool\ntimed out"), "it does not answer (pool timed out)");
        assert_eq!(told("it was refused", "refused"), "it was refused");
    }

    #[tokio::test]
    async fn a_taken_port_is_told_with_what_to_do() {
        let taken = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = taken.local_addr().expect("an address");
        let told = sentence(&cannot_listen(address, listen(address).expect_err("a taken port")));
        assert!(told.contains(&format!("port {} of 127.0.0.1 is in use", address.port())), "{told}");
        assert!(told.contains("PORT"), "{told}");
    }
}
