//! The public vocabulary: the names that crates declare, composed into one value.

use std::collections::HashMap;

use crate::{Action, ErrorCode, TargetKind};

/// The public names that one crate declares.
#[derive(Debug, Clone, Copy)]
pub struct CrateVocabulary {
    /// The name of the crate, for the error about a name that two crates declare.
    pub name: &'static str,
    /// Its actions.
    pub actions: &'static [Action],
    /// Its kinds of targets.
    pub target_kinds: &'static [TargetKind],
    /// Its error codes.
    pub codes: &'static [ErrorCode],
}

impl CrateVocabulary {
    /// Returns the vocabulary of a crate that declares nothing.
    pub const fn of(name: &'static str) -> Self {
        Self { name, actions: &[], target_kinds: &[], codes: &[] }
    }
}

/// The names that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary {
    actions: &[Action::ACCESS_DENIED],
    target_kinds: TargetKind::GENERAL,
    codes: ErrorCode::GENERAL,
    ..CrateVocabulary::of(env!("CARGO_PKG_NAME"))
};

/// Two crates declare the same name, or one declares it twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} both declare the {kind} {name}")]
pub struct DuplicateName {
    /// What is named: `action`, `kind of target` or `error code`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// The crate that declares it first.
    pub first: &'static str,
    /// The crate that declares it again.
    pub second: &'static str,
}

/// The vocabulary of a program: that of each of its crates. Composition makes it and hands it to those who need it.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    target_kinds: Vec<TargetKind>,
}

impl Vocabulary {
    /// Composes the vocabularies of crates. Fails when a name is declared twice.
    pub fn compose(crates: &[&CrateVocabulary]) -> Result<Self, DuplicateName> {
        ensure_unique("action", crates, |one| one.actions.iter().map(|action| action.name()))?;
        ensure_unique("kind of target", crates, |one| one.target_kinds.iter().map(|kind| kind.name()))?;
        ensure_unique("error code", crates, |one| one.codes.iter().map(|code| code.name()))?;
        Ok(Self { target_kinds: crates.iter().flat_map(|one| one.target_kinds).copied().collect() })
    }

    /// Returns the kind of target of that name, if a crate declares it.
    pub fn target_kind(&self, name: &str) -> Option<TargetKind> {
        self.target_kinds.iter().copied().find(|kind| kind.name() == name)
    }
}

fn ensure_unique<N: Iterator<Item = &'static str>>(
    kind: &'static str,
    crates: &[&CrateVocabulary],
    names: impl Fn(&CrateVocabulary) -> N,
) -> Result<(), DuplicateName> {
    let mut owners = HashMap::new();
    for one in crates {
        for name in names(one) {
            if let Some(first) = owners.insert(name, one.name) {
                return Err(DuplicateName { kind, name: name.to_owned(), first, second: one.name });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const PAID: Action = Action::declared("invoice.paid");
    const INVOICE: TargetKind = TargetKind::declared("invoice");
    const ALREADY_PAID: ErrorCode = ErrorCode::declared("already_paid", ErrorKind::Conflict, "It is paid already.");
    const BILLING: CrateVocabulary = CrateVocabulary {
        actions: &[PAID],
        target_kinds: &[INVOICE],
        codes: &[ALREADY_PAID],
        ..CrateVocabulary::of("billing")
    };

    #[test]
    fn a_name_that_two_crates_declare_is_refused_with_both() {
        assert!(Vocabulary::compose(&[&VOCABULARY, &BILLING]).is_ok());
        let others = CrateVocabulary::of("accounting");
        for (second, what) in [
            (CrateVocabulary { actions: &[PAID], ..others }, "action invoice.paid"),
            (CrateVocabulary { target_kinds: &[INVOICE], ..others }, "kind of target invoice"),
            (CrateVocabulary { codes: &[ALREADY_PAID], ..others }, "error code already_paid"),
        ] {
            let refused = Vocabulary::compose(&[&VOCABULARY, &BILLING, &second]).unwrap_err();
            assert_eq!(refused.to_string(), format!("billing and accounting both declare the {what}"));
        }
    }

    #[test]
    fn a_kind_of_target_is_found_by_its_name() {
        let vocabulary = Vocabulary::compose(&[&VOCABULARY, &BILLING]).unwrap();
        assert_eq!(vocabulary.target_kind("invoice"), Some(INVOICE));
        assert_eq!(vocabulary.target_kind("role"), Some(TargetKind::ROLE));
        assert_eq!(vocabulary.target_kind("pig"), None);
    }
}
