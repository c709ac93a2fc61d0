use std::{
    fs,
    time::{Duration, SystemTime},
};
use tenantry_files::{FileId, SweepBlobs};
use tenantry_jobs::{JobQueue, NewJob};
use tenantry_kernel::TenantId;
use tenantry_store::{Scope, SystemReason};

use super::image;
use crate::support::Server;

const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 3600);

/// Sweeps the storage, and returns the result.
async fn sweep(server: &Server) -> serde_json::Value {
    let job = NewJob::of(&server.app.context, None, &SweepBlobs {}).unwrap();
    let mut unit = server.app.store.begin(Scope::System(SystemReason::Worker)).await.unwrap();
    unit.enqueue_job(&job).await.unwrap();
    unit.commit().await.unwrap();
    server.sql.settled().await;
    let id = server.sql.id(&job.id.to_string());
    let results = server.sql.texts(&format!("SELECT coalesce(result, '') FROM jobs WHERE id = {id}")).await;
    serde_json::from_str(&results[0]).unwrap()
}

on_both_databases! {
    async fn fi3_a_sweep_removes_old_bytes_without_a_record_and_tells_of_records_without_bytes(server: Server) {
        let acme = server.tenant("acme").await;
        let (kept, lost) = (image(&acme.owner).await, image(&acme.owner).await);
        let place = |tenant: &str, file: &str| server.storage().join(tenant).join(file);
        let file_of = |path: &str| place(&acme.id, path.rsplit('/').next().unwrap());
        let context = &server.app.context;
        let now = SystemTime::from(context.now().utc());
        let put = |file: std::path::PathBuf, is_old: bool| {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let handle = fs::File::create(&file).unwrap();
            handle.set_modified(if is_old { now - TWO_DAYS } else { now }).unwrap();
            file
        };
        let orphan = put(place(&acme.id, &FileId::new(context).to_string()), true);
        let stranger = put(place(&TenantId::new(context).to_string(), &FileId::new(context).to_string()), true);
        let young = put(place(&acme.id, &FileId::new(context).to_string()), false);
        let half = put(place(&acme.id, &format!("{}#1", FileId::new(context))), true);
        let foreign = put(place(&acme.id, "README"), true);
        fs::File::open(file_of(&kept)).unwrap().set_modified(now - TWO_DAYS).unwrap();

        fs::remove_file(file_of(&lost)).unwrap();
        let found = sweep(&server).await;
        assert_eq!(found, serde_json::json!({ "removed": 2, "unfinished": 1, "lost": 1 }));
        assert!(!orphan.exists() && !stranger.exists() && !half.exists());
        assert!(young.exists() && foreign.exists() && file_of(&kept).exists());
        assert_eq!(acme.owner.get(&format!("{kept}/download")).await.status, 200);
        acme.owner.get(&format!("{lost}/download")).await.refused(500, "internal");
        assert_eq!(sweep(&server).await, serde_json::json!({ "removed": 0, "unfinished": 0, "lost": 1 }));
    }
}
