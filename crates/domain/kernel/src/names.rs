//! The forms of public names. They are checked where a constant is declared, so that a mistake does not compile.

/// Returns whether a name consists of lower-case letters and single underscores between them.
pub(crate) const fn is_snake_case(name: &str) -> bool {
    is_joined(name, false)
}

/// Returns whether a name consists of two or more parts in snake case with dots between them.
pub(crate) const fn is_dotted(name: &str) -> bool {
    is_joined(name, true)
}

/// Returns whether a name is `resource:action`, at most 64 bytes of lower-case letters, digits, `_`, `-` and one colon
/// inside.
pub(crate) const fn is_permission(name: &str) -> bool {
    let bytes = name.as_bytes();
    let (mut colons, mut i) = (0, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => {}
            b':' if i > 0 && i + 1 < bytes.len() => colons += 1,
            _ => return false,
        }
        i += 1;
    }
    colons == 1 && bytes.len() <= 64
}

const fn is_joined(name: &str, by_dots: bool) -> bool {
    let bytes = name.as_bytes();
    let (mut after_letter, mut dots, mut i) = (false, 0, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'a'..=b'z' => after_letter = true,
            b'_' if after_letter => after_letter = false,
            b'.' if after_letter => {
                after_letter = false;
                dots += 1;
            }
            _ => return false,
        }
        i += 1;
    }
    after_letter && by_dots == (dots > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_has_letters_and_single_underscores() {
        for good in ["internal", "not_found"] {
            assert!(is_snake_case(good), "{good}");
        }
        for bad in ["", "_", "Internal", "not found", "not__found", "_found", "found_", "found2", "not.found"] {
            assert!(!is_snake_case(bad), "{bad}");
        }
    }

    #[test]
    fn dotted_names_have_two_parts_at_least() {
        for good in ["role.created", "sign_in.failed", "a.b.c"] {
            assert!(is_dotted(good), "{good}");
        }
        for bad in ["", "role", "role.", ".created", "role..created", "role._x", "Role.created", "role.*"] {
            assert!(!is_dotted(bad), "{bad}");
        }
    }
    #[test]
    fn permissions_have_a_resource_and_an_action() {
        let longest = format!("a:{}", "b".repeat(62));
        for good in ["roles:create", "users:assign-roles", "service_accounts:read", "s3:put2", &longest] {
            assert!(is_permission(good), "{good}");
        }
        let too_long = format!("{longest}b");
        for bad in
            ["", ":", "roles", ":read", "roles:", "roles:read:all", "Roles:read", "roles:*", "roles: read", &too_long]
        {
            assert!(!is_permission(bad), "{bad}");
        }
    }
}
