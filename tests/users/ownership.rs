use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

use crate::support::{Client, Member, PASSWORD, Reply, Server, Tenant, rounds};

/// A way to remove an owner: the request, and the action in the journal.
type Way = (&'static str, Method, fn(&str, &str) -> String, fn() -> Option<Value>);

const WAYS: [Way; 4] = [
    ("deactivate", Method::PATCH, |user, _| format!("/users/{user}"), || Some(json!({ "status": "deactivated" }))),
    ("remove", Method::DELETE, |user, _| format!("/users/{user}"), || None),
    ("strip", Method::PUT, |user, _| format!("/users/{user}/roles"), || Some(json!({ "roleIds": [] }))),
    ("take the role", Method::DELETE, |user, role| format!("/users/{user}/roles/{role}"), || None),
];

async fn try_way(by: &Client, (_, method, path, body): &Way, user: &str, role: &str) -> Reply {
    by.send(method.clone(), &path(user, role), body(), &[]).await
}

async fn role_id(tenant: &Tenant, name: &str) -> String {
    let roles = tenant.owner.get("/roles?limit=100").await.is(200);
    let role = roles.as_array().unwrap().iter().find(|role| role["name"] == name).unwrap();
    role["id"].as_str().unwrap().to_owned()
}

async fn active_owners(server: &Server, tenant: &Tenant) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM memberships m \
         JOIN membership_roles h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id \
         JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id \
         WHERE m.tenant_id = {} AND m.status = 'active' AND r.system = 'owner'",
        server.sql.id(&tenant.id)
    );
    server.sql.number(&sql).await
}

/// An action of an owner that affects ownership, and its target.
type Action = (&'static str, Whom);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Oneself,
    TheOther,
    AThird,
}

/// All actions by which one of two owners can leave, or hand over.
const ACTIONS: [Action; 13] = [
    ("leave", Whom::Oneself),
    ("deactivate", Whom::Oneself),
    ("deactivate", Whom::TheOther),
    ("remove", Whom::Oneself),
    ("remove", Whom::TheOther),
    ("strip", Whom::Oneself),
    ("strip", Whom::TheOther),
    ("take the role", Whom::Oneself),
    ("take the role", Whom::TheOther),
    ("demote", Whom::Oneself),
    ("demote", Whom::TheOther),
    ("transfer", Whom::TheOther),
    ("transfer", Whom::AThird),
];

/// Two owners of a tenant and an admin, each signed in to it.
struct Trio {
    tenant: Tenant,
    owners: [Member; 2],
    third: Member,
    owning: String,
    admin: String,
}

impl Trio {
    /// Creates a tenant with these users, whose addresses are all verified.
    async fn new(server: &Server, [one, two, three]: &[Member; 3], slug: &str) -> Self {
        // The sessions of earlier rounds make room for those of later ones.
        let home = server.sign_in(&one.email, "home-one").await;
        home.post("/tenants", json!({ "name": slug, "slug": slug })).await.is(201);
        let owner = server.sign_in(&one.email, slug).await;
        let tenant = Tenant { id: String::new(), slug: slug.to_owned(), owner: owner.clone() };
        let id = owner.get("/tenant").await.is(200)["id"].as_str().unwrap().to_owned();
        let tenant = Tenant { id, ..tenant };
        server.join(&tenant, &two.email, "owner").await;
        server.join(&tenant, &three.email, "admin").await;
        let owners = [owner, server.sign_in(&two.email, slug).await];
        let third = server.sign_in(&three.email, slug).await;
        let (owning, admin) = (tenant.role("owner").await, tenant.role("admin").await);
        Self { tenant, owners, third, owning, admin }
    }

    async fn do_it(&self, by: usize, (what, whom): Action) -> Reply {
        let actor = &self.owners[by];
        let user = match whom {
            Whom::Oneself => &actor.id,
            Whom::TheOther => &self.owners[1 - by].id,
            Whom::AThird => &self.third.id,
        };
        match what {
            "leave" => actor.post("/tenant/leave", Value::Null).await,
            "transfer" => actor.post("/tenant/transfer", json!({ "userId": user })).await,
            "demote" => actor.put(&format!("/users/{user}/roles"), json!({ "roleIds": [self.admin] })).await,
            _ => {
                let way = WAYS.iter().find(|way| way.0 == what).unwrap();
                try_way(actor, way, user, &self.owning).await
            }
        }
    }
}

/// Returns whether a refusal is due to the other action, which removed the target's or the caller's authority.
fn is_fair(reply: &Reply, (what, _): Action) -> bool {
    let code = reply.body["error"]["code"].as_str().unwrap_or_default();
    match (reply.status.as_u16(), code) {
        (200 | 204, _) => true,
        (409, "last_owner") | (403, "permission_denied") | (401, "session_ended") | (404, "not_found") => true,
        // The new owner is deactivated, or no longer a member.
        (409, "invalid_state") | (422, "validation_failed") => what == "transfer",
        _ => false,
    }
}

/// Queries that count partially committed units in any tenant.
const HALF: [(&str, &str); 4] = [
    (
        "a role without a membership",
        "SELECT count(*) FROM membership_roles h WHERE NOT EXISTS
        (SELECT 1 FROM memberships m WHERE m.tenant_id = h.tenant_id AND m.user_id = h.user_id)",
    ),
    (
        "a session without an active membership",
        "SELECT count(*) FROM sessions s WHERE s.ended_at IS NULL AND s.tenant_id IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM memberships m
         WHERE m.tenant_id = s.tenant_id AND m.user_id = s.user_id AND m.status = 'active')",
    ),
    (
        "an end of a membership without its event, or the other way round",
        "SELECT count(*) FROM tenants t WHERE
        (SELECT count(*) FROM journal j WHERE j.tenant_id = t.id AND j.outcome = 'succeeded'
         AND j.action = 'membership.created')
        - (SELECT count(*) FROM journal j WHERE j.tenant_id = t.id AND j.outcome = 'succeeded'
         AND j.action = 'membership.removed')
        <> (SELECT count(*) FROM memberships m WHERE m.tenant_id = t.id)",
    ),
    (
        "a deactivated membership without its event, or the other way round",
        "SELECT count(*) FROM memberships m WHERE (m.status = 'deactivated') <> (EXISTS
        (SELECT 1 FROM journal j WHERE j.tenant_id = m.tenant_id AND j.target_id = m.user_id
         AND j.action = 'membership.deactivated' AND j.outcome = 'succeeded'))",
    ),
];

/// Creates a second owner, signed in.
async fn second_owner(server: &Server, tenant: &Tenant) -> Member {
    server.member(tenant, "owner").await
}

on_both_databases! {
    async fn te3_an_admin_does_not_touch_ownership(server: Server) {
        let acme = server.tenant("acme").await;
        let second = second_owner(&server, &acme).await;
        let admin = server.member(&acme, "admin").await;
        let viewer = server.member(&acme, "viewer").await;
        let (owning, viewing) = (role_id(&acme, "owner").await, role_id(&acme, "viewer").await);
        let before = server.sql.dump().await;
        let give = |user: &str, role: &str| (Method::POST, format!("/users/{user}/roles/{role}"), None);
        let set = |user: &str, roles: Value| {
            (Method::PUT, format!("/users/{user}/roles"), Some(json!({ "roleIds": roles })))
        };
        let requests = [
            give(&viewer.id, &owning),
            give(&admin.id, &owning),
            set(&viewer.id, json!([owning])),
            set(&admin.id, json!([owning])),
            set(&second.id, json!([viewing])),
            set(&second.id, json!([owning, viewing])),
            give(&second.id, &viewing),
        ];
        let mut replies = Vec::new();
        for (method, path, body) in requests {
            replies.push(admin.send(method, &path, body, &[]).await);
        }
        for way in &WAYS {
            replies.push(try_way(&admin, way, &second.id, &owning).await);
        }
        for reply in replies {
            let request = reply.request_id();
            let error = reply.refused(403, "permission_denied");
            let detail = &error["details"][0];
            assert_eq!((&detail["field"], &detail["code"]), (&json!("tenant:own"), &json!("owner_required")));
            assert!(server.sql.events_of(request).await.iter().all(|(_, outcome)| outcome == "denied"));
        }
        let after = server.sql.dump().await;
        for (table, rows) in before.iter().filter(|(table, _)| !table.starts_with("journal")) {
            assert_eq!(&after[table], rows, "{table} has changed");
        }
        // An owner may do it to another owner, and an admin to any other member.
        assert!(try_way(&acme.owner, &WAYS[2], &second.id, &owning).await.status.is_success());
        assert!(try_way(&admin, &WAYS[0], &viewer.id, &owning).await.status.is_success());
    }

    async fn te4_the_last_active_owner_stays(server: Server) {
        let acme = server.tenant("acme").await;
        let owning = role_id(&acme, "owner").await;
        for way in &WAYS {
            try_way(&acme.owner, way, &acme.owner.id, &owning).await.refused(409, "last_owner");
        }
        // Owners who may not act do not count.
        let off = second_owner(&server, &acme).await;
        let disabled = second_owner(&server, &acme).await;
        acme.owner.patch(&format!("/users/{}", off.id), json!({ "status": "deactivated" })).await.is(200);
        let disable = format!("UPDATE users SET status = 'disabled' WHERE id = {}", server.sql.id(&disabled.id));
        server.sql.execute(&disable).await;
        let before = server.sql.dump().await;
        for way in &WAYS {
            try_way(&acme.owner, way, &acme.owner.id, &owning).await.refused(409, "last_owner");
        }
        assert_eq!(server.sql.dump().await, before);
        acme.owner.patch(&format!("/users/{}", off.id), json!({ "status": "active" })).await.is(200);
        assert!(try_way(&acme.owner, &WAYS[1], &acme.owner.id, &owning).await.status.is_success());
    }

    async fn te4_of_two_owners_who_end_each_other_one_stays(server: Server) {
        for first_way in &WAYS {
            for second_way in &WAYS {
                let slug = format!("t{}", server.sql.number("SELECT count(*) FROM tenants").await + 100);
                let acme = server.tenant(&slug).await;
                let second = second_owner(&server, &acme).await;
                let owning = role_id(&acme, "owner").await;
                let (by_first, by_second) = tokio::join!(
                    try_way(&acme.owner, first_way, &second.id, &owning),
                    try_way(&second, second_way, &acme.owner.id, &owning),
                );
                let ways = (first_way.0, second_way.0);
                assert_eq!(active_owners(&server, &acme).await, 1, "{ways:?}");
                let (won, lost) = if by_first.status.is_success() { (by_first, by_second) } else { (by_second, by_first) };
                assert!(won.status.is_success(), "{ways:?}: neither won: {} {}", won.text, lost.text);
                assert!([401, 403, 404, 409].contains(&lost.status.as_u16()), "{ways:?}: {}", lost.text);
            }
        }
    }

    async fn te4_of_two_owners_who_leave_together_one_stays(server: Server) {
        for (n, way) in WAYS.iter().enumerate() {
            let acme = server.tenant(&format!("leaving-{n}")).await;
            let second = second_owner(&server, &acme).await;
            let owning = role_id(&acme, "owner").await;
            let (first_left, second_left) = tokio::join!(
                try_way(&acme.owner, way, &acme.owner.id, &owning),
                try_way(&second, way, &second.id, &owning),
            );
            assert_eq!(active_owners(&server, &acme).await, 1, "{}", way.0);
            let refused = if first_left.status.is_success() { second_left } else { first_left };
            refused.refused(409, "last_owner");
        }
    }

    async fn te4_of_two_owners_who_leave_or_are_demoted_or_hand_over_at_once_one_stays(server: Server) {
        let people = [
            server.verified_tenant("home-one").await.owner,
            server.verified_tenant("home-two").await.owner,
            server.verified_tenant("home-three").await.owner,
        ];
        let context = &server.app.context;
        // In random order, with each pair once before any is repeated.
        let mut actions: Vec<(Action, Action)> = ACTIONS.iter().flat_map(|one| ACTIONS.map(|two| (*one, two))).collect();
        actions.sort_by_cached_key(|_| context.random::<8>());
        let mut ends = BTreeMap::new();
        let usual = u32::try_from(ACTIONS.len()).unwrap();
        for (round, (by_first, by_second)) in (0..rounds(usual)).zip(actions.iter().copied().cycle()) {
            let trio = Trio::new(&server, &people, &format!("trio-{round}")).await;
            let what = format!("{by_first:?} and {by_second:?} in round {round}");
            // At times one of them starts a little later.
            let [late, moment] = context.random::<2>();
            let moments = [late & 1, (late >> 1) & 1].map(|is_late| u64::from(is_late) * u64::from(moment) * 20);
            let [first, second] = moments.map(Duration::from_micros);
            let (first, second) = tokio::join!(
                async { tokio::time::sleep(first).await; trio.do_it(0, by_first).await },
                async { tokio::time::sleep(second).await; trio.do_it(1, by_second).await },
            );
            let replies = [(by_first, first), (by_second, second)];
            for (action, reply) in &replies {
                assert!(is_fair(reply, *action), "{what}: {} {}", reply.status, reply.text);
            }
            // The first action is by one of two owners, who is allowed to do it.
            let done = replies.iter().filter(|(_, reply)| reply.status.is_success());
            let done: Vec<Action> = done.map(|(action, _)| *action).collect();
            assert!(!done.is_empty(), "{what}: neither was done");
            let owners = active_owners(&server, &trio.tenant).await;
            assert!(owners >= 1, "{what}: {done:?} left no owner");
            for (half, query) in HALF {
                assert_eq!(server.sql.number(query).await, 0, "{what}: {half}");
            }
            // The third user is unaffected by the actions, so a transfer to that user takes effect; and a user who owns
            // the tenant can sign in.
            let heirs = done.iter().filter(|action| **action == ("transfer", Whom::AThird)).count();
            let mut kept = 0;
            for person in &people {
                let body = json!({ "email": person.email, "password": PASSWORD, "tenantSlug": trio.tenant.slug });
                let reply = server.client().post("/auth/login", body).await;
                if reply.status != 200 {
                    reply.refused(401, "invalid_credentials");
                    continue;
                }
                let member = Member::new(&server.client(), &reply.is(200));
                let me = member.get("/auth/me").await.is(200);
                let is_owner = me["roles"].as_array().unwrap().iter().any(|role| role["name"] == "owner");
                assert!(heirs == 0 || is_owner || person.id != people[2].id, "{what}: the assignment is lost");
                assert_eq!(member.get("/auth/sessions").await.status, 200);
                kept += i64::from(is_owner);
            }
            assert_eq!(kept, owners, "{what}");
            let codes = replies.map(|(_, reply)| reply.body["error"]["code"].as_str().unwrap_or("done").to_owned());
            for code in codes {
                *ends.entry(code).or_insert(0) += 1;
            }
        }
        tell(&ends);
    }
}

/// Prints how the actions ended, in one line, to show that they overlapped.
#[expect(clippy::print_stdout, reason = "the figures of a run with more rounds")]
fn tell(ends: &BTreeMap<String, u32>) {
    println!("TE4: {ends:?}");
}
