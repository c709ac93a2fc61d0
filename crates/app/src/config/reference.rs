//! Generates files from the declarations of the settings: the reference, the commented defaults and the example of
//! `.env`.

use std::fmt::Write as _;

use super::{keys::SECTIONS, section::Section, setting::Declaration};

const DEFAULTS_HEAD: &str = "\
# Every setting of Tenantry with its default. These defaults are part of the program; this file is here to be read, and
# to be copied from into a file of your own, which `--config FILE` or TENANTRY_CONFIG names. A setting in the environment,
# with its name in capitals, wins over one in a file. An empty text counts as not set. A list may be written as
# [\"a\", \"b\"]. Times are written 250ms, 10s, 15m, 1h, 14d.
#
# Generated from crates/app/src/config/keys.rs: UPDATE_SNAPSHOTS=1 cargo xtask test -E 'binary(e2e)'
";

const EXAMPLE_HEAD: &str = "\
# Copy this file to .env and uncomment the settings that you change. The server reads .env only in development, from the
# folder in which it is started; variables of the environment win over it. Each commented line shows the default.
# Put values with $, # or spaces in single quotes. docs/configuration.md explains each setting.
#
# Generated from crates/app/src/config/keys.rs: UPDATE_SNAPSHOTS=1 cargo xtask test -E 'binary(e2e)'
";

/// Returns one table per section, for `docs/configuration.md`.
pub fn reference_markdown() -> String {
    let mut page = String::new();
    for Section { title, settings } in SECTIONS {
        let _infallible = write!(page, "\n## {title}\n\n| variable | takes | default | meaning |\n|---|---|---|---|\n");
        for Declaration { name, takes, meaning, default, unset, .. } in *settings {
            let default = if default.is_empty() { (*unset).to_owned() } else { format!("`{default}`") };
            let _infallible = writeln!(page, "| `{name}` | {takes} | {default} | {meaning} |");
        }
    }
    page.push('\n');
    page
}

/// Returns the text of `config/default.toml`: every setting with its default, and comments.
pub fn default_toml() -> String {
    let mut file = DEFAULTS_HEAD.to_owned();
    for Section { title, settings } in SECTIONS {
        let _infallible = writeln!(file, "\n# --- {title} ---");
        for setting in *settings {
            let mut takes = format!("Takes: {}.", setting.takes);
            if setting.default.is_empty() {
                let _infallible = write!(takes, " Not set: {}.", setting.unset);
            }
            let comment = commented(setting.meaning) + &commented(&takes);
            let is_number = !setting.default.is_empty() && setting.default.bytes().all(|byte| byte.is_ascii_digit());
            let value = if is_number { setting.default.to_owned() } else { format!("\"{}\"", setting.default) };
            let _infallible = write!(file, "\n{comment}{} = {value}\n", setting.file_key());
        }
    }
    file
}

/// Returns the text of `.env.example`: every variable with its default, commented out.
pub fn env_example() -> String {
    let mut file = EXAMPLE_HEAD.to_owned();
    for Section { title, settings } in SECTIONS {
        let _infallible = writeln!(file, "\n# --- {title} ---");
        for Declaration { name, default, .. } in *settings {
            let quote = if default.contains(['$', '#', ' ']) { "'" } else { "" };
            let _infallible = writeln!(file, "# {name}={quote}{default}{quote}");
        }
    }
    file
}

/// Breaks a text into comment lines of at most 100 characters. A longer word stays whole.
fn commented(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines = String::new();
    let mut column = WIDTH;
    for word in text.split(' ') {
        if column + 1 + word.len() > WIDTH {
            lines.push_str(if lines.is_empty() { "#" } else { "\n#" });
            column = 1;
        }
        lines.push(' ');
        lines.push_str(word);
        column += 1 + word.len();
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::declarations;
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_has_one_row_in_the_reference() {
        let page = reference_markdown();
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), declarations().count());
        for (setting, row) in declarations().zip(rows) {
            assert!(row.starts_with(&format!("| `{}` |", setting.name)), "{row}");
            assert_eq!(row.matches('|').count(), 5, "{row}");
            assert!(!row.contains("|  |"), "an empty cell: {row}");
        }
    }

    #[test]
    fn names_are_unique_and_meanings_are_sentences() {
        let names: BTreeSet<_> = declarations().map(|setting| setting.name).collect();
        assert_eq!(names.len(), declarations().count());
        for setting in declarations() {
            assert!(setting.meaning.ends_with('.'), "{}", setting.name);
            assert!(
                setting.default.is_empty() != setting.unset.is_empty(),
                "{}: either a default or what holds without",
                setting.name
            );
        }
    }

    #[test]
    fn a_demand_names_an_example_where_there_is_one() {
        let demand = |name: &str| declarations().find(|setting| setting.name == name).expect("declared").demand();
        assert_eq!(demand("PORT"), "must be a number from 0 to 65535, for example PORT=3000");
        assert!(!demand("SIGNING_KEYS").contains("for example"));
    }

    #[test]
    fn comments_are_broken_between_words() {
        assert_eq!(commented("One word."), "# One word.\n");
        let text = "word ".repeat(40);
        let lines = commented(text.trim_end());
        assert_eq!(lines.lines().map(str::len).collect::<Vec<_>>(), [96, 96, 11]);
    }
}
