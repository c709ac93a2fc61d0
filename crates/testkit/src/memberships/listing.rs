//! Tests of lists of members: every order, filter and page, compared with the same members sorted and filtered in
//! memory. So all adapters return the same lists.

use tenantry_identity::{People, Person};
use tenantry_kernel::{DefaultRole, Direction, PageRequest, PermissionSet, RoleId, fold};
use tenantry_tenancy::{MemberFilter, MemberKey, MemberOrder, Membership, MembershipStatus, Memberships};

use crate::{
    paging::{DIRECTIONS, all_pages},
    scene::{Directory, SampleTenant, Scene, email},
    units::Units,
};

/// Names that are equal when folded, and names with special meaning to a database. U+10FFFF has no successor.
const NAMES: [&str; 20] = [
    "Ada",
    "ADA",
    "ada",
    "Adam",
    "ad",
    "Ünal",
    "UNAL",
    "Zoë",
    "100% Real",
    "100 Percent",
    "_underscore",
    "[a-z]*",
    "O'Hara",
    "\"Quoted\"",
    "back\\slash",
    "'; DROP TABLE memberships; --",
    "東京",
    "\u{1F980} Crab",
    "Ёлка",
    "\u{10FFFF}last",
];

struct Listed {
    membership: Membership,
    person: Person,
    roles: Vec<RoleId>,
}

/// A tenant with many members, beside a tenant with some of the same names.
struct Crowd {
    tenant: SampleTenant,
    members: Vec<Listed>,
    roles: [RoleId; 2],
}

impl Crowd {
    async fn gather(scene: &Scene<'_, impl Units<Unit: Directory>>) -> Self {
        let (tenant, other) = (scene.tenant().await, scene.tenant().await);
        let roles = [
            scene.role(&tenant, "Clerk", PermissionSet::EMPTY).await.id,
            scene.role(&tenant, "Auditor", PermissionSet::EMPTY).await.id,
        ];
        let owner_role = scene.default_role(&tenant, DefaultRole::Owner).await.id;
        let owner = Listed {
            membership: scene.new_membership(tenant.id(), tenant.owner.id),
            person: tenant.owner.clone(),
            roles: vec![owner_role],
        };
        let mut members = vec![owner];
        for (number, called) in NAMES.into_iter().enumerate() {
            // Three members join at the same time.
            scene.later(if number % 3 == 0 { 1 } else { 0 });
            let local = ["ada", "o'hara", "under_score", "100%", "zed"][number % 5];
            let person = Person { email: scene.new_email(local), ..scene.new_person(called) };
            let held: Vec<RoleId> = roles.into_iter().take(number % 3).collect();
            scene.system(async |unit| unit.insert_person(&person).await.unwrap()).await;
            let mut membership = scene.join(&tenant, &person, &held).await;
            if number % 4 == 0 {
                membership.status = MembershipStatus::Deactivated;
                scene.system(async |unit| unit.update_membership(&membership).await.unwrap()).await;
                membership.version += 1;
            }
            members.push(Listed { membership, person, roles: held });
        }
        for called in ["Ada", "Nobody Here"] {
            let person = scene.new_person(called);
            scene.system(async |unit| unit.insert_person(&person).await.unwrap()).await;
            scene.join(&other, &person, &[]).await;
        }
        Self { tenant, members, roles }
    }

    /// Returns the members that match the filter, in order, without the store.
    fn expected(
        &self,
        filter: &MemberFilter,
        order: MemberOrder,
        direction: Direction,
    ) -> Vec<(Membership, MemberKey)> {
        let mut left: Vec<&Listed> = self.members.iter().filter(|listed| listed.passes(filter)).collect();
        match order {
            MemberOrder::Name => left.sort_by_key(|listed| (listed.person.member_keys().name, listed.person.id)),
            MemberOrder::JoinedAt => left.sort_by_key(|listed| (listed.membership.joined_at, listed.person.id)),
        }
        if direction == Direction::Descending {
            left.reverse();
        }
        let place = |listed: &Listed| match order {
            MemberOrder::Name => MemberKey::Name(listed.person.member_keys().name, listed.person.id),
            MemberOrder::JoinedAt => MemberKey::JoinedAt(listed.membership.joined_at, listed.person.id),
        };
        left.into_iter().map(|listed| (listed.membership.clone(), place(listed))).collect()
    }
}

impl Listed {
    fn passes(&self, filter: &MemberFilter) -> bool {
        let keys = self.person.member_keys();
        filter.prefix.as_deref().is_none_or(|p| keys.name.starts_with(p) || keys.email.starts_with(p))
            && filter.status.is_none_or(|status| self.membership.status == status)
            && filter.role.is_none_or(|role| self.roles.contains(&role))
    }
}

const ORDERS: [MemberOrder; 2] = [MemberOrder::Name, MemberOrder::JoinedAt];

async fn listed(
    scene: &Scene<'_, impl Units<Unit: Directory>>,
    crowd: &Crowd,
    filter: &MemberFilter,
    order: MemberOrder,
    direction: Direction,
    limit: u32,
) -> Vec<(Membership, MemberKey)> {
    scene
        .look_as(crowd.tenant.scope(), async |unit| {
            all_pages(limit, direction, async |page| unit.page_memberships(filter, order, page).await.unwrap()).await
        })
        .await
}

pub(super) async fn all_pages_joined_are_the_whole_list(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let crowd = &Crowd::gather(scene).await;
    let everybody = MemberFilter::default();
    for order in ORDERS {
        for direction in DIRECTIONS {
            let expected = crowd.expected(&everybody, order, direction);
            assert_eq!(expected.len(), NAMES.len() + 1);
            for limit in [1, 2, 3, 7, 20, 21, 22, 100] {
                let joined = listed(scene, crowd, &everybody, order, direction, limit).await;
                assert_eq!(joined, expected, "{order:?} {direction:?} by {limit}");
            }
        }
    }
}

pub(super) async fn a_page_of_members_is_read_with_their_names_and_roles(
    scene: &Scene<'_, impl Units<Unit: Directory>>,
) {
    let crowd = &Crowd::gather(scene).await;
    let ids: Vec<_> = crowd.members.iter().map(|listed| listed.person.id).collect();
    let found = scene
        .look_as(crowd.tenant.scope(), async |unit| {
            assert_eq!(unit.members_by_ids(&[]).await.unwrap(), []);
            unit.members_by_ids(&ids).await.unwrap()
        })
        .await;
    assert_eq!(found.len(), crowd.members.len(), "each once");
    for listed in &crowd.members {
        let member = found.iter().find(|member| member.person.id == listed.person.id).unwrap();
        assert_eq!(member.person, listed.person);
        let mut roles: Vec<RoleId> = member.roles.iter().map(|(id, _)| *id).collect();
        let names: Vec<String> = member.roles.iter().map(|(_, name)| name.key()).collect();
        assert!(names.is_sorted(), "{names:?}");
        let mut expected = listed.roles.clone();
        roles.sort();
        expected.sort();
        assert_eq!(roles, expected, "{}", listed.person.name);
    }
}

pub(super) async fn in1_a_prefix_is_taken_literally(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let crowd = &Crowd::gather(scene).await;
    // How many of the names each search finds; addresses add to them.
    let table = [
        ("", 20),
        ("a", 5),
        ("ad", 5),
        ("ada", 4),
        ("ADA", 0),
        ("adam", 1),
        ("%", 0),
        ("_", 1),
        ("a%", 0),
        ("a_", 0),
        ("100%", 1),
        ("100", 2),
        ("*", 0),
        ("?", 0),
        ("[", 1),
        ("[a", 1),
        ("]", 0),
        ("'", 1),
        ("''", 0),
        ("o'h", 1),
        ("\"", 1),
        ("\\", 0),
        ("back\\", 1),
        ("\\\\", 0),
        ("'; drop table memberships; --", 1),
        ("ü", 1),
        ("u", 1),
        ("ё", 1),
        ("東", 1),
        ("\u{1F980}", 1),
        ("\u{D7FF}", 0),
        ("\u{10FFFF}", 1),
        ("\u{10FFFF}\u{10FFFF}", 0),
    ];
    for (prefix, names) in table {
        let filter = MemberFilter { prefix: Some(prefix.to_owned()), ..MemberFilter::default() };
        let by_name = NAMES.iter().filter(|called| fold(called).starts_with(prefix)).count();
        assert_eq!(by_name, names, "the table is wrong about {prefix:?}");
        for order in ORDERS {
            for direction in DIRECTIONS {
                let expected = crowd.expected(&filter, order, direction);
                let joined = listed(scene, crowd, &filter, order, direction, 3).await;
                assert_eq!(joined, expected, "{prefix:?} {order:?} {direction:?}");
            }
        }
    }
    // Searches for the whole address of one member.
    let wanted = &crowd.members[3].person;
    let whole = email(wanted.email.as_str());
    let filter = MemberFilter { prefix: Some(fold(whole.as_str())), ..MemberFilter::default() };
    let found = listed(scene, crowd, &filter, MemberOrder::Name, Direction::Ascending, 100).await;
    assert_eq!(found.iter().map(|(member, _)| member.user).collect::<Vec<_>>(), [wanted.id]);
}

pub(super) async fn filters_are_joined_by_and(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let crowd = &Crowd::gather(scene).await;
    let unknown = RoleId::new(&scene.context);
    let prefixes = [None, Some("a".to_owned()), Some("100".to_owned())];
    let statuses = [None, Some(MembershipStatus::Active), Some(MembershipStatus::Deactivated)];
    let roles = [None, Some(crowd.roles[0]), Some(crowd.roles[1]), Some(unknown)];
    let mut found = 0;
    for prefix in &prefixes {
        for status in statuses {
            for role in roles {
                let filter = MemberFilter { prefix: prefix.clone(), status, role };
                let expected = crowd.expected(&filter, MemberOrder::Name, Direction::Ascending);
                let joined = listed(scene, crowd, &filter, MemberOrder::Name, Direction::Ascending, 7).await;
                assert_eq!(joined, expected, "{filter:?}");
                found += usize::from(!expected.is_empty());
            }
        }
    }
    assert!(found > 20, "most combinations find members, so that the test is meaningful: {found}");
}

pub(super) async fn a_page_may_begin_at_somebody_who_has_gone(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let crowd = &Crowd::gather(scene).await;
    let everybody = MemberFilter::default();
    let expected = crowd.expected(&everybody, MemberOrder::Name, Direction::Ascending);
    let (gone, key) = expected[8].clone();
    scene.change(crowd.tenant.scope(), async |unit| unit.delete_membership(gone.user).await.unwrap()).await;
    let request = PageRequest { limit: 5, after: Some(key), direction: Direction::Ascending };
    let page = scene
        .look_as(crowd.tenant.scope(), async |unit| {
            unit.page_memberships(&everybody, MemberOrder::Name, request).await.unwrap()
        })
        .await;
    assert_eq!(page.items, expected[9..14]);
    assert_eq!(page.next.as_ref(), expected.get(13).map(|(_, key)| key));
}
