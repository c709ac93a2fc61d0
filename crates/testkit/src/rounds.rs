/// Returns how often a race is run: `usual` times, or the number in `TENANTRY_ROUNDS`.
///
/// The usual number keeps the suite short. `TENANTRY_ROUNDS=200 cargo xtask test -E 'binary(e2e) and test(se1_)'` shows
/// the figure that the project promises.
///
/// # Panics
///
/// Panics when the variable is not a number.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
pub fn rounds(usual: u32) -> u32 {
    match std::env::var("TENANTRY_ROUNDS") {
        Ok(text) => text.parse().expect("TENANTRY_ROUNDS is a number"),
        Err(_) => usual,
    }
}
