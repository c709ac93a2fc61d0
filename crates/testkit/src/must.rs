//! Assertions that show the actual value.

/// Checks that the value matches this pattern; otherwise a panic shows the value.
macro_rules! must_be {
    ($value:expr, $form:pat $(if $guard:expr)? $(,)?) => {
        match $value {
            $form $(if $guard)? => {}
            other => panic!("expected {}, found {other:?}", stringify!($form $(if $guard)?)),
        }
    };
}
