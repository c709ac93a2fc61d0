//! The forms of public names. They are checked where a constant is made, so that a mistake does not compile.

/// Whether a name consists of lower-case letters and single underscores between them.
pub(crate) const fn is_snake_case(name: &str) -> bool {
    is_joined(name, false)
}

/// Whether a name consists of two or more parts in snake case with dots between them.
pub(crate) const fn is_dotted(name: &str) -> bool {
    is_joined(name, true)
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
}
