//! The suite of [`Files`].

use futures::future::join_all;
use tenantry_files::{BlobKey, File, FileFilter, FileId, FileKey, FileName, FileOrder, FileType, Files};
use tenantry_kernel::{Direction, PageRequest, TenantId};

use crate::{
    paging::{DIRECTIONS, all_pages},
    scene::{Directory, SampleTenant, Scene},
    units::{TestScope, Units},
};

/// The ports of this suite: files, and the users and tenants that own them.
pub trait FilePorts: Directory + Files {}
impl<T: Directory + Files + ?Sized> FilePorts for T {}

suite! {
    files(units: impl Units<Unit: FilePorts>) calls (&Scene::new(&units)) {
        a_file_reads_back_as_inserted,
        all_pages_joined_are_the_whole_list,
        filters_leave_out_what_does_not_fit,
        a_file_is_deleted_once,
        storage_is_taken_and_released,
        fi3_fifty_at_once_never_take_more_than_there_is,
        records_are_told_from_what_is_not_recorded,
        te1_another_tenants_files_are_invisible_and_untouched,
        te7_a_new_file_of_a_deleted_ones_name_is_another,
    }
}

fn new_file(scene: &Scene<'_, impl Units<Unit: FilePorts>>, tenant: &SampleTenant, name: &str, bytes: u64) -> File {
    File {
        id: FileId::new(&scene.context),
        tenant: tenant.id(),
        name: FileName::parse(name).unwrap(),
        kind: FileType::Png,
        bytes,
        sha256: scene.context.random(),
        uploaded_by: tenant.owner.id,
        created_at: scene.later(bytes),
    }
}

async fn insert(scene: &Scene<'_, impl Units<Unit: FilePorts>>, tenant: &SampleTenant, file: &File) {
    scene.change(tenant.scope(), async |unit| unit.insert_file(file).await.unwrap()).await;
}

async fn a_file_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let acme = scene.tenant().await;
    for (kind, number) in FileType::ALL.iter().zip(1..) {
        let file = File { kind: *kind, ..new_file(scene, &acme, "Größe \"1\" 100%.png", number << 40) };
        insert(scene, &acme, &file).await;
        for scope in [acme.scope(), TestScope::System] {
            let by_key = scene.look_as(scope, async |unit| unit.file_by_key(file.key()).await.unwrap()).await;
            let found = scene.look_as(scope, async |unit| unit.file_by_id(file.id).await.unwrap()).await;
            assert_eq!(by_key, found);
            assert_eq!(found.as_ref(), Some(&file), "{scope:?}");
        }
    }
    assert_eq!(scene.look(async |unit| unit.file_by_id(FileId::new(&scene.context)).await.unwrap()).await, None);
}

async fn all_pages_joined_are_the_whole_list(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let acme = scene.tenant().await;
    let names = ["b.png", "a.png", "Ä.png", "A.png", "_.png", "10.png", "9.png"];
    let mut files = Vec::new();
    for (name, bytes) in names.iter().zip([5, 3, 3, 9, 1, 5, 5]) {
        let file = new_file(scene, &acme, name, bytes);
        insert(scene, &acme, &file).await;
        files.push(file);
    }
    for order in [FileOrder::Name, FileOrder::Size, FileOrder::CreatedAt] {
        files.sort_by(|a, b| {
            let by = match order {
                FileOrder::Name => a.name.key().cmp(&b.name.key()),
                FileOrder::Size => a.bytes.cmp(&b.bytes),
                FileOrder::CreatedAt => a.created_at.cmp(&b.created_at),
            };
            by.then(a.id.cmp(&b.id))
        });
        for direction in DIRECTIONS {
            for limit in [1, 2, 3, 100] {
                let read = async |page: PageRequest<FileKey>| {
                    let filter = FileFilter::default();
                    scene.look_as(acme.scope(), async |unit| unit.page_files(&filter, order, page).await.unwrap()).await
                };
                let mut listed = all_pages(limit, direction, read).await;
                if direction == Direction::Descending {
                    listed.reverse();
                }
                assert_eq!(listed, files, "{order:?} {direction:?} {limit}");
            }
        }
    }
}

async fn filters_leave_out_what_does_not_fit(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let acme = scene.tenant().await;
    let member = scene.member(&acme).await;
    let plan = new_file(scene, &acme, "Plan 1.png", 1);
    let table = File { kind: FileType::Csv, uploaded_by: member.id, ..new_file(scene, &acme, "plan_2.csv", 2) };
    for file in [&plan, &table] {
        insert(scene, &acme, file).await;
    }
    let found = async |filter: FileFilter| {
        let page = PageRequest { limit: 100, after: None, direction: Direction::Ascending };
        scene
            .look_as(acme.scope(), async |unit| unit.page_files(&filter, FileOrder::Size, page).await.unwrap().items)
            .await
    };
    let prefix = |prefix: &str| FileFilter { prefix: Some(prefix.to_owned()), ..FileFilter::default() };
    assert_eq!(found(prefix("plan")).await, [plan.clone(), table.clone()]);
    assert_eq!(found(prefix("plan_")).await, std::slice::from_ref(&table));
    assert!(found(prefix("lan")).await.is_empty() && found(prefix("%")).await.is_empty());
    let kind = FileFilter { kind: Some(FileType::Csv), ..FileFilter::default() };
    assert_eq!(found(kind).await, std::slice::from_ref(&table));
    let by = FileFilter { uploaded_by: Some(acme.owner.id), prefix: Some("plan".to_owned()), kind: None };
    assert_eq!(found(by).await, [plan]);
}

async fn a_file_is_deleted_once(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let acme = scene.tenant().await;
    let (file, other) = (new_file(scene, &acme, "a.png", 1), new_file(scene, &acme, "a.png", 1));
    insert(scene, &acme, &file).await;
    insert(scene, &acme, &other).await;
    for there in [true, false] {
        let deleted = scene.change(acme.scope(), async |unit| unit.delete_file(file.id).await.unwrap()).await;
        assert_eq!(deleted, there);
    }
    assert_eq!(scene.look(async |unit| unit.file_by_id(file.id).await.unwrap()).await, None);
    assert_eq!(scene.look(async |unit| unit.file_by_id(other.id).await.unwrap()).await, Some(other));
}

async fn take(scene: &Scene<'_, impl Units<Unit: FilePorts>>, tenant: &SampleTenant, bytes: u64, limit: u64) -> bool {
    scene.change(tenant.scope(), async |unit| unit.take_storage(tenant.id(), bytes, limit).await.unwrap()).await
}

async fn used(scene: &Scene<'_, impl Units<Unit: FilePorts>>, tenant: &SampleTenant) -> u64 {
    scene.look_as(tenant.scope(), async |unit| unit.storage_used(tenant.id()).await.unwrap()).await
}

async fn storage_is_taken_and_released(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    assert_eq!(used(scene, &acme).await, 0);
    assert!(!take(scene, &acme, 11, 10).await, "the first is held to the limit too");
    assert_eq!(used(scene, &acme).await, 0);
    assert!(take(scene, &acme, 6, 10).await);
    assert!(!take(scene, &acme, 5, 10).await);
    assert!(take(scene, &acme, 4, 10).await);
    assert!(!take(scene, &acme, 1, 5).await, "a smaller plan takes nothing away, and gives nothing");
    assert_eq!((used(scene, &acme).await, used(scene, &globex).await), (10, 0));
    scene.change(acme.scope(), async |unit| unit.free_storage(acme.id(), 6).await.unwrap()).await;
    assert_eq!(used(scene, &acme).await, 4);
    assert!(take(scene, &globex, 10, 10).await, "each tenant has its own");
    let huge = 1 << 50;
    assert!(take(scene, &acme, huge, u64::MAX).await);
    assert_eq!(used(scene, &acme).await, huge + 4);
}

async fn fi3_fifty_at_once_never_take_more_than_there_is(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let acme = scene.tenant().await;
    let took = join_all((0..50).map(|_| take(scene, &acme, 10, 205))).await;
    assert_eq!(took.iter().filter(|took| **took).count(), 20);
    assert_eq!(used(scene, &acme).await, 200);
}

async fn records_are_told_from_what_is_not_recorded(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let mut keys = Vec::new();
    for tenant in [&acme, &acme, &acme, &globex] {
        let file = new_file(scene, tenant, "a.png", 1);
        insert(scene, tenant, &file).await;
        keys.push(file.key());
    }
    let unknown = BlobKey { tenant: acme.id(), file: FileId::new(&scene.context) };
    let crossed = BlobKey { tenant: globex.id(), file: keys[0].file };
    let asked = [&keys[..], &[unknown, crossed]].concat();
    let mut recorded = scene.look(async |unit| unit.recorded_blobs(&asked).await.unwrap()).await;
    recorded.sort_unstable();
    keys.sort_unstable();
    assert_eq!(recorded, keys);
    assert!(scene.look(async |unit| unit.recorded_blobs(&[]).await.unwrap()).await.is_empty());

    let (mut walked, mut after) = (Vec::new(), None);
    loop {
        let some = scene.look(async |unit| unit.blobs_after(after, 2).await.unwrap()).await;
        let Some(last) = some.last() else { break };
        after = Some(*last);
        walked.extend(some);
    }
    assert!(walked.is_sorted() && keys.iter().all(|key| walked.contains(key)));
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        assert!(scene.attempt(scope, async |unit| unit.recorded_blobs(&keys).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.blobs_after(None, 2).await).await.is_err());
    }
}

async fn te1_another_tenants_files_are_invisible_and_untouched(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let theirs = new_file(scene, &globex, "a.png", 1);
    insert(scene, &globex, &theirs).await;
    assert!(take(scene, &globex, 10, 10).await);
    scene
        .look_as(acme.scope(), async |unit| {
            assert_eq!(unit.file_by_id(theirs.id).await.unwrap(), None);
            assert_eq!(unit.file_by_key(theirs.key()).await.unwrap(), None);
            assert_eq!(unit.storage_used(globex.id()).await.unwrap(), 0);
            for after in [None, Some(FileKey::Size(0, theirs.id))] {
                let page = PageRequest { limit: 100, after, direction: Direction::Ascending };
                let filter = FileFilter::default();
                assert!(unit.page_files(&filter, FileOrder::Size, page).await.unwrap().items.is_empty());
            }
        })
        .await;
    let deleted = scene.attempt(acme.scope(), async |unit| unit.delete_file(theirs.id).await).await;
    assert!(!deleted.unwrap(), "it is not there for them");
    let smuggled = new_file(scene, &globex, "b.png", 1);
    let foreign: TenantId = globex.id();
    for scope in [acme.scope(), TestScope::Person(globex.owner.id)] {
        assert!(scene.attempt(scope, async |unit| unit.insert_file(&smuggled).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.take_storage(foreign, 1, 100).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.free_storage(foreign, 1).await).await.is_err());
    }
    assert_eq!(scene.look(async |unit| unit.file_by_id(theirs.id).await.unwrap()).await, Some(theirs));
    assert_eq!(used(scene, &globex).await, 10);
}

async fn te7_a_new_file_of_a_deleted_ones_name_is_another(scene: &Scene<'_, impl Units<Unit: FilePorts>>) {
    let acme = scene.tenant().await;
    let (old, new) = (new_file(scene, &acme, "a.png", 1), new_file(scene, &acme, "a.png", 1));
    insert(scene, &acme, &old).await;
    scene.change(acme.scope(), async |unit| unit.delete_file(old.id).await.unwrap()).await;
    insert(scene, &acme, &new).await;
    assert_ne!(old.key(), new.key());
    assert_eq!(scene.look(async |unit| unit.file_by_id(old.id).await.unwrap()).await, None);
}
