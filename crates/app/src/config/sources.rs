//! The sources of settings: the defaults, a file, `.env` in development, the environment. Later sources win.

use ::config::{ConfigError, File, FileFormat, Source, Value, ValueKind};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    errors::{Mistake, Origin},
    keys::{TENANTRY_ENV, declarations},
    setting::{Declaration, Layers},
};

const FILE_VARIABLE: &str = "TENANTRY_CONFIG";

/// The sources of a configuration, besides the defaults.
#[derive(Debug, Default)]
pub struct Sources {
    environment: BTreeMap<String, OsString>,
    file: Option<PathBuf>,
    dotenv: Option<PathBuf>,
}

impl Sources {
    /// Creates sources with these environment variables only.
    pub fn from_environment<N: Into<String>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { environment, file: None, dotenv: None }
    }

    /// Creates the sources of this process: its environment, the file named by `config_file` or else by
    /// `TENANTRY_CONFIG`, and `.env` in the current folder.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
    pub fn from_process(config_file: Option<PathBuf>) -> Self {
        let variables = declarations().filter_map(|setting| Some((setting.name, std::env::var_os(setting.name)?)));
        let named = std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { file: config_file.or(named), dotenv: Some(PathBuf::from(".env")), ..Self::from_environment(variables) }
    }

    /// Adds a TOML file, whose keys are the lower-case names of the variables.
    #[must_use]
    pub fn with_file(self, path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), ..self }
    }

    /// Adds a file of `NAME=value` lines. The file counts in development only, and need not exist.
    #[must_use]
    pub fn with_dotenv(self, path: impl Into<PathBuf>) -> Self {
        Self { dotenv: Some(path.into()), ..self }
    }
}

impl Layers {
    /// Reads every source. A source that cannot be read is recorded as a mistake.
    pub(super) fn gather(sources: &Sources) -> Self {
        let mut settings = Self::default();
        for setting in declarations() {
            settings.add(setting.name, setting.default, &Origin::Default);
        }
        if let Some(path) = &sources.file {
            settings.add_file(path);
        }
        let mut environment = Self::default();
        environment.add_environment(&sources.environment);

        let decided = environment.get(&TENANTRY_ENV.declaration).or_else(|| settings.get(&TENANTRY_ENV.declaration));
        let development = decided.is_some_and(|setting| setting.text == "development");
        if let Some(path) = sources.dotenv.as_deref().filter(|_| development) {
            settings.add_dotenv(path);
        }
        settings.by_name.extend(environment.by_name);
        settings.mistakes.extend(environment.mistakes);
        settings
    }

    fn add_environment(&mut self, environment: &BTreeMap<String, OsString>) {
        for Declaration { name, .. } in declarations() {
            let Some(value) = environment.get(*name) else { continue };
            match value.to_str() {
                Some(text) => self.add(name, text, &Origin::Environment),
                None => self.mistakes.push(Mistake::at(name, &Origin::Environment, "must be UTF-8")),
            }
        }
    }

    fn add_file(&mut self, path: &Path) {
        match fs::read_to_string(path) {
            Ok(text) => self.add_toml(&text, &Origin::File(path.to_owned())),
            Err(error) => self.mistakes.push(Mistake::of_file(
                path,
                format!("cannot be read: {error}; name another with --config or {FILE_VARIABLE}"),
            )),
        }
    }

    fn add_toml(&mut self, text: &str, origin: &Origin) {
        let table = match File::from_str(text, FileFormat::Toml).collect() {
            Ok(table) => BTreeMap::from_iter(table),
            Err(error) => {
                self.mistakes.push(Mistake::new(origin.to_string(), first_line(&error)));
                return;
            }
        };
        for (name, value) in table {
            match declarations().find(|setting| setting.file_key() == name) {
                Some(setting) => match flat_text(value) {
                    Some(text) => self.add(setting.name, &text, origin),
                    None => {
                        self.mistakes.push(Mistake::at(setting.name, origin, "must be one value or a list of values"));
                    }
                },
                None => self.mistakes.push(Mistake::new(origin.to_string(), unknown_key(&name))),
            }
        }
    }

    fn add_dotenv(&mut self, path: &Path) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                self.mistakes.push(Mistake::of_file(path, format!("cannot be read: {error}")));
                return;
            }
        };
        let origin = Origin::File(path.to_owned());
        let mut last = String::from("the beginning");
        for line in dotenvy::from_read_iter(text.trim_start_matches('\u{FEFF}').as_bytes()) {
            // The library's own message repeats the line, which may hold a secret.
            let Ok((name, value)) = line else {
                let demand =
                    format!("must hold lines of NAME=value; the first one after {last} that sets something is not");
                self.mistakes.push(Mistake::of_file(path, demand));
                return;
            };
            if name == TENANTRY_ENV.declaration.name && value.trim() == "production" {
                let demand = "must be set to production in the environment or in the file of --config: production does not read .env";
                self.mistakes.push(Mistake::at(&name, &origin, demand));
            } else if let Some(setting) = declarations().find(|setting| setting.name == name) {
                self.add(setting.name, &value, &origin);
            }
            last = name;
        }
    }
}

/// Keeps the first line, which names the place in the file. The other lines repeat the line of the file, which may hold
/// a secret.
fn first_line(error: &ConfigError) -> String {
    let place = error.to_string();
    format!("must be TOML of `key = value` lines: {}", place.lines().next().unwrap_or_default())
}

fn unknown_key(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let name = name.escape_debug();
    if declarations().any(|setting| setting.file_key() == lower) {
        format!("has the key `{name}`; keys are lower-case there: `{lower}`")
    } else {
        format!("has the unknown key `{name}`; the keys are the lower-case names of the variables in .env.example")
    }
}

/// Formats a list as in the environment; `None` for a table, which the environment cannot express.
fn flat_text(value: Value) -> Option<String> {
    match value.kind {
        ValueKind::Array(values) => {
            let texts: Option<Vec<String>> = values.into_iter().map(|value| value.into_string().ok()).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => value.into_string().ok(),
    }
}
