//! Tests that the documents match the sources.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The families of properties: a test of TE3 is named `te3_…`.
const FAMILIES: [&str; 9] = ["TK", "SE", "RE", "SI", "TE", "IN", "FI", "SU", "FA"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry, ending));
        } else if entry.extension().is_some_and(|extension| extension == ending) {
            found.push(entry);
        }
    }
    found
}

fn documents() -> Vec<(PathBuf, String)> {
    let root = repository();
    let names = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name));
    let paths = names.into_iter().chain(files(&root.join("docs"), "md"));
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// Returns `TE3` for `TE3` and for `te3_nobody_confers`, and `None` for any other word.
fn property(word: &str) -> Option<String> {
    let head = word.split('_').next()?.to_ascii_uppercase();
    let (family, number) = head.split_at_checked(2)?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (FAMILIES.contains(&family) && is_number).then_some(head)
}

fn is_name_of_a_test(word: &str) -> bool {
    let is_long = word.split_once('_').is_some_and(|(_, rest)| !rest.is_empty());
    is_long && property(word).is_some() && word.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Returns the functions whose names start with the id of a property.
fn tests_of_properties() -> BTreeSet<String> {
    let root = repository();
    let sources = ["crates", "migration", "tests"].iter().flat_map(|folder| files(&root.join(folder), "rs"));
    let mut names = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(source).unwrap();
        let functions = text.lines().filter_map(|line| line.trim_start().split_once("fn ")).filter(|(before, _)| {
            before.split_whitespace().all(|word| matches!(word, "async" | "pub" | "pub(crate)" | "pub(super)"))
        });
        names.extend(functions.filter_map(|(_, after)| words(after).next()).map(str::to_owned));
    }
    names.retain(|name| is_name_of_a_test(name));
    names
}

#[test]
fn every_property_has_a_test_and_every_such_test_a_line() {
    let text = fs::read_to_string(repository().join("docs/security.md")).unwrap();
    let written: BTreeSet<String> = words(&text).filter_map(property).collect();
    let tested: BTreeSet<String> = tests_of_properties().iter().filter_map(|name| property(name)).collect();
    let untested: Vec<_> = written.difference(&tested).collect();
    let unwritten: Vec<_> = tested.difference(&written).collect();
    assert!(!written.is_empty() && untested.is_empty(), "in docs/security.md, without a test: {untested:?}");
    assert!(unwritten.is_empty(), "tested, and not in docs/security.md: {unwritten:?}");
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = tests_of_properties();
    let mut missing = Vec::new();
    for (path, text) in documents() {
        let named = words(&text).filter(|word| is_name_of_a_test(word) && !tests.contains(*word));
        missing.extend(named.map(|word| format!("{}: {word}", path.file_name().unwrap().display())));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let headings = || fs::read_to_string(&target).unwrap().lines().filter_map(anchor_of).collect::<Vec<_>>();
            if !target.exists() || (!anchor.is_empty() && !headings().iter().any(|known| known == anchor)) {
                broken.push(format!("{}: {link}", path.file_name().unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_type_of_the_glossary_exists() {
    let root = repository();
    let sources = files(&root.join("crates"), "rs").into_iter().map(|path| fs::read_to_string(path).unwrap());
    let sources = sources.collect::<Vec<_>>().join("\n");
    let mut declared = BTreeSet::new();
    for kind in ["pub struct ", "pub enum ", "pub trait ", "pub type "] {
        declared.extend(sources.split(kind).skip(1).filter_map(|rest| words(rest).next()));
    }

    let glossary = fs::read_to_string(root.join("docs/glossary.md")).unwrap();
    let rows: Vec<Vec<&str>> = glossary
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 40, "the table has changed its form");
    assert!(rows.is_sorted_by_key(|row| row[0]), "the words are in alphabetical order");
    for row in rows {
        let name = row[1].trim_matches('`');
        assert!(declared.contains(name), "{}: no type is called {name}", row[0]);
    }
}

/// Returns the anchor of a heading: lowercase, spaces as hyphens, without punctuation.
fn anchor_of(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}
