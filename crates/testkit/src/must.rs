//! Assertions that say what was there instead.

/// The value has this form; else a panic shows it.
macro_rules! must_be {
    ($value:expr, $form:pat $(if $guard:expr)? $(,)?) => {
        match $value {
            $form $(if $guard)? => {}
            other => panic!("expected {}, found {other:?}", stringify!($form $(if $guard)?)),
        }
    };
}
