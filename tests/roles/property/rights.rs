//! The rights in a tenant, read from its rows.

use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

use crate::support::{Server, Sql, Tenant};

/// Names of permissions.
pub(super) type Names = BTreeSet<String>;

/// The permission that makes a user an owner.
pub(super) const OWNING: &str = "tenant:own";

/// The rights of all members of a tenant at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rights {
    /// The permissions of each role.
    pub(super) roles: BTreeMap<String, Names>,
    /// All members of the tenant.
    pub(super) members: BTreeMap<String, Held>,
}

/// The membership of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    pub(super) is_active: bool,
    pub(super) roles: BTreeSet<String>,
    /// The permissions of the user's roles, whether or not the user may act.
    pub(super) names: Names,
}

impl Rights {
    /// Reads them past the API. `defaults` are the roles whose permissions are defined in the code.
    pub(super) async fn read(server: &Server, tenant: &Tenant, defaults: &BTreeMap<String, Names>) -> Self {
        let (sql, here) = (&server.sql, server.sql.id(&tenant.id));
        let id = |column: &str| match sql {
            Sql::Sqlite(_) => format!("lower(hex({column}))"),
            Sql::Postgres(_) => format!("{column}::text"),
        };
        let rows = async |select: String| -> Vec<Vec<String>> {
            let rows = sql.texts(&select).await;
            rows.iter().map(|row| row.split('|').map(str::to_owned).collect()).collect()
        };
        let select = format!("SELECT {} || '|' || permissions FROM roles WHERE tenant_id = {here}", id("id"));
        let mut roles: BTreeMap<String, Names> = BTreeMap::new();
        for row in rows(select).await {
            let (role, custom) = (hyphenated(&row[0]), row[1].split_whitespace().map(str::to_owned).collect());
            let names = defaults.get(&role).cloned().unwrap_or(custom);
            roles.insert(role, names);
        }
        let select = format!(
            "SELECT {} || '|' || m.status || '|' || u.status FROM memberships m JOIN users u ON u.id = m.user_id \
             WHERE m.tenant_id = {here}",
            id("m.user_id")
        );
        let mut members: BTreeMap<String, Held> = BTreeMap::new();
        for row in rows(select).await {
            let is_active = row[1..] == ["active", "enabled"];
            members.insert(hyphenated(&row[0]), Held { is_active, ..Held::default() });
        }
        let select = format!(
            "SELECT {} || '|' || {} FROM membership_roles WHERE tenant_id = {here}",
            id("user_id"),
            id("role_id")
        );
        for row in rows(select).await {
            let member = members.get_mut(&hyphenated(&row[0])).expect("every holder of a role is a member");
            member.roles.insert(hyphenated(&row[1]));
            member.names.extend(roles[&hyphenated(&row[1])].iter().cloned());
        }
        Self { roles, members }
    }

    /// Returns the effective permissions of a user.
    pub(super) fn of(&self, user: &str) -> Names {
        self.members.get(user).filter(|held| held.is_active).map(|held| held.names.clone()).unwrap_or_default()
    }

    /// Returns every owner of the tenant who may act.
    pub(super) fn owners(&self) -> Vec<&str> {
        let owners = self.members.iter().filter(|(_, held)| held.is_active && held.names.contains(OWNING));
        owners.map(|(user, _)| user.as_str()).collect()
    }
}

fn hyphenated(id: &str) -> String {
    id.parse::<Uuid>().unwrap().to_string()
}

/// Returns the model's objection to a step, if any. The model knows only the rights before and after, the giver, and
/// whether the step succeeded.
pub(super) fn objection(before: &Rights, after: &Rights, giver: &str, succeeded: bool) -> Option<String> {
    if !succeeded && before != after {
        return Some("what was refused has changed something".to_owned());
    }
    let given = before.of(giver);
    for (user, held) in &after.members {
        let old = before.members.get(user).map(|held| held.names.clone()).unwrap_or_default();
        let lacking: Vec<_> = held.names.difference(&old).filter(|name| !given.contains(*name)).collect();
        if !lacking.is_empty() {
            return Some(format!("{user} has come to {lacking:?}, which {giver} did not hold"));
        }
    }
    for (role, names) in &after.roles {
        let old = before.roles.get(role).cloned().unwrap_or_default();
        let lacking: Vec<_> = names.difference(&old).filter(|name| !given.contains(*name)).collect();
        if !lacking.is_empty() {
            return Some(format!("the role {role} has come to {lacking:?}, which {giver} did not hold"));
        }
    }
    after.owners().is_empty().then(|| "the tenant has no owner".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Names {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn rights(members: &[(&str, bool, &[&str])], role: &[&str]) -> Rights {
        let held = |is_active: bool, list: &[&str]| Held { is_active, names: names(list), ..Held::default() };
        Rights {
            roles: [("role".to_owned(), names(role))].into(),
            members: members.iter().map(|(user, active, list)| ((*user).to_owned(), held(*active, list))).collect(),
        }
    }

    #[test]
    fn the_model_objects_to_what_must_not_be() {
        let owner: (&str, bool, &[&str]) = ("olga", true, &[OWNING, "a", "b"]);
        let before = rights(&[owner, ("bob", true, &["a"]), ("idle", false, &["b"])], &["a"]);
        let with = |bob: &[&str], role: &[&str]| rights(&[owner, ("bob", true, bob), ("idle", false, &["b"])], role);
        for (after, giver, is_right) in [
            (with(&["a"], &["a"]), "bob", true),
            (with(&["a", "b"], &["a"]), "olga", true),
            (with(&["a", "b"], &["a"]), "bob", false),
            (with(&["a", "b"], &["a"]), "idle", false),
            (with(&["a", "b"], &["a"]), "nobody", false),
            (with(&["a"], &["a", "b"]), "bob", false),
            (with(&["a"], &["a", "b"]), "olga", true),
            (with(&["a", OWNING], &["a"]), "bob", false),
            (rights(&[("olga", false, &[OWNING]), ("bob", true, &["a"])], &["a"]), "olga", false),
            (rights(&[owner, ("new", true, &["b"])], &["a"]), "bob", false),
        ] {
            assert_eq!(objection(&before, &after, giver, true).is_none(), is_right, "{giver}: {after:?}");
        }
        assert!(objection(&before, &with(&[], &["a"]), "olga", false).is_some());
    }
}
