//! Finds a browser and the driver that controls it, and installs them where the command may do so.

use super::packages;
use crate::process::Runner;
use anyhow::{Context, Result, bail};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const BROWSER: &str = "TEST_BROWSER";
const DRIVER: &str = "TEST_CHROMEDRIVER";
const OFF: &str = "off";

/// Names of Chromium in distributions, and of Chrome.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The browser for the tests.
pub(crate) enum Browser {
    /// A Chromium or Chrome, and a chromedriver that can control it.
    Found { browser: PathBuf, driver: PathBuf },
    /// The tests run without a browser, as `TEST_BROWSER=off` demands.
    Off,
}

impl Browser {
    /// Returns the programs that `TEST_BROWSER` and `TEST_CHROMEDRIVER` name, else those on the `PATH`, else (as root
    /// on Debian) installs them. Fails with what to install when none of these works.
    pub(crate) fn find_or_install(runner: &mut Runner) -> Result<Self> {
        let (browser, driver) = (named(BROWSER), named(DRIVER));
        if browser.as_deref() == Some(Path::new(OFF)) {
            Self::Off.warn_if_off();
            return Ok(Self::Off);
        }
        if let Some(found) = Self::find(browser.as_deref(), driver.as_deref()) {
            return Ok(found);
        }
        if browser.is_some() || driver.is_some() {
            bail!(
                "{}",
                help("TEST_BROWSER and TEST_CHROMEDRIVER do not name a browser and a driver of the same version")
            );
        }
        if !packages::are_ours_to_install() {
            bail!("{}", help("none were found"));
        }
        packages::install(runner, "Chromium", &["chromium", "chromium-driver"])
            .with_context(|| help("they could not be installed"))?;
        Self::find(None, None)
            .context("apt-get has installed Chromium, but no browser and driver of the same version were found")
    }

    /// Finds the named programs, and those that are not named on the `PATH`.
    fn find(browser: Option<&Path>, driver: Option<&Path>) -> Option<Self> {
        let drivers = programs(driver, &["chromedriver"]);
        // Asking a browser for its version takes a while, so it is skipped without a driver.
        let browsers = if drivers.is_empty() { Vec::new() } else { programs(browser, &BROWSERS) };
        let (browser, driver) = pair(browsers, &drivers)?;
        Some(Self::Found { browser, driver })
    }

    /// Returns the environment variables that tell the tests about the browser.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        match self {
            Self::Found { browser, driver } => vec![(BROWSER, browser.into()), (DRIVER, driver.into())],
            Self::Off => vec![(BROWSER, OFF.into())],
        }
    }

    /// Prints a warning when tests are left out.
    pub(crate) fn warn_if_off(&self) {
        if matches!(self, Self::Off) {
            eprintln!(
                "==> WARNING: {BROWSER}={OFF}, so NO BROWSER opens the pages of mailed links: that test is LEFT OUT"
            );
        }
    }
}

fn help(why: &str) -> String {
    format!(
        "the tests need Chromium or Chrome and the chromedriver of the same version, and {why}.\n\
         Install them on the PATH (Debian: `sudo apt-get install chromium chromium-driver`), or set {BROWSER} and {DRIVER} to \
         their paths, or set {BROWSER}={OFF} to leave out the test that opens the pages of mailed links"
    )
}

#[expect(clippy::disallowed_methods, reason = "the two variables with which a developer names a browser for the tests")]
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A program and its major version.
type Versioned = (PathBuf, u32);

/// Returns the named program, else the programs of these names on the `PATH`. Leaves out programs that do not report a
/// version.
fn programs(named: Option<&Path>, names: &[&str]) -> Vec<Versioned> {
    let programs = match named {
        // The tests run in other folders.
        Some(program) => std::path::absolute(program).into_iter().collect(),
        None => names.iter().flat_map(|name| packages::on_path(name)).collect::<Vec<_>>(),
    };
    programs.into_iter().filter_map(|program| major(&program).map(|major| (program, major))).collect()
}

/// Returns the first browser with a driver of the same version: a driver controls browsers of its own version only.
fn pair(browsers: Vec<Versioned>, drivers: &[Versioned]) -> Option<(PathBuf, PathBuf)> {
    browsers.into_iter().find_map(|(browser, version)| {
        let (driver, _) = drivers.iter().find(|(_, leads)| *leads == version)?;
        Some((browser, driver.clone()))
    })
}

/// Returns the major version that a program reports. `None` when it is neither browser nor driver: Ubuntu has scripts
/// of these names that only print what to install.
fn major(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    major_of(&String::from_utf8(output.stdout).ok()?)
}

/// Parses the major version: 156 of `ChromeDriver 156.0.8078.79 (…)`.
fn major_of(version: &str) -> Option<u32> {
    let mut names = ["Chromium ", "Google Chrome for Testing ", "Google Chrome ", "ChromeDriver "].iter();
    let number = names.find_map(|name| version.trim_start().strip_prefix(name))?;
    number.split_once('.')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major_of("Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)\n"), Some(156));
        assert_eq!(major_of("Google Chrome 131.0.6778.85 \n"), Some(131));
        assert_eq!(major_of("Google Chrome for Testing 131.0.6778.85 \n"), Some(131));
        assert_eq!(major_of("ChromeDriver 131.0.6778.85 (3d81e41b6f3ac8bcae63b32e8145c9eb0cd60a2d)\n"), Some(131));
        assert_eq!(major_of("Command '/usr/bin/chromium-browser' requires the chromium snap to be installed."), None);
        assert_eq!(major_of("Mozilla Firefox 140.0"), None);
    }

    #[test]
    fn a_driver_leads_browsers_of_its_own_version() {
        let versioned = |name: &str, major| (PathBuf::from(name), major);
        let browsers = || vec![versioned("/usr/bin/chromium", 155), versioned("/usr/bin/google-chrome", 156)];
        let found = pair(browsers(), &[versioned("/usr/bin/chromedriver", 156)]);
        assert_eq!(found, Some(("/usr/bin/google-chrome".into(), "/usr/bin/chromedriver".into())));
        assert_eq!(pair(browsers(), &[versioned("/usr/bin/chromedriver", 154)]), None);
        assert_eq!(pair(browsers(), &[]), None);
    }
}
