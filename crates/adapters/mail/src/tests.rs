//! Tests of every email as it is rendered, with example values.

use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};
use tenantry_identity::{IDENTITY_EMAILS, LinkPurpose};

use crate::{
    examples::examples,
    fixtures::{HOSTILE, email, templates},
    templates::{LAYOUT, Rendered},
};

const LINK: &str = "https://app.example.com/link#token=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn render(template: &str, payload: Value, link: Option<LinkPurpose>) -> Rendered {
    let email = email(template, payload, link.map(|purpose| (purpose.name(), purpose.lifetime().as_secs())));
    templates().render(&email, link.map(|_| LINK), "Tenantry").unwrap()
}

/// Returns each email: the name of its snapshot, the name of its template, its payload and its link.
fn every_mail() -> Vec<(&'static str, &'static str, Value, Option<LinkPurpose>)> {
    let (name, tenant, new_email) = ("Ada Lovelace", "Analytical Engines", "countess@example.com");
    let (at, ip) = ("2026-11-24T13:41:37.123Z", "192.0.2.7");
    let user_agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0";
    let named = || json!({ "name": name });
    let welcome = || json!({ "name": name, "tenant": tenant });
    let invitation = |inviter: &str| json!({ "tenant": tenant, "inviter": inviter });
    let changed = || json!({ "name": name, "new_email": new_email });
    let session_replayed = json!({ "name": name, "at": at, "ip": ip, "user_agent": user_agent });
    let session_replayed_unknown = json!({ "name": name, "at": at, "ip": null, "user_agent": null });
    vec![
        ("welcome", "welcome", welcome(), None),
        ("welcome_verify", "welcome", welcome(), Some(LinkPurpose::Verify)),
        ("welcome_reset", "welcome", welcome(), Some(LinkPurpose::Reset)),
        ("confirm_registration", "confirm_registration", welcome(), Some(LinkPurpose::Confirm)),
        ("account_exists", "account_exists", named(), None),
        ("verify_address", "verify_address", named(), Some(LinkPurpose::Verify)),
        ("reset_password", "reset_password", named(), Some(LinkPurpose::Reset)),
        ("invitation", "invitation", invitation("Charles Babbage"), Some(LinkPurpose::Invite)),
        ("invitation_by_nobody", "invitation", invitation(""), Some(LinkPurpose::Invite)),
        ("confirm_new_address", "confirm_new_address", named(), Some(LinkPurpose::Verify)),
        ("address_in_use", "address_in_use", named(), None),
        ("address_change_requested", "address_change_requested", changed(), None),
        ("address_changed", "address_changed", changed(), None),
        ("session_replayed", "session_replayed", session_replayed, None),
        ("session_replayed_unknown", "session_replayed", session_replayed_unknown, None),
        ("password_changed", "password_changed", json!({ "name": name, "at": at, "ip": ip }), None),
    ]
}

#[test]
fn every_mail_is_as_it_was() {
    for (snapshot, template, payload, link) in every_mail() {
        let Rendered { subject, text, html } = render(template, payload, link);
        insta::assert_snapshot!(snapshot, format!("Subject: {subject}\n\n{text}\n==========\n{html}"));
    }
}

#[test]
fn every_mail_has_both_parts_and_every_template_is_used() {
    let names: BTreeSet<&str> = every_mail().iter().map(|(_, template, ..)| *template).collect();
    assert_eq!(names.len(), IDENTITY_EMAILS.len());
    assert_eq!(names, IDENTITY_EMAILS.iter().flat_map(examples).map(|email| declared(&email.template)).collect());

    let files = |folder: &Path| -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let used = names.iter().flat_map(|name| [format!("{name}.txt"), format!("{name}.html")]).collect();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(files(&own.join("../../domain/identity/templates")), used);
    assert_eq!(files(&own.join("templates")), LAYOUT.iter().map(|(name, _)| (*name).to_owned()).collect());

    for email in IDENTITY_EMAILS {
        for (layout, source) in [("layout.txt", email.text), ("layout.html", email.html)] {
            assert!(source.contains(&format!("{{% extends \"{layout}\" %}}")), "{}", email.name);
        }
    }
}

fn declared(name: &str) -> &'static str {
    IDENTITY_EMAILS.iter().find(|email| email.name == name).unwrap().name
}

#[test]
fn every_link_is_a_button_and_an_address() {
    for (name, template, payload, link) in every_mail() {
        let Rendered { text, html, .. } = render(template, payload, link);
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
        let welcome = |word: &str| render("welcome", json!({ "name": word, "tenant": word }), None);
        let (Rendered { subject, html, text }, plain) = (welcome(word), welcome("Ada"));
        // The email has no more tags and attributes than with a harmless name.
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
    let invitation = json!({ "tenant": word, "inviter": word });
    let Rendered { subject, text, .. } = render("invitation", invitation, Some(LinkPurpose::Invite));
    assert_eq!(subject, format!("{word} invites you to join {word}"));
    assert!(text.contains(&format!("{word} invites you to join {word} at Tenantry.")), "{text}");
    assert_eq!(text.matches(LINK).count(), 1);
}
