//! A headless Chromium of one test, controlled by its driver.

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const BROWSER: &str = "TEST_BROWSER";
const DRIVER: &str = "TEST_CHROMEDRIVER";

/// Maximum time for anything that a user would wait for.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// No window, no stored state, and no network requests but those of the test.
const FLAGS: [&str; 11] = [
    "--headless",
    // In containers, where tests run as root, there is neither a sandbox nor much shared memory.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--window-size=520,860",
];

/// Runs the driver until standard input closes, which happens however the test process ends. Then kills the whole
/// group: the driver alone would leave its browsers behind.
const GUARD: &str = r#""$@" 2>&1 & exec > /dev/null; read -r _; kill -KILL 0"#;

/// A browser with one window. Dropping it ends the browser and deletes all its data.
pub(crate) struct Browser {
    client: Client,
    /// Held for its `Drop`.
    _driver: Driver,
}

impl Browser {
    /// Opens the browser that `TEST_BROWSER` names. Returns `None` when the variable is `off`.
    pub(crate) async fn open() -> Option<Self> {
        let browser = named(BROWSER);
        if browser == Path::new("off") {
            return None;
        }
        let driver = Driver::start();
        let folder = driver.folder.path().join("profile");
        let flags = FLAGS.into_iter().map(str::to_owned).chain([format!("--user-data-dir={}", folder.display())]);
        let capabilities = json!({
            "goog:chromeOptions": { "binary": browser, "args": flags.collect::<Vec<_>>() },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        let client = builder.connect(&driver.url).await.unwrap_or_else(|error| panic!("no browser opens: {error}"));
        Some(Self { client, _driver: driver })
    }

    /// Opens an address like a link in an email, in an empty tab.
    pub(crate) async fn follow(&self, link: &str) {
        self.client.goto("about:blank").await.unwrap();
        self.client.goto(link).await.unwrap();
    }

    /// Opens an address in the tab that shows its page already.
    pub(crate) async fn follow_again(&self, link: &str) {
        self.client.goto(link).await.unwrap();
    }

    /// Returns the contents of the address bar.
    pub(crate) async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    pub(crate) async fn title(&self) -> String {
        self.client.title().await.unwrap()
    }

    /// Returns everything that the page contains or stores, except the values of its fields.
    pub(crate) async fn holds(&self) -> String {
        let script = "return JSON.stringify([document.documentElement.outerHTML, localStorage, sessionStorage, \
                      document.cookie, history.state])";
        self.client.execute(script, Vec::new()).await.unwrap().as_str().unwrap().to_owned()
    }

    /// Returns whether the element with this id is visible.
    pub(crate) async fn shows(&self, id: &str) -> bool {
        match self.find(id).await {
            Some(element) => element.is_displayed().await.unwrap_or_default(),
            None => false,
        }
    }

    /// Returns the visible text of the element with this id.
    pub(crate) async fn text(&self, id: &str) -> String {
        match self.find(id).await {
            Some(element) => element.text().await.unwrap_or_default(),
            None => String::new(),
        }
    }

    /// Replaces the contents of a field.
    pub(crate) async fn enter(&self, id: &str, text: &str) {
        self.until_shown(id).await;
        let field = self.find(id).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses a button.
    pub(crate) async fn press(&self, id: &str) {
        self.until_shown(id).await;
        self.find(id).await.unwrap().click().await.unwrap();
    }

    /// Waits until the element with this id is visible.
    pub(crate) async fn until_shown(&self, id: &str) {
        let began = Instant::now();
        while !self.shows(id).await {
            assert!(began.elapsed() < PATIENCE, "#{id} is not shown: {}", self.text("result").await);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until the element with this id contains these words, and returns its whole text.
    pub(crate) async fn until_says(&self, id: &str, words: &str) -> String {
        let began = Instant::now();
        loop {
            let said = self.text(id).await;
            if said.contains(words) {
                return said;
            }
            assert!(began.elapsed() < PATIENCE, "#{id} does not say {words:?}, but {said:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the errors in the console, except refused requests: failed scripts and violations of the page's policy.
    pub(crate) async fn complaints(&self) -> Vec<Value> {
        let entries = self.client.issue_cmd(Console).await.unwrap();
        let entries = entries.as_array().unwrap().iter();
        entries.filter(|entry| entry["level"] != "INFO" && entry["source"] != "network").cloned().collect()
    }

    /// Saves a screenshot of the page if `TENANTRY_SCREENSHOTS` names a folder.
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("TENANTRY_SCREENSHOTS").map(PathBuf::from) else { return };
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await.unwrap()).unwrap();
    }

    async fn find(&self, id: &str) -> Option<Element> {
        self.client.find(Locator::Id(id)).await.ok()
    }
}

#[expect(clippy::disallowed_methods, reason = "the two variables that give the tests a browser")]
fn named(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run the tests by `cargo xtask test`, or set {BROWSER} to a Chromium or Chrome and \
             {DRIVER} to the chromedriver of the same version, or set {BROWSER}=off to go without"
        )
    });
    value.into()
}

/// A running chromedriver, with a folder for itself and its browsers.
struct Driver {
    url: String,
    guard: Child,
    /// The guard's standard input. Closing it ends the driver and its browsers.
    lifeline: Option<ChildStdin>,
    folder: TempDir,
}

impl Driver {
    fn start() -> Self {
        let folder = TempDir::with_prefix("tenantry-browser-").unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD, "guard"]).arg(named(DRIVER)).arg("--port=0");
        command.env("HOME", folder.path()).env("TMPDIR", folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut guard = command.spawn().unwrap();
        let (lifeline, output) = (guard.stdin.take(), guard.stdout.take().unwrap());
        let mut driver = Self { url: String::new(), guard, lifeline, folder };
        driver.url = format!("http://127.0.0.1:{}", port(BufReader::new(output)));
        driver
    }
}

/// Returns the port that the driver reports.
fn port(mut output: impl BufRead + Send + 'static) -> u16 {
    let (found, waiting) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        while output.read_line(&mut said).is_ok_and(|length| length > 0) {
            let port =
                said.split_once("started successfully on port ").map(|(_, rest)| rest.trim_end_matches(['.', '\n']));
            if let Some(port) = port.and_then(|port| port.parse().ok()) {
                let _ = found.send(Ok(port));
                said.clear();
            }
        }
        let _ = found.send(Err(said));
    });
    match waiting.recv_timeout(PATIENCE) {
        Ok(Ok(port)) => port,
        Ok(Err(said)) => panic!("what {DRIVER} names does not start: {said:?}"),
        Err(_) => panic!("what {DRIVER} names does not say where it listens"),
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // Fails when the guard has ended already, which is fine.
        let _ = self.guard.wait();
        // A process that is being killed may write a little longer.
        let began = Instant::now();
        while self.folder.path().exists() && began.elapsed() < PATIENCE {
            let _ = fs::remove_dir_all(self.folder.path());
            std::thread::sleep(PAUSE);
        }
    }
}

/// Requests the console messages since the last request.
#[derive(Debug)]
struct Console;

impl WebDriverCompatibleCommand for Console {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}
