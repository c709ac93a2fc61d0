use proptest::{prelude::*, sample::select, test_runner::TestRunner};
use serde_json::json;
use tenantry_kernel::{MAX_LIMIT, fold};
use tokio::{runtime::Handle, task::block_in_place};

use crate::support::{
    PASSWORD,
    pages::field,
    pair::Pair,
    routes::{UNKNOWN_ID, route},
};

/// Members with names that are difficult for searches.
const NAMES: [&str; 14] = [
    "100% Ada",
    "a_b",
    "a%b",
    "[brackets]",
    "O'Brien",
    "--comment",
    "/* ada */",
    "\\back\\slash",
    "*star?",
    "ßtraße",
    "ÅNGSTRÖM",
    "日本",
    "ﬁx",
    "\u{10fffd}last",
];

/// Texts that have broken some software before.
const NASTY: [&str; 40] = [
    "",
    " ",
    "'",
    "''",
    "\"",
    "\\",
    "%",
    "_",
    "*",
    "?",
    "[a-z]",
    "[",
    "]",
    "(",
    ")",
    "{}",
    "$1",
    ":name",
    "@p",
    "--",
    "/*",
    "*/",
    ";",
    "' OR '1'='1",
    "x'; DROP TABLE users; --",
    "\u{0}",
    "a\u{0}b",
    "\u{feff}",
    "\u{200b}",
    "\u{2028}",
    "\u{202e}",
    "\u{10ffff}",
    "a\u{308}\u{308}\u{308}",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1e400",
    "NaN",
    "null",
    "../../etc/passwd",
];

/// Bytes that are not valid text, as they appear in a URL.
const BROKEN: [&str; 9] = ["%00", "%ED%A0%80", "%ED%BF%BF", "%C0%80", "%FF", "%F8%88%80%80%80", "%", "%zz", "%E2%82"];

/// The query parameters of lists.
const PARAMETERS: [&str; 17] = [
    "/users?q=",
    "/users?status=",
    "/users?roleId=",
    "/users?sort=",
    "/users?limit=",
    "/users?cursor=",
    "/roles?limit=",
    "/roles?cursor=",
    "/audit-logs?action=",
    "/audit-logs?actorId=",
    "/audit-logs?targetType=",
    "/audit-logs?targetId=",
    "/audit-logs?outcome=",
    "/audit-logs?from=",
    "/audit-logs?to=",
    "/audit-logs?limit=",
    "/audit-logs?cursor=",
];

async fn fill(pair: &Pair) {
    for (server, tenant) in pair.servers.iter().zip(&pair.tenants) {
        for (n, name) in NAMES.iter().enumerate() {
            let email = format!("p{n}@people.example");
            let body = json!({ "email": email, "password": PASSWORD, "name": name, "tenantName": "Home" });
            server.client().post("/auth/register", body).await.is(201);
            server.join(tenant, &email, "viewer").await;
        }
    }
}

/// Encodes every byte as `%xx`, so that the text arrives unchanged.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn any_text() -> impl Strategy<Value = String> {
    let prefix = (select(&NAMES[..]), 0..4_usize).prop_map(|(name, n)| name.chars().take(n).collect());
    prop_oneof![select(&NASTY[..]).prop_map(str::to_owned), prefix, any::<String>(), "[ -~]{0,12}", "\\PC{250,300}"]
}

#[test]
fn in1_whatever_is_asked_for_is_answered_alike_and_never_with_a_fault() {
    Pair::run(async |pair| {
        fill(&pair).await;
        let places: Vec<&str> = PARAMETERS.to_vec();
        let cases = (select(places), any_text());
        block_in_place(|| {
            let mut runner =
                TestRunner::new(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() });
            let outcome = runner.run(&cases, |(place, text)| {
                let path = format!("{place}{}", encoded(&text));
                let [reply, _] = Handle::current().block_on(pair.get(&path));
                prop_assert!([200, 400, 422].contains(&reply.status.as_u16()), "{path}: {}", reply.status);
                Ok(())
            });
            outcome.unwrap();
        });
    });
}

#[test]
fn in1_a_search_is_literal() {
    Pair::run(async |pair| {
        fill(&pair).await;
        let people: Vec<(&str, String)> =
            NAMES.iter().enumerate().map(|(n, name)| (*name, format!("p{n}@people.example"))).collect();
        let searches = NASTY.iter().copied().chain(NAMES).chain(["p1", "a", "P1@", "fi", "SS", "ss", "å", "O'", "o"]);
        for q in searches.filter(|q| !q.is_empty() && *q != " ") {
            let [sqlite, postgres] = pair.get(&format!("/users?limit=100&sort=name&q={}", encoded(q))).await;
            if sqlite.status != 200 {
                sqlite.refused(422, "validation_failed");
                continue;
            }
            let begins = |text: &str| fold(text).starts_with(&fold(q));
            let mut wanted: Vec<&str> =
                people.iter().filter(|(name, email)| begins(name) || begins(email)).map(|(name, _)| *name).collect();
            if begins("Olga Owner") || begins("owner-") {
                wanted.push("Olga Owner");
            }
            wanted.sort_by_key(|name| fold(name));
            for reply in [sqlite, postgres] {
                let rows = reply.is(200);
                assert_eq!(field(rows.as_array().unwrap(), "name"), wanted, "q={q:?}");
            }
        }
    });
}

#[test]
fn in1_what_is_no_text_is_refused_or_matches_nothing() {
    Pair::run(async |pair| {
        for place in PARAMETERS {
            for broken in BROKEN {
                let path = format!("{place}{broken}");
                for reply in pair.get(&path).await {
                    let is_empty = reply.status == 200 && reply.body["data"].as_array().is_some_and(Vec::is_empty);
                    assert!(is_empty || [400, 422].contains(&reply.status.as_u16()), "{path}: {}", reply.text);
                }
            }
        }
    });
}

#[test]
fn in1_limits_are_whole_numbers_from_1_to_100() {
    Pair::run(async |pair| {
        for list in ["/users", "/roles", "/audit-logs"] {
            for good in ["1", "100"] {
                for reply in pair.get(&format!("{list}?limit={good}")).await {
                    reply.is(200);
                }
            }
            let long = "9".repeat(400);
            for bad in [
                "",
                "0",
                "101",
                "-1",
                "1.0",
                "1e1",
                "abc",
                "%2B5",
                "05",
                "0x10",
                "%D9%A1",
                "4294967297",
                "18446744073709551617",
                &long,
                "1%20",
                "1;2",
            ] {
                for reply in pair.get(&format!("{list}?limit={bad}")).await {
                    let error = reply.refused(422, "validation_failed");
                    assert_eq!(error["details"][0]["field"], "limit", "{list} {bad}");
                }
            }
            assert_eq!(MAX_LIMIT, 100);
        }
    });
}

#[test]
fn in1_sorts_are_taken_from_the_list_and_from_nowhere_else() {
    Pair::run(async |pair| {
        for good in ["name", "-name", "joinedAt", "-joinedAt"] {
            for reply in pair.get(&format!("/users?sort={good}")).await {
                reply.is(200);
            }
        }
        for bad in [
            "",
            "-",
            "--name",
            "%2Bname",
            "Name",
            "email",
            "name,joinedAt",
            "name%20desc",
            "name_key",
            "1",
            "(select%201)",
            "name%00",
        ] {
            for reply in pair.get(&format!("/users?sort={bad}")).await {
                assert_eq!(reply.refused(422, "validation_failed")["details"][0]["field"], "sort", "{bad}");
            }
        }
    });
}

#[test]
fn in1_what_is_no_id_is_as_unknown_as_any_id() {
    Pair::run(async |pair| {
        let upper = UNKNOWN_ID.to_uppercase();
        let (bare, urn, braced) =
            (UNKNOWN_ID.replace('-', ""), format!("urn:uuid:{UNKNOWN_ID}"), format!("%7B{UNKNOWN_ID}%7D"));
        let (v4, long) = (UNKNOWN_ID.replace("-7abc-", "-4abc-"), "a".repeat(4000));
        let ids = [
            "x",
            "1",
            "0",
            "-1",
            "null",
            "%00",
            "%ED%A0%80",
            "%FF",
            "%2e",
            "..%2f..",
            "'",
            "%27%20OR%201=1",
            UNKNOWN_ID,
            &upper,
            &bare,
            &urn,
            &braced,
            &v4,
            &long,
        ];
        for id in
            ["get_role", "get_user", "get_entry", "end_session", "delete_role", "remove_user", "take_role", "give_role"]
        {
            let route = route(id);
            for bad in ids {
                let path = route.path(&vec![bad; route.ids()]);
                let replies = pair.ask(async |owner| route.ask(owner, &path, None, &[]).await, &path).await;
                for reply in replies {
                    reply.refused(404, "not_found");
                }
            }
        }
    });
}
