//! The suite of [`CredentialStore`].

use tenantry_identity::{Credential, CredentialStore, PasswordHash};
use tenantry_kernel::{Timestamp, UserId};

use crate::{
    scene::{Directory, Scene},
    units::{TestScope, Units},
};

suite! {
    credentials(units: impl Units<Unit: Directory + CredentialStore>) calls (&Scene::new(&units)) {
        a_password_reads_back_as_inserted,
        a_person_has_one_password,
        an_update_replaces_hash_version_and_time,
        a_password_that_is_not_there_cannot_be_updated,
        te1_a_password_is_its_persons_alone,
    }
}

/// A credential in a form that can be compared.
type Plain = (UserId, String, i64, Timestamp);

fn plain(credential: &Credential) -> Plain {
    (credential.user, credential.hash.phc().to_owned(), credential.version, credential.changed_at)
}

fn credential(scene: &Scene<'_, impl Units>, user: UserId) -> Credential {
    let phc = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaA";
    Credential { user, hash: PasswordHash::new(phc), version: 1, changed_at: scene.later(7) }
}

async fn stored(scene: &Scene<'_, impl Units<Unit: CredentialStore>>, scope: TestScope, user: UserId) -> Option<Plain> {
    scene.look_as(scope, async |unit| unit.credential_of(user).await.unwrap()).await.as_ref().map(plain)
}

async fn a_password_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: Directory + CredentialStore>>) {
    let person = scene.person().await;
    assert_eq!(stored(scene, TestScope::System, person.id).await, None);
    let credential = credential(scene, person.id);
    scene.system(async |unit| unit.insert_credential(&credential).await.unwrap()).await;
    assert_eq!(stored(scene, TestScope::System, person.id).await, Some(plain(&credential)));
}

async fn a_person_has_one_password(scene: &Scene<'_, impl Units<Unit: Directory + CredentialStore>>) {
    let person = scene.person().await;
    let first = credential(scene, person.id);
    scene.system(async |unit| unit.insert_credential(&first).await.unwrap()).await;
    let second = Credential { hash: PasswordHash::new("$second"), ..first.clone() };
    assert!(scene.attempt(TestScope::System, async |unit| unit.insert_credential(&second).await).await.is_err());
    assert_eq!(stored(scene, TestScope::System, person.id).await, Some(plain(&first)));
}

async fn an_update_replaces_hash_version_and_time(scene: &Scene<'_, impl Units<Unit: Directory + CredentialStore>>) {
    let (person, other) = (scene.person().await, scene.person().await);
    let (first, others) = (credential(scene, person.id), credential(scene, other.id));
    scene
        .system(async |unit| {
            unit.insert_credential(&first).await.unwrap();
            unit.insert_credential(&others).await.unwrap();
        })
        .await;
    let next = Credential {
        hash: PasswordHash::new("$argon2id$next"),
        version: first.version + 1,
        changed_at: scene.later(999),
        ..first
    };
    scene.system(async |unit| unit.update_credential(&next).await.unwrap()).await;
    assert_eq!(stored(scene, TestScope::System, person.id).await, Some(plain(&next)));
    assert_eq!(stored(scene, TestScope::System, other.id).await, Some(plain(&others)), "another's stays");
}

/// A change that matches no row must not be reported as done.
async fn a_password_that_is_not_there_cannot_be_updated(
    scene: &Scene<'_, impl Units<Unit: Directory + CredentialStore>>,
) {
    let person = scene.person().await;
    let credential = credential(scene, person.id);
    assert!(scene.attempt(TestScope::System, async |unit| unit.update_credential(&credential).await).await.is_err());
    assert_eq!(stored(scene, TestScope::System, person.id).await, None);
}

async fn te1_a_password_is_its_persons_alone(scene: &Scene<'_, impl Units<Unit: Directory + CredentialStore>>) {
    let acme = scene.tenant().await;
    let colleague = scene.member(&acme).await;
    let stranger = scene.person().await;
    let own = credential(scene, colleague.id);
    for scope in [acme.scope(), TestScope::Person(stranger.id)] {
        assert!(scene.attempt(scope, async |unit| unit.insert_credential(&own).await).await.is_err());
        assert_eq!(stored(scene, TestScope::System, colleague.id).await, None);
    }
    scene.system(async |unit| unit.insert_credential(&own).await.unwrap()).await;

    for scope in [acme.scope(), TestScope::Person(stranger.id)] {
        assert_eq!(stored(scene, scope, colleague.id).await, None, "{scope:?}");
        let planted = Credential { hash: PasswordHash::new("$planted"), version: 2, ..own.clone() };
        assert!(scene.attempt(scope, async |unit| unit.update_credential(&planted).await).await.is_err());
        assert_eq!(stored(scene, TestScope::System, colleague.id).await, Some(plain(&own)));
    }
    for (version, scope) in [(2, acme.scope_of(colleague.id)), (3, TestScope::Person(colleague.id))] {
        assert!(stored(scene, scope, colleague.id).await.is_some(), "{scope:?}");
        let changed = Credential { version, ..own.clone() };
        scene.change(scope, async |unit| unit.update_credential(&changed).await.unwrap()).await;
        assert_eq!(stored(scene, scope, colleague.id).await, Some(plain(&changed)));
    }
}
