//! One setting: its texts, its parser, and its value in the sources.

use std::{collections::BTreeMap, fmt::Write as _};

use super::errors::{Mistake, Origin};

/// The texts of one setting, for messages and for the reference.
#[derive(Debug)]
pub struct Declaration {
    /// The environment variable; a configuration file uses the same name in lower case.
    pub name: &'static str,
    /// The effect of the setting, in sentences.
    pub meaning: &'static str,
    /// The accepted texts, worded to follow "must be".
    pub takes: &'static str,
    /// An accepted text; empty for secrets, because users would copy an example.
    pub example: &'static str,
    /// The text that counts while the setting is not set; empty if there is none.
    pub default: &'static str,
    /// The behaviour while the setting is not set, for a setting without a default.
    pub unset: &'static str,
}

impl Declaration {
    /// Returns the key in a configuration file.
    pub fn file_key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// Returns the accepted texts, as the end of a sentence that begins with the variable.
    pub(super) fn demand(&self) -> String {
        let mut demand = format!("must be {}", self.takes);
        if !self.example.is_empty() {
            let _infallible = write!(demand, ", for example {}={}", self.name, self.example);
        }
        demand
    }
}

/// A setting whose value is a `T`.
pub(super) struct Setting<T: 'static> {
    pub(super) declaration: Declaration,
    /// Parses a text; `None` refuses it.
    pub(super) parse: fn(&str) -> Option<T>,
    /// Returns the value while nothing is set; `None` if it depends on a setting that was refused.
    pub(super) unset: fn(&Layers) -> Option<T>,
}

/// The text of one setting, trimmed and not empty.
#[derive(Clone)]
pub(super) struct SettingText {
    pub(super) text: String,
    origin: Origin,
}

/// The settings of all sources, by the name of the variable, and the mistakes found so far. An empty value counts as not
/// set.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) by_name: BTreeMap<&'static str, SettingText>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Layers {
    /// Returns the value of a setting; `None` if its text is refused, or if it depends on such a setting.
    pub(super) fn value<T>(&self, setting: &Setting<T>) -> Option<T> {
        match self.get(&setting.declaration) {
            Some(set) => (setting.parse)(&set.text),
            None => (setting.unset)(self),
        }
    }

    /// Returns the value of a setting, and records a refused text as a mistake.
    pub(super) fn read<T>(&mut self, setting: &Setting<T>) -> Option<T> {
        let value = self.value(setting);
        if value.is_none()
            && let Some(set) = self.get(&setting.declaration)
        {
            let mistake = Mistake::at(setting.declaration.name, &set.origin, setting.declaration.demand());
            self.mistakes.push(mistake);
        }
        value
    }

    /// Returns whether a source sets it; a default does not count.
    pub(super) fn is_set<T>(&self, setting: &Setting<T>) -> bool {
        self.get(&setting.declaration).is_some_and(|set| set.origin != Origin::Default)
    }

    /// Returns whether both settings have a value and the first is the smaller.
    pub(super) fn is_below<T: PartialOrd>(&self, small: &Setting<T>, large: &Setting<T>) -> bool {
        matches!((self.value(small), self.value(large)), (Some(small), Some(large)) if small < large)
    }

    /// Records that a setting breaks a rule.
    pub(super) fn refuse<T>(&mut self, setting: &Setting<T>, demand: impl Into<String>) {
        let (name, demand) = (setting.declaration.name, demand.into());
        let mistake = match self.get(&setting.declaration) {
            Some(set) if set.origin != Origin::Default => Mistake::at(name, &set.origin, demand),
            _ => Mistake::new(name, demand),
        };
        self.mistakes.push(mistake);
    }

    /// Returns the text of a setting; `None` if it is not set.
    pub(super) fn get(&self, setting: &Declaration) -> Option<&SettingText> {
        self.by_name.get(setting.name)
    }

    /// Sets a setting, unless the text is empty. A text with control characters is recorded as a mistake.
    pub(super) fn add(&mut self, name: &'static str, text: &str, origin: &Origin) {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            self.mistakes.push(Mistake::at(name, origin, "must be on one line, without control characters"));
        } else if !text.is_empty() {
            self.by_name.insert(name, SettingText { text: text.to_owned(), origin: origin.clone() });
        }
    }
}
