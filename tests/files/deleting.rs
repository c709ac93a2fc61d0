use super::{id_of, image, samples::PNG};
use crate::support::eventually;

on_both_databases! {
    async fn deleting_takes_the_record_at_once_and_the_bytes_soon(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let (path, kept) = (image(&owner).await, image(&owner).await);
        owner.delete(&path).await.is(204);
        owner.get(&path).await.refused(404, "not_found");
        owner.get(&format!("{path}/download")).await.refused(404, "not_found");
        owner.delete(&path).await.refused(404, "not_found");
        assert_eq!(server.used().await, i64::try_from(PNG.len()).unwrap());
        eventually("its bytes are gone", async || server.stored().len() == 1).await;
        assert_eq!(owner.get(&format!("{kept}/download")).await.bytes, PNG);
    }

    async fn one_deletes_ones_own_and_others_only_by_right(server: Server) {
        let acme = server.tenant("acme").await;
        let member = server.member(&acme, "member").await;
        let theirs = image(&acme.owner).await;
        let own = member.upload("own.png", "image/png", PNG).await.is(201);
        let error = member.delete(&theirs).await.refused(403, "permission_denied");
        assert_eq!(error["details"][0]["field"], "files:delete");
        let denied = &acme.owner.get("/audit-logs?action=file.deleted").await.is(200)[0];
        assert_eq!((&denied["outcome"], &denied["actor"]["id"]), (&"denied".into(), &member.id.as_str().into()));
        member.delete(&format!("/files/{}", id_of(&own))).await.is(204);
        let own = member.upload("own.png", "image/png", PNG).await.is(201);
        acme.owner.delete(&format!("/files/{}", id_of(&own))).await.is(204);
        acme.owner.get(&theirs).await.is(200);
    }

    async fn of_two_who_delete_at_once_one_gives_the_storage_back(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for _ in 0..5 {
            let path = image(&owner).await;
            let replies = futures::future::join_all((0..4).map(|_| owner.delete(&path))).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 204).count(), 1);
            assert_eq!(server.used().await, 0);
        }
    }
}
