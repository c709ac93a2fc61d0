//! Files of the repository that are generated from the code, and compared with it.

use std::{fs, path::PathBuf};

const BEGIN: &str = "<!-- generated: UPDATE_SNAPSHOTS=1 cargo xtask test -E 'binary(e2e)' -->";
const END: &str = "<!-- end of the generated part -->";

/// Returns a path of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Checks that the whole file equals the generated text. With `UPDATE_SNAPSHOTS=1` it is rewritten.
#[track_caller]
pub(crate) fn assert_file_is(path: &str, wanted: &str) {
    hold(path, &read(path), wanted);
}

/// Checks that the part of the page between two comments equals the generated text; the rest is free.
#[track_caller]
pub(crate) fn assert_page_holds(path: &str, wanted: &str) {
    let page = read(path);
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else { panic!("{path} lacks the lines\n{BEGIN}\n{END}") };
    hold(path, &page, &format!("{before}{BEGIN}\n{wanted}{END}{after}"));
}

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_default()
}

#[track_caller]
fn hold(path: &str, found: &str, wanted: &str) {
    if found == wanted {
        return;
    }
    if is_updating() {
        fs::write(repository(path), wanted).unwrap();
        return;
    }
    let line = found.lines().zip(wanted.lines()).position(|(a, b)| a != b).unwrap_or_default() + 1;
    panic!(
        "{path} is not what the code makes, first in line {line}: run with UPDATE_SNAPSHOTS=1 and look at the difference"
    );
}

#[expect(clippy::disallowed_methods, reason = "the one switch with which a developer accepts the generated files")]
fn is_updating() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1")
}
