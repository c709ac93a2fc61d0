//! The suite of [`Tenants`].

use futures::future::join_all;
use tenantry_kernel::{StoreError, TenantId, TenantStatus};
use tenantry_tenancy::{PLANS, TenancyError, Tenant, Tenants};

use crate::{
    scene::{Directory, Scene, name},
    units::{TestScope, Units},
};

suite! {
    tenants(units: impl Units<Unit: Directory>) calls (&Scene::new(&units)) {
        a_tenant_reads_back_as_inserted,
        a_taken_slug_is_refused_and_leaves_the_unit_usable,
        two_units_cannot_both_take_a_slug,
        an_update_writes_and_moves_the_version_on,
        an_update_of_an_older_version_changes_nothing,
        an_update_cannot_take_the_slug_of_another,
        te1_another_tenant_is_invisible_and_untouched,
        te1_only_system_units_find_by_slug,
    }
}

async fn stored(scene: &Scene<'_, impl Units<Unit: Directory>>, id: TenantId) -> Option<Tenant> {
    scene.look(async |unit| unit.tenant_by_id(id).await.unwrap()).await
}

async fn a_tenant_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    for plan in PLANS {
        for status in [TenantStatus::Active, TenantStatus::Suspended] {
            let tenant = Tenant {
                name: name("Zoë's \"100%\" \u{1F980} Ltd"),
                plan,
                status,
                version: 3,
                created_at: scene.later(333),
                ..scene.new_tenant()
            };
            scene.system(async |unit| unit.insert_tenant(&tenant).await.unwrap()).await;
            scene
                .look(async |unit| {
                    assert_eq!(unit.tenant_by_id(tenant.id).await.unwrap(), Some(tenant.clone()));
                    assert_eq!(unit.tenant_by_slug(&tenant.slug).await.unwrap(), Some(tenant.clone()));
                })
                .await;
        }
    }
    let nobodys = scene.new_tenant();
    assert_eq!(stored(scene, nobodys.id).await, None);
    assert_eq!(scene.look(async |unit| unit.tenant_by_slug(&nobodys.slug).await.unwrap()).await, None);
}

async fn a_taken_slug_is_refused_and_leaves_the_unit_usable(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let first = scene.tenant().await.tenant;
    let second = Tenant { slug: first.slug.clone(), ..scene.new_tenant() };
    let retried = Tenant { slug: scene.new_slug(), ..second.clone() };
    scene
        .system(async |unit| {
            must_be!(unit.insert_tenant(&second).await, Err(TenancyError::SlugTaken));
            unit.insert_tenant(&retried).await.unwrap();
        })
        .await;
    assert_eq!(stored(scene, second.id).await, Some(retried), "the same unit took another slug");
    assert_eq!(stored(scene, first.id).await, Some(first));
}

async fn two_units_cannot_both_take_a_slug(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let slug = scene.new_slug();
    let outcomes = join_all((0..8).map(|_| async {
        let tenant = Tenant { slug: slug.clone(), ..scene.new_tenant() };
        scene.system(async |unit| unit.insert_tenant(&tenant).await).await
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refused in outcomes.into_iter().filter(Result::is_err) {
        must_be!(refused, Err(TenancyError::SlugTaken));
    }
}

async fn an_update_writes_and_moves_the_version_on(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let mut expected = acme.tenant.clone();
    for scope in [TestScope::System, acme.scope()] {
        let changed = Tenant {
            name: name(&format!("Acme {}", expected.version)),
            slug: scene.new_slug(),
            plan: &PLANS[usize::try_from(expected.version).unwrap() % PLANS.len()],
            status: TenantStatus::Suspended,
            ..expected.clone()
        };
        scene.change(scope, async |unit| unit.update_tenant(&changed).await.unwrap()).await;
        expected = Tenant { version: expected.version + 1, ..changed };
        assert_eq!(stored(scene, expected.id).await.as_ref(), Some(&expected));
    }
}

async fn an_update_of_an_older_version_changes_nothing(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    scene.system(async |unit| unit.update_tenant(&acme.tenant).await.unwrap()).await;
    let current = stored(scene, acme.id()).await;
    for version in [acme.tenant.version, acme.tenant.version + 2] {
        let stale = Tenant { name: name("Too Late"), version, ..acme.tenant.clone() };
        scene
            .change(acme.scope(), async |unit| {
                must_be!(unit.update_tenant(&stale).await, Err(TenancyError::VersionConflict));
            })
            .await;
        assert_eq!(stored(scene, acme.id()).await, current);
    }
}

async fn an_update_cannot_take_the_slug_of_another(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let greedy = Tenant { slug: globex.tenant.slug.clone(), ..acme.tenant.clone() };
    must_be!(
        scene.attempt(acme.scope(), async |unit| unit.update_tenant(&greedy).await).await,
        Err(TenancyError::SlugTaken)
    );
    assert_eq!(stored(scene, acme.id()).await, Some(acme.tenant.clone()));
    let same = Tenant { name: name("Acme Again"), ..acme.tenant.clone() };
    scene.change(acme.scope(), async |unit| unit.update_tenant(&same).await.unwrap()).await;
    assert_eq!(stored(scene, acme.id()).await.map(|tenant| tenant.name), Some(same.name), "its own slug is free to it");
}

async fn te1_another_tenant_is_invisible_and_untouched(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let new = scene.new_tenant();
    scene
        .look_as(acme.scope(), async |unit| {
            assert_eq!(unit.tenant_by_id(acme.id()).await.unwrap(), Some(acme.tenant.clone()));
            assert_eq!(unit.tenant_by_id(globex.id()).await.unwrap(), None);
        })
        .await;
    let renamed = Tenant { name: name("Mallory, Inc."), ..globex.tenant.clone() };
    for scope in [acme.scope(), TestScope::Person(globex.owner.id)] {
        assert!(scene.attempt(scope, async |unit| unit.update_tenant(&renamed).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.insert_tenant(&new).await).await.is_err());
    }
    assert_eq!(stored(scene, globex.id()).await, Some(globex.tenant));
    assert_eq!(stored(scene, new.id).await, None);
}

async fn te1_only_system_units_find_by_slug(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        for tenant in [&acme, &globex] {
            scene
                .look_as(scope, async |unit| {
                    must_be!(unit.tenant_by_slug(&tenant.tenant.slug).await, Err(StoreError::Misuse(_)));
                })
                .await;
        }
    }
}
