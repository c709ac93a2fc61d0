//! Tenants and their users.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use tenantry_identity::{AddMember, People, add_member};
use tenantry_kernel::{Actor, EmailAddress, Origin, RequestId, fold};
use tenantry_store::{Scope, SystemReason};
use tenantry_tenancy::{Roles, Slug, Tenants};

use super::{Client, Server};

/// The password of all users in the tests.
pub(crate) const PASSWORD: &str = "quartz-jockey-vows-imply";

/// A tenant and its owner, who is signed in.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) owner: Member,
}

/// A user signed in to a tenant.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) refresh_token: String,
    pub(crate) client: Client,
}

impl std::ops::Deref for Member {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Member {
    /// Returns the user of a response with tokens.
    pub(crate) fn new(client: &Client, data: &Value) -> Self {
        Self {
            id: data["user"]["id"].as_str().unwrap().to_owned(),
            email: data["user"]["email"].as_str().unwrap().to_owned(),
            refresh_token: data["refreshToken"].as_str().unwrap_or_default().to_owned(),
            client: client.with_token(data["accessToken"].as_str().unwrap()),
        }
    }

    /// Returns the id of the member's current session.
    pub(crate) async fn session_id(&self) -> String {
        self.get("/auth/me").await.is(200)["session"]["id"].as_str().unwrap().to_owned()
    }
}

fn next_number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

impl Server {
    /// Registers a new user with a tenant of that slug.
    pub(crate) async fn tenant(&self, slug: &str) -> Tenant {
        let email = format!("owner-{}@{slug}.example", next_number());
        let body = json!({
            "email": email, "password": PASSWORD, "name": "Olga Owner", "tenantName": slug, "tenantSlug": slug
        });
        let client = self.client();
        let data = client.post("/auth/register", body).await.is(201);
        Tenant {
            id: data["tenant"]["id"].as_str().unwrap().to_owned(),
            slug: slug.to_owned(),
            owner: Member::new(&client, &data),
        }
    }

    /// Signs in.
    pub(crate) async fn sign_in(&self, email: &str, slug: &str) -> Member {
        let client = self.client();
        let body = json!({ "email": email, "password": PASSWORD, "tenantSlug": slug });
        Member::new(&client, &client.post("/auth/login", body).await.is(200))
    }

    /// Creates a user in a tenant, with one of its roles, signed in to it.
    pub(crate) async fn member(&self, tenant: &Tenant, role: &str) -> Member {
        let home = self.tenant(&format!("home-{}", next_number())).await;
        self.join(tenant, &home.owner.email, role).await;
        self.sign_in(&home.owner.email, &tenant.slug).await
    }

    /// Adds a known user to a tenant, as the operator does.
    pub(crate) async fn join(&self, tenant: &Tenant, email: &str, role: &str) {
        let context = &self.app.context;
        let mut unit = self.app.store.begin(Scope::System(SystemReason::CommandLine)).await.unwrap();
        let found = unit.tenant_by_slug(&Slug::parse(&tenant.slug).unwrap()).await.unwrap().unwrap();
        let person = unit.person_by_email(&EmailAddress::parse(email).unwrap()).await.unwrap().unwrap();
        let page = tenantry_kernel::PageRequest {
            limit: 100_000,
            after: None,
            direction: tenantry_kernel::Direction::Ascending,
        };
        let roles = unit.page_roles(page).await.unwrap().items;
        let wanted = roles.iter().find(|r| r.tenant == found.id && r.name.key() == fold(role)).unwrap();
        let origin = Origin { trace: RequestId::new(context).into(), ip: None, user_agent: None };
        let command = AddMember { tenant: found.id, person: &person, role: wanted };
        add_member(&mut unit, &Actor::operator(origin), context, command).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Creates a member with exactly these permissions, through a new role.
    pub(crate) async fn member_with(&self, tenant: &Tenant, permissions: &[&str]) -> Member {
        let name = format!("limited {}", next_number());
        tenant.owner.post("/roles", json!({ "name": name, "permissions": permissions })).await.is(201);
        self.member(tenant, &name).await
    }
}
