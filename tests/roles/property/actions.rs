//! The random actions of users, as requests.

use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::{
    rights::{OWNING, Rights},
    simulation::{Person, Simulation},
};

/// The possible actions, with their weights.
const ACTIONS: [(&str, usize); 15] = [
    ("make a role", 2),
    ("edit a role", 5),
    ("delete a role", 2),
    ("set roles", 3),
    ("give a role", 5),
    ("take a role", 2),
    ("invite", 4),
    ("resend", 2),
    ("revoke", 1),
    ("accept", 4),
    ("transfer", 2),
    ("remove", 1),
    ("deactivate", 1),
    ("activate", 2),
    ("leave", 1),
];

/// Returns every action, repeated by its weight.
pub(super) fn actions() -> Vec<&'static str> {
    ACTIONS.iter().flat_map(|(action, often)| vec![*action; *often]).collect()
}

/// Method, path and body of a request.
pub(super) type PlannedRequest = (Method, String, Option<Value>);

pub(super) fn pick<T>(list: &[T], number: u32) -> &T {
    &list[number as usize % list.len()]
}

/// Returns the permissions whose bits are set.
pub(super) fn subset(names: &[String], number: u32) -> Vec<String> {
    let chosen = names.iter().enumerate().filter(|(bit, _)| number.rotate_right(*bit as u32) & 1 == 1);
    chosen.map(|(_, name)| name.clone()).collect()
}

impl Simulation<'_> {
    /// Returns the request of this action; `None` for accepting, which is not a request to the tenant.
    pub(super) fn planned_request(
        &self,
        before: &Rights,
        actor: usize,
        action: &str,
        whom: u32,
        with: u32,
    ) -> Option<PlannedRequest> {
        // In an order that is the same in each run, which the order of ids is not.
        let made: Vec<&String> = before.roles.keys().filter(|role| !self.defaults.contains_key(*role)).collect();
        let defaults = self.default_ids.iter().filter(|role| before.roles.contains_key(*role));
        let roles: Vec<&String> = defaults.chain(made.iter().copied()).collect();
        // At times a user who is not a member.
        let is_one = |person: &&Person| before.members.contains_key(&person.id) || person.id == self.people[6].id;
        let members: Vec<&Person> = self.people.iter().filter(is_one).collect();
        let held = |person: &Person| before.members.get(&person.id);
        let (role, user) = (pick(&roles, with).as_str(), *pick(&members, whom));
        let (name, user) = (&user.id, user);
        let wanted: BTreeSet<&str> = [role, pick(&roles, with >> 8).as_str()].into();
        let set_status =
            |name: &str, status: &str| (Method::PATCH, format!("/users/{name}"), Some(json!({ "status": status })));
        Some(match action {
            "make a role" => {
                let permissions = self.some_permissions(before, actor, whom, with);
                let body = json!({ "name": format!("role {with}"), "permissions": permissions });
                (Method::POST, "/roles".to_owned(), Some(body))
            }
            "edit a role" => {
                let permissions = self.some_permissions(before, actor, whom >> 8, with);
                let some = if made.is_empty() || whom.is_multiple_of(8) { &roles } else { &made };
                let body = json!({ "permissions": permissions });
                (Method::PATCH, format!("/roles/{}", pick(some, whom >> 4)), Some(body))
            }
            "delete a role" => {
                let role = made.last().map_or(role, |role| role.as_str());
                (Method::DELETE, format!("/roles/{role}"), None)
            }
            "set roles" => (Method::PUT, format!("/users/{name}/roles"), Some(json!({ "roleIds": wanted }))),
            "give a role" => (Method::POST, format!("/users/{name}/roles/{role}"), None),
            "take a role" => {
                let one = roles.iter().find(|role| held(user).is_some_and(|held| held.roles.contains(**role)));
                (Method::DELETE, format!("/users/{name}/roles/{}", one.map_or(role, |role| role.as_str())), None)
            }
            "transfer" => (Method::POST, "/tenant/transfer".to_owned(), Some(json!({ "userId": name }))),
            "remove" => (Method::DELETE, format!("/users/{name}"), None),
            "deactivate" => set_status(name, "deactivated"),
            "activate" => {
                let idle = members.iter().find(|person| held(person).is_some_and(|held| !held.is_active));
                set_status(idle.map_or(name, |person| &person.id), "active")
            }
            "leave" => (Method::POST, "/tenant/leave".to_owned(), None),
            "invite" => {
                let is_new = |person: &&Person| whom.is_multiple_of(4) || held(person).is_none();
                let people = self.people.iter().filter(is_new).map(|person| &person.email);
                let addresses: Vec<&String> = self.guests.iter().chain(people).collect();
                let body = json!({ "email": pick(&addresses, whom >> 2), "roleIds": wanted });
                (Method::POST, "/invitations".to_owned(), Some(body))
            }
            "revoke" | "resend" => {
                let some = self.invitations.iter().filter(|invited| invited.is_open || whom.is_multiple_of(4));
                let ids: Vec<&String> = some.map(|invited| &invited.id).collect();
                let id = if ids.is_empty() { name } else { *pick(&ids, whom >> 2) };
                match action {
                    "revoke" => (Method::DELETE, format!("/invitations/{id}"), None),
                    _ => (Method::POST, format!("/invitations/{id}/resend"), None),
                }
            }
            _ => return None,
        })
    }

    /// Returns permissions of the catalogue, half of the time from those that the actor has.
    fn some_permissions(&self, before: &Rights, actor: usize, how: u32, number: u32) -> Vec<String> {
        let held: Vec<String> = before.of(&self.people[actor].id).into_iter().filter(|name| name != OWNING).collect();
        if how.is_multiple_of(2) || held.is_empty() { subset(&self.catalogue, number) } else { subset(&held, number) }
    }

    /// Returns the token of a link and the index of its invitation: mostly the last one of an open invitation.
    pub(super) fn some_link(&self, how: u32, number: u32) -> Option<(String, usize)> {
        let is_last = |at: usize| self.links[at + 1..].iter().all(|(_, place)| *place != self.links[at].1);
        let is_good = |at: usize| self.invitations[self.links[at].1].is_open && is_last(at);
        let some = (0..self.links.len()).filter(|at| how.is_multiple_of(4) || is_good(*at));
        let links: Vec<&(String, usize)> = some.map(|at| &self.links[at]).collect();
        (!links.is_empty()).then(|| (*pick(&links, number)).clone())
    }
}
