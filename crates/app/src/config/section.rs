//! The form of a declaration. One entry of [`settings!`] generates the setting, its field in a section of the
//! configuration, its parsing, and its lines in `config/default.toml`, `.env.example` and `docs/configuration.md`.

use super::setting::{Declaration, Layers};

/// The settings under one heading.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// The settings, in the order of the reference.
    pub settings: &'static [&'static Declaration],
}

/// A part of the configuration that is read as a whole.
pub(super) trait FromSettings: Sized {
    /// Reads every setting of the part, so that all mistakes are found at once; `None` after a mistake.
    fn read(layers: &mut Layers) -> Option<Self>;
}

/// Declares sections: a struct whose fields are settings, each with its documentation, variable, type, parser and
/// bounds.
///
/// A setting has a `default`, which is a text like a set value, or `unset`, which describes the behaviour without a
/// value. In the second case the field is an `Option`, or `otherwise` computes the value. `example` is omitted where it
/// equals the default. `checked by` names the function with the rules that involve several settings; `with` adds
/// further sections.
macro_rules! settings {
    ($(
        $(#[$about:meta])*
        $visibility:vis struct $section:ident titled $title:literal $(checked by $check:path)? {
            $(
                $(#[doc = $meaning:literal])+
                $name:ident => $field:ident: $type:ty { $($declared:tt)+ }
            )+
            $(with {
                $(
                    $(#[doc = $part_meaning:literal])+
                    $part:ident: $part_type:ty,
                )+
            })?
        }
    )+) => {$(
        $(#[$about])*
        $visibility struct $section {
            $($(#[doc = $meaning])+ pub $field: $type,)+
            $($($(#[doc = $part_meaning])+ pub $part: $part_type,)+)?
        }

        $(pub(in crate::config) static $name: Setting<$type> =
            settings!(@setting $name, concat!($($meaning),+), $($declared)+);)+

        impl $section {
            /// The settings of this section.
            pub(in crate::config) const SECTION: Section = Section { title: $title, settings: &[$(&$name.declaration),+] };
        }

        impl FromSettings for $section {
            fn read(layers: &mut Layers) -> Option<Self> {
                $(let $field = layers.read(&$name);)+
                $($check(layers);)?
                $($(let $part = <$part_type>::read(layers);)+)?
                Some(Self { $($field: $field?,)+ $($($part: $part?,)+)? })
            }
        }
    )+};

    (@setting $name:ident, $meaning:expr, takes: $takes:literal, default: $default:literal, parse: $parse:expr) => {
        settings!(@setting $name, $meaning, takes: $takes, example: $default, default: $default, parse: $parse)
    };
    (@setting $name:ident, $meaning:expr, takes: $takes:literal, example: $example:literal, default: $default:literal,
        parse: $parse:expr) => {
        Setting {
            declaration: settings!(@declaration $name, $meaning, $takes, $example, $default, ""),
            parse: $parse,
            unset: |_| None,
        }
    };
    (@setting $name:ident, $meaning:expr, takes: $takes:literal, $(example: $example:literal,)? unset: $unset:literal,
        parse: $parse:expr) => {
        Setting {
            declaration: settings!(@declaration $name, $meaning, $takes, concat!($($example)?), "", $unset),
            parse: |text| Some(text).and_then($parse).map(Some),
            unset: |_| Some(None),
        }
    };
    (@setting $name:ident, $meaning:expr, takes: $takes:literal, $(example: $example:literal,)? unset: $unset:literal,
        otherwise: $otherwise:expr, parse: $parse:expr) => {
        Setting {
            declaration: settings!(@declaration $name, $meaning, $takes, concat!($($example)?), "", $unset),
            parse: $parse,
            unset: $otherwise,
        }
    };
    (@declaration $name:ident, $meaning:expr, $takes:expr, $example:expr, $default:expr, $unset:expr) => {
        Declaration {
            name: stringify!($name),
            meaning: $meaning.trim_ascii(),
            takes: $takes,
            example: $example,
            default: $default,
            unset: $unset,
        }
    };
}

pub(super) use settings;
