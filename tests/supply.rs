//! Tests of the dependencies. `cargo deny` checks licences and sources too; these tests need no network and no tool.

use std::{fs, path::Path};

/// The oldest versions without a vulnerability that affects us.
const FLOORS: [(&str, [u32; 3]); 8] = [
    ("bytes", [1, 11, 1]),
    ("h2", [0, 4, 16]),
    ("jsonwebtoken", [10, 3, 0]),
    ("lettre", [0, 11, 22]),
    ("rustls-webpki", [0, 103, 13]),
    ("sqlx", [0, 8, 1]),
    ("time", [0, 3, 47]),
    ("tracing-subscriber", [0, 3, 20]),
];

/// Crates that must not appear; `deny.toml` has the reasons. Only `deny.toml` bans `ring`, since the lock file also
/// lists crates that no feature enables.
const BANNED: [&str; 5] = ["rsa", "openssl", "openssl-sys", "native-tls", "async-std"];

/// Returns every crate of the lock file with its version.
fn locked() -> Vec<(String, [u32; 3])> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock")).unwrap();
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
        line.map(str::to_owned)
    };
    let blocks = text.split("[[package]]").skip(1);
    blocks.map(|block| (value(block, "name").unwrap(), numbers(&value(block, "version").unwrap()))).collect()
}

fn numbers(version: &str) -> [u32; 3] {
    let release = version.split(['-', '+']).next().unwrap();
    let parts: Vec<u32> = release.split('.').map(|part| part.parse().unwrap()).collect();
    parts.try_into().unwrap()
}

#[test]
fn su1_nothing_comes_below_its_floor_and_nothing_banned_at_all() {
    let locked = locked();
    assert!(locked.iter().any(|(name, _)| name == "jsonwebtoken"), "the lock file was not understood");
    for (name, version) in &locked {
        assert!(!BANNED.contains(&name.as_str()), "{name} is banned, see deny.toml");
        let floor = FLOORS.iter().find(|(floored, _)| floored == name);
        assert!(floor.is_none_or(|(_, floor)| version >= floor), "{name} {version:?} is below {floor:?}");
    }
}
