//! A tenant with users of every kind, and their random actions.

use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::{
    actions::{actions, pick, subset},
    rights::{Names, OWNING, Rights},
};
use crate::support::{Client, Member, PASSWORD, Reply, Server, Tenant};

/// Number of random numbers that determine one step: actor, action, target, details.
pub(super) const NUMBERS_PER_STEP: usize = 4;

/// A step that was done or refused.
pub(super) struct Done {
    pub(super) action: &'static str,
    /// The user on whose authority the step rests: the actor, or the inviter of an accepted invitation.
    pub(super) giver: String,
    pub(super) succeeded: bool,
    /// Description for readers of the sequence.
    pub(super) told: String,
}

pub(super) struct Person {
    pub(super) id: String,
    pub(super) email: String,
    client: Client,
}

/// An invitation in the model.
pub(super) struct Invited {
    pub(super) id: String,
    inviter: String,
    pub(super) is_open: bool,
}

pub(super) struct Simulation<'a> {
    server: &'a Server,
    pub(super) tenant: Tenant,
    /// The roles whose permissions are defined in the code.
    pub(super) defaults: BTreeMap<String, Names>,
    pub(super) default_ids: Vec<String>,
    pub(super) catalogue: Vec<String>,
    pub(super) people: Vec<Person>,
    pub(super) guests: Vec<String>,
    pub(super) invitations: Vec<Invited>,
    /// Every token that was ever mailed, with the index of its invitation.
    pub(super) links: Vec<(String, usize)>,
}

impl<'a> Simulation<'a> {
    pub(super) async fn start(server: &'a Server, slug: &str, numbers: [u32; 2]) -> Self {
        let tenant = server.verified_tenant(slug).await;
        let owner = &tenant.owner;
        let mut defaults = BTreeMap::new();
        let mut default_ids = Vec::new();
        for name in ["owner", "admin", "member", "viewer"] {
            default_ids.push(tenant.role(name).await);
        }
        for role in owner.get("/roles?limit=100").await.is(200).as_array().unwrap() {
            let names = role["permissions"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
            defaults.insert(role["id"].as_str().unwrap().to_owned(), names.collect());
        }
        let catalogue = owner.get("/permissions").await.is(200);
        let names = catalogue.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned());
        let catalogue: Vec<String> = names.filter(|name| name != OWNING).collect();
        let mut people =
            vec![owner.clone(), server.member(&tenant, "owner").await, server.member(&tenant, "admin").await];
        for number in numbers {
            let chosen = subset(&catalogue, number);
            let always = ["invitations:manage", "roles:update", "users:assign-roles"];
            let names: Names = chosen.into_iter().chain(always.map(str::to_owned)).collect();
            people.push(server.member_with(&tenant, &names.iter().map(String::as_str).collect::<Vec<_>>()).await);
        }
        people.push(server.member(&tenant, "viewer").await);
        people.push(server.tenant(&format!("{slug}-outside")).await.owner);
        for person in &people[1..] {
            server.verify(person).await;
        }
        // This mailbox is not verified yet.
        people.push(server.member(&tenant, "member").await);
        let person = |member: &Member| Person {
            id: member.id.clone(),
            email: member.email.clone(),
            client: member.client.clone(),
        };
        Self {
            people: people.iter().map(person).collect(),
            guests: (0..3).map(|number| format!("guest-{number}@{slug}.example")).collect(),
            server,
            tenant,
            default_ids,
            defaults,
            catalogue,
            invitations: Vec::new(),
            links: Vec::new(),
        }
    }

    pub(super) async fn rights(&self) -> Rights {
        Rights::read(self.server, &self.tenant, &self.defaults).await
    }

    /// Takes the step that these numbers determine, given the current rights.
    pub(super) async fn step(&mut self, before: &Rights, numbers: [u32; NUMBERS_PER_STEP]) -> Done {
        let [who, what, whom, with] = numbers;
        let list = actions();
        let action = *pick(&list, what);
        let actor = self.actor(before, who);
        let told = format!("{} {action} {numbers:?}", self.people[actor].email);
        let Some((method, path, body)) = self.planned_request(before, actor, action, whom, with) else {
            return self.accept(actor, whom, with, told).await;
        };
        let told = format!("{told} {path} {}", body.clone().unwrap_or_default());
        let reply = self.act(actor, method, &path, body).await;
        let succeeded = reply.status.is_success();
        let told = format!("{told}: {} {}", reply.status, reply.body["error"]["code"]);
        if succeeded && matches!(action, "invite" | "resend") {
            self.note_invitation(actor, &reply).await;
        }
        if succeeded && action == "revoke" {
            let revoked = self.invitations.iter_mut().filter(|invited| path.ends_with(&invited.id));
            revoked.for_each(|invited| invited.is_open = false);
        }
        Done { action, giver: self.people[actor].id.clone(), succeeded, told }
    }

    /// Picks an actor: one time in four an owner, two times a user who owns nothing and may confer rights, one time any
    /// user.
    fn actor(&self, before: &Rights, number: u32) -> usize {
        let may_give = ["users:assign-roles", "roles:update", "roles:create", "invitations:manage"];
        let is_wanted = |person: &Person| {
            let names = before.of(&person.id);
            match number % 4 {
                0 => names.contains(OWNING),
                1 | 2 => !names.contains(OWNING) && may_give.iter().any(|name| names.contains(*name)),
                _ => true,
            }
        };
        let wanted: Vec<usize> = (0..self.people.len()).filter(|at| is_wanted(&self.people[*at])).collect();
        if wanted.is_empty() { number as usize % self.people.len() } else { *pick(&wanted, number >> 8) }
    }

    /// Sends a request as that user; a signed-out user signs in again, if allowed.
    async fn act(&mut self, actor: usize, method: Method, path: &str, body: Option<Value>) -> Reply {
        let person = &mut self.people[actor];
        let reply = person.client.send(method.clone(), path, body.clone(), &[]).await;
        assert!(!reply.status.is_server_error(), "{}", reply.text);
        if reply.status != 401 {
            return reply;
        }
        let credentials = json!({ "email": person.email, "password": PASSWORD, "tenantSlug": self.tenant.slug });
        let signed_in = self.server.client().post("/auth/login", credentials).await;
        if signed_in.status != 200 {
            return reply;
        }
        person.client = Member::new(&self.server.client(), &signed_in.is(200)).client;
        let reply = person.client.send(method, path, body, &[]).await;
        assert!(!reply.status.is_server_error(), "{}", reply.text);
        reply
    }

    /// Records the invitation in a response, and its link from the mailbox.
    async fn note_invitation(&mut self, actor: usize, reply: &Reply) {
        let data = &reply.body["data"];
        let (id, inviter) = (data["id"].as_str().unwrap().to_owned(), self.people[actor].id.clone());
        let place = match self.invitations.iter().position(|invited| invited.id == id) {
            Some(place) => place,
            None => {
                self.invitations.push(Invited { id, inviter: inviter.clone(), is_open: true });
                self.invitations.len() - 1
            }
        };
        self.invitations[place].inviter = inviter;
        let mail = self.server.mail(data["email"].as_str().unwrap(), "invites you").await;
        self.links.push((mail.token().to_owned(), place));
    }

    /// Uses a link that was mailed at any time, with or without a session.
    async fn accept(&mut self, actor: usize, whom: u32, with: u32, told: String) -> Done {
        let Some((token, place)) = self.some_link(whom, with) else {
            return Done { action: "accept", giver: self.people[actor].id.clone(), succeeded: false, told };
        };
        let giver = self.invitations[place].inviter.clone();
        let client =
            if (with >> 8).is_multiple_of(2) { self.server.client() } else { self.people[actor].client.clone() };
        let body = json!({ "token": token, "password": PASSWORD, "name": "Gus Guest" });
        let mut reply = client.post("/invitations/accept", body.clone()).await;
        if reply.status == 401 {
            reply = self.server.client().post("/invitations/accept", body).await;
        }
        assert!(!reply.status.is_server_error(), "{}", reply.text);
        let told = format!("{told}: link of {giver}: {} {}", reply.status, reply.body["error"]["code"]);
        let succeeded = reply.status.is_success();
        if succeeded {
            self.invitations[place].is_open = false;
            let member = Member::new(&self.server.client(), &reply.body["data"]);
            match self.people.iter_mut().find(|person| person.id == member.id) {
                Some(person) => person.client = member.client,
                None => self.people.push(Person { id: member.id, email: member.email, client: member.client }),
            }
        }
        Done { action: "accept", giver, succeeded, told }
    }

    /// Checks that the API reports to every user who is signed in here the rights that the rows contain.
    pub(super) async fn everybody_is_told(&self, rights: &Rights) {
        for person in &self.people {
            let me = person.client.get("/auth/me").await;
            if me.status == 200 && me.body["data"]["tenant"]["id"] == self.tenant.id.as_str() {
                let me = me.is(200);
                let told: Names = me["permissions"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(told, rights.of(&person.id), "{}", person.email);
            }
        }
    }
}
