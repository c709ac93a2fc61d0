//! Every mail as it is, with example words.

use std::{collections::BTreeSet, fs, path::Path};
use tenantry_identity::{Letter, LinkPurpose, Mail};

use crate::{
    Templates,
    examples::examples,
    fixtures::HOSTILE,
    templates::{EMBEDDED, Rendered},
};

const LINK: &str = "https://app.example.com/link#token=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn render(mail: Mail, link: Option<LinkPurpose>) -> Rendered {
    let link_seconds = link.map(|purpose| purpose.lifetime().as_secs());
    let letter = Letter { to: "ada@example.com".to_owned(), link, link_seconds, mail };
    Templates::embedded().render(&letter, link.map(|_| LINK), "Tenantry").unwrap()
}

fn every_mail() -> Vec<(&'static str, Mail, Option<LinkPurpose>)> {
    let name = || "Ada Lovelace".to_owned();
    let tenant = || "Analytical Engines".to_owned();
    let new_email = || "countess@example.com".to_owned();
    let at = || "2026-11-24T13:41:37.123Z".to_owned();
    let ip = || Some("192.0.2.7".to_owned());
    let user_agent = || Some("Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0".to_owned());
    let welcome = || Mail::Welcome { name: name(), tenant: tenant() };
    let confirm_registration = Mail::ConfirmRegistration { name: name(), tenant: tenant() };
    let invitation = |inviter: &str| Mail::Invitation { tenant: tenant(), inviter: inviter.to_owned() };
    let session_replayed = Mail::SessionReplayed { name: name(), at: at(), ip: ip(), user_agent: user_agent() };
    let session_replayed_unknown = Mail::SessionReplayed { name: name(), at: at(), ip: None, user_agent: None };
    vec![
        ("welcome", welcome(), None),
        ("welcome_verify", welcome(), Some(LinkPurpose::Verify)),
        ("welcome_reset", welcome(), Some(LinkPurpose::Reset)),
        ("confirm_registration", confirm_registration, Some(LinkPurpose::Confirm)),
        ("account_exists", Mail::AccountExists { name: name() }, None),
        ("verify_address", Mail::VerifyAddress { name: name() }, Some(LinkPurpose::Verify)),
        ("reset_password", Mail::ResetPassword { name: name() }, Some(LinkPurpose::Reset)),
        ("invitation", invitation("Charles Babbage"), Some(LinkPurpose::Invite)),
        ("invitation_by_nobody", invitation(""), Some(LinkPurpose::Invite)),
        ("confirm_new_address", Mail::ConfirmNewAddress { name: name() }, Some(LinkPurpose::Verify)),
        ("address_in_use", Mail::AddressInUse { name: name() }, None),
        ("address_change_requested", Mail::AddressChangeRequested { name: name(), new_email: new_email() }, None),
        ("address_changed", Mail::AddressChanged { name: name(), new_email: new_email() }, None),
        ("session_replayed", session_replayed, None),
        ("session_replayed_unknown", session_replayed_unknown, None),
        ("password_changed", Mail::PasswordChanged { name: name(), at: at(), ip: ip() }, None),
    ]
}

#[test]
fn every_mail_is_as_it_was() {
    for (snapshot, mail, link) in every_mail() {
        let Rendered { subject, text, html } = render(mail, link);
        insta::assert_snapshot!(snapshot, format!("Subject: {subject}\n\n{text}\n==========\n{html}"));
    }
}

/// How many mails there are: a new variant does not compile until somebody has been here.
fn count(mail: &Mail) -> usize {
    match mail {
        Mail::Welcome { .. }
        | Mail::ConfirmRegistration { .. }
        | Mail::AccountExists { .. }
        | Mail::VerifyAddress { .. }
        | Mail::ResetPassword { .. }
        | Mail::Invitation { .. }
        | Mail::ConfirmNewAddress { .. }
        | Mail::AddressInUse { .. }
        | Mail::AddressChangeRequested { .. }
        | Mail::AddressChanged { .. }
        | Mail::SessionReplayed { .. }
        | Mail::PasswordChanged { .. } => 12,
    }
}

#[test]
fn every_mail_has_both_parts_and_every_template_is_used() {
    let mails = every_mail();
    let names: BTreeSet<&str> = mails.iter().map(|(_, mail, _)| mail.name()).collect();
    assert_eq!(names.len(), count(&mails[0].1));
    assert_eq!(names, examples().iter().map(|letter| letter.mail.name()).collect());

    let used: BTreeSet<String> =
        names.iter().chain(&["layout"]).flat_map(|name| [format!("{name}.txt"), format!("{name}.html")]).collect();
    assert_eq!(used, EMBEDDED.iter().map(|(name, _)| (*name).to_owned()).collect());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(used, files.collect());

    for (name, source) in EMBEDDED.iter().filter(|(name, _)| !name.starts_with("layout.")) {
        let layout = if name.ends_with(".txt") { "layout.txt" } else { "layout.html" };
        assert!(source.contains(&format!("{{% extends \"{layout}\" %}}")), "{name}");
    }
}

#[test]
fn every_link_is_a_button_and_an_address() {
    for (name, mail, link) in every_mail() {
        let Rendered { text, html, .. } = render(mail, link);
        let times = if link.is_some() { 1 } else { 0 };
        assert_eq!(text.matches(LINK).count(), times, "{name}");
        assert_eq!(html.matches("href=").count(), 2 * times, "{name}");
        assert_eq!(html.matches("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").count(), 3 * times, "{name}");
        assert!(!html.contains("<img") && !html.contains("src=") && !html.contains("url("), "{name}");
        assert!(text.lines().all(|line| line == "-- " || line == line.trim_end()), "{name}: {text:?}");
        assert!(!text.contains("\n\n\n") && text.ends_with(".\n"), "{name}: {text:?}");
    }
}

#[test]
fn re6_a_name_is_escaped_in_html_and_never_a_header() {
    for word in HOSTILE {
        let mail = Mail::Welcome { name: word.to_owned(), tenant: word.to_owned() };
        let plain = Mail::Welcome { name: "Ada".to_owned(), tenant: "Ada".to_owned() };
        let (Rendered { subject, html, text }, plain) = (render(mail, None), render(plain, None));
        // Not a tag and not an attribute more than with a harmless name.
        for mark in ['<', '>', '"', '\''] {
            assert_eq!(html.matches(mark).count(), plain.html.matches(mark).count(), "{word:?}: {html}");
        }
        assert_eq!(text.lines().count(), plain.text.lines().count(), "{word:?}: {text}");
        assert_eq!(subject.lines().count(), 1);
        for part in [&html, &text] {
            assert!(!part.contains(['\u{202E}', '\u{2067}', '\u{2028}', '\r']), "{word:?}");
        }
    }
}

#[test]
fn re6_words_of_people_are_no_template_code() {
    let word = HOSTILE[5];
    let invitation = Mail::Invitation { tenant: word.to_owned(), inviter: word.to_owned() };
    let Rendered { subject, text, .. } = render(invitation, Some(LinkPurpose::Invite));
    assert_eq!(subject, format!("{word} invites you to join {word}"));
    assert!(text.contains(&format!("{word} invites you to join {word} at Tenantry.")), "{text}");
    assert_eq!(text.matches(LINK).count(), 1);
}
