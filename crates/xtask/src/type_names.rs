//! The rule that a type name has one meaning: no two crates, and no two modules of a crate, declare the same public
//! name.

use anyhow::{Context, Result, bail};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Names that may be declared more than once, each with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("Model", "sea-orm's name for a row, in the module of each table"),
    ("Relation", "sea-orm's name for the relations of a table, in the module of each table"),
];

/// Checks the sources in `crates/`. Fails with a sentence for each name that is declared more than once.
pub(crate) fn check() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for path in sources_below(&root)? {
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let place = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        sources.push((format!("crates/{place}"), text));
    }
    let violations = violations(&sources, EXCEPTIONS);
    if !violations.is_empty() {
        bail!("\n  {}", violations.join("\n  "));
    }
    Ok(())
}

fn sources_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be listed", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Returns a sentence for each name that is declared twice without an exception, and for each unnecessary exception.
fn violations(sources: &[(String, String)], exceptions: &[(&str, &str)]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, text) in sources {
        for (index, line) in text.lines().enumerate() {
            if let Some(name) = declared(line) {
                places.entry(name).or_default().push(format!("{path}:{}", index + 1));
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    let excepted: BTreeSet<&str> = exceptions.iter().map(|(name, _)| *name).collect();
    let repeated = places
        .iter()
        .filter(|(name, _)| !excepted.contains(*name))
        .map(|(name, places)| format!("`{name}` is declared {} times: {}.", places.len(), places.join(", ")));
    let unused = excepted
        .iter()
        .filter(|name| !places.contains_key(*name))
        .map(|name| format!("`{name}` is declared at most once: remove it from EXCEPTIONS of type_names.rs."));
    repeated.chain(unused).collect()
}

/// Returns the public type that a line of Rust declares. The search goes line by line, as rustfmt writes declarations.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest = rest.strip_prefix("(crate)").unwrap_or(rest).strip_prefix(' ')?;
    let rest = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.get(..end).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_types_are_found_in_lines() {
        assert_eq!(declared("pub struct Unit<'a> {"), Some("Unit"));
        assert_eq!(declared("    pub(crate) enum Outcome {"), Some("Outcome"));
        assert_eq!(declared("pub trait Journal: Send {"), Some("Journal"));
        assert_eq!(declared("pub type Fallible<T> = Result<T, Error>;"), Some("Fallible"));
        assert_eq!(declared("pub struct Seal(u8);"), Some("Seal"));
        for other in
            ["struct Own;", "pub(super) struct Near;", "// pub struct Said;", "pub fn structure() {", "publish"]
        {
            assert_eq!(declared(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_that_is_declared_twice_needs_an_exception() {
        let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let sources = [
            source("a.rs", "pub struct Seal;\npub struct Model;"),
            source("b.rs", "\npub enum Seal {}\npub struct Model;"),
        ];
        let exceptions = [("Model", "sea-orm's"), ("Gone", "it was needed once")];
        assert_eq!(
            violations(&sources, &exceptions),
            [
                "`Seal` is declared 2 times: a.rs:1, b.rs:2.",
                "`Gone` is declared at most once: remove it from EXCEPTIONS of type_names.rs."
            ]
        );
    }
}
