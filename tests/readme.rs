//! Tests the tour of the README, line by line as a reader runs it, with the real program.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tenantry");

/// Returns the shell blocks, joined.
fn tour() -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let blocks = readme.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```\n").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

/// A server with its own folder. Dropping it ends the server.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(PROGRAM)
            .arg("serve")
            .current_dir(folder)
            .env("PORT", "0")
            .env("MAIL_URL", "file:./data/mail")
            .env("LOG_FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = log.find_map(|line| {
            let entry: Value = serde_json::from_str(&line).ok()?;
            let is_it = entry["fields"]["message"] == "listening";
            is_it.then(|| entry["fields"]["address"].as_str().map(str::to_owned)).flatten()
        });
        let address = address.expect("the server says where it listens");
        thread::spawn(move || log.for_each(drop));
        Self { process, url: format!("http://{address}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}

#[test]
fn the_tour_of_the_readme_is_true() {
    let folder = TempDir::with_prefix("tenantry-readme-").unwrap();
    let server = Server::start(folder.path());
    let as_written = tour();
    let written = "http://127.0.0.1:3000";
    assert!(as_written.contains(written), "the tour has changed its form: {written}");
    let script = as_written.replace(written, &server.url);
    let shell = Command::new("sh").args(["-euc", &script]).current_dir(folder.path()).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&shell.stdout), String::from_utf8_lossy(&shell.stderr));
    assert!(!complained.contains("curl: not found"), "the tour needs curl: install it, as root on Debian with apt-get");
    assert!(shell.status.success(), "{said}\n{complained}");
    let in_order = [
        "\"slug\":\"analytical-engines\"",
        "\"permissions\":[\"tenant:read\"",
        "\"status\":\"open\"",
        "\"newPerson\":true",
        "\"name\":\"Charles Babbage\"",
        "\"code\":\"permission_denied\"",
        "what,when\nlaunch,2027-01-01\n",
        "\"nextCursor\":\"",
        "\"outcome\":\"denied\"",
        "\"code\":\"session_ended\"",
    ];
    let mut rest = said.as_ref();
    for part in in_order {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("{part} is missing from here on: {rest}")).1;
    }
}
