//! Files: rows and queries only.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    entity::prelude::Expr, sea_query::ExprTrait,
};
use std::collections::BTreeMap;
use tenantry_files::{BlobKey, File, FileFilter, FileId, FileKey, FileName, FileOrder, FileType, Files};
use tenantry_kernel::{Page, PageRequest, StoreError, TenantId, Timestamp, UserId, upper_bound};
use uuid::Uuid;

use crate::{
    Unit,
    pages::keyset,
    table::{PersonalColumn, Table},
    unit::{TenantTable, hit_one},
};

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "files")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub name_key: String,
        pub content_type: String,
        pub bytes: i64,
        pub sha256: Vec<u8>,
        pub uploaded_by: Uuid,
        pub created_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod usage {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "storage_usage")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        pub bytes: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::Column;

pub(crate) const TABLE: Table = Table {
    name: "files",
    of_tenant: Some("tenant_id = $1"),
    of_person: None,
    expires: &[],
    personal: &[
        PersonalColumn::stays("name", "the file belongs to the tenant"),
        PersonalColumn::stays("name_key", "the file belongs to the tenant"),
        PersonalColumn::stays("uploaded_by", "records of the person's actions keep their id"),
    ],
};

pub(crate) const USAGE_TABLE: Table =
    Table { name: "storage_usage", of_tenant: Some("tenant_id = $1"), of_person: None, expires: &[], personal: &[] };

impl TenantTable for row::Entity {
    const TENANT: Column = Column::TenantId;
}

impl TenantTable for usage::Entity {
    const TENANT: usage::Column = usage::Column::TenantId;
}

impl From<&File> for row::Model {
    fn from(file: &File) -> Self {
        Self {
            tenant_id: file.tenant.uuid(),
            id: file.id.uuid(),
            name: file.name.to_string(),
            name_key: file.name.key(),
            content_type: file.kind.media_type().to_owned(),
            bytes: signed(file.bytes),
            sha256: file.sha256.to_vec(),
            uploaded_by: file.uploaded_by.uuid(),
            created_at: file.created_at.utc(),
        }
    }
}

impl TryFrom<row::Model> for File {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "files", column };
        Ok(Self {
            id: FileId::from_uuid(row.id),
            tenant: TenantId::from_uuid(row.tenant_id),
            name: FileName::parse(&row.name).map_err(|_| inconsistent("name"))?,
            kind: FileType::from_stored(&row.content_type),
            bytes: u64::try_from(row.bytes).map_err(|_| inconsistent("bytes"))?,
            sha256: row.sha256.try_into().map_err(|_| inconsistent("sha256"))?,
            uploaded_by: UserId::from_uuid(row.uploaded_by),
            created_at: Timestamp::new(row.created_at),
        })
    }
}

/// Converts a size for the database. Both databases store up to 8 EiB, more than any storage holds.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[async_trait]
impl Files for Unit {
    async fn insert_file(&mut self, file: &File) -> Result<(), StoreError> {
        self.require_tenant(file.tenant)?;
        Ok(self.insert(row::Model::from(file)).await??)
    }

    async fn file_by_id(&mut self, id: FileId) -> Result<Option<File>, StoreError> {
        let select = self.tenant_rows::<row::Entity>()?.filter(Column::Id.eq(id.uuid()));
        self.one(select).await?.map(File::try_from).transpose()
    }

    async fn file_by_key(&mut self, key: BlobKey) -> Result<Option<File>, StoreError> {
        let select = self.tenant_rows::<row::Entity>()?;
        let select = select.filter(Column::TenantId.eq(key.tenant.uuid())).filter(Column::Id.eq(key.file.uuid()));
        self.one(select).await?.map(File::try_from).transpose()
    }

    async fn page_files(
        &mut self,
        filter: &FileFilter,
        order: FileOrder,
        page: PageRequest<FileKey>,
    ) -> Result<Page<File, FileKey>, StoreError> {
        let select = filtered(self.tenant_rows::<row::Entity>()?, filter);
        let rows = self.page_of(sorted(select, order, &page), page.limit).await?;
        let files: Result<Vec<File>, _> = rows.into_iter().map(File::try_from).collect();
        Ok(Page::from_lookahead(files?, page.limit, |file| match order {
            FileOrder::Name => FileKey::Name(file.name.key(), file.id),
            FileOrder::Size => FileKey::Size(file.bytes, file.id),
            FileOrder::CreatedAt => FileKey::CreatedAt(file.created_at, file.id),
        }))
    }

    async fn delete_file(&mut self, id: FileId) -> Result<bool, StoreError> {
        let delete =
            row::Entity::delete_many().filter(self.of_tenant::<row::Entity>()?).filter(Column::Id.eq(id.uuid()));
        Ok(self.run(delete.exec(&self.transaction)).await?.rows_affected > 0)
    }

    async fn storage_used(&mut self, tenant: TenantId) -> Result<u64, StoreError> {
        let select = self.tenant_rows::<usage::Entity>()?.filter(usage::Column::TenantId.eq(tenant.uuid()));
        let Some(row) = self.one(select).await? else { return Ok(0) };
        u64::try_from(row.bytes).map_err(|_| StoreError::Inconsistent { table: "storage_usage", column: "bytes" })
    }

    async fn take_storage(&mut self, tenant: TenantId, bytes: u64, limit: u64) -> Result<bool, StoreError> {
        self.require_tenant(tenant)?;
        if bytes > limit {
            return Ok(false);
        }
        let statement = self.sql(
            "INSERT INTO storage_usage (tenant_id, bytes) VALUES ($1, $2) \
             ON CONFLICT (tenant_id) DO UPDATE SET bytes = storage_usage.bytes + excluded.bytes \
             WHERE storage_usage.bytes + excluded.bytes <= $3",
            [tenant.uuid().into(), signed(bytes).into(), signed(limit).into()],
        );
        Ok(self.run(self.transaction.execute_raw(statement)).await?.rows_affected() > 0)
    }

    async fn free_storage(&mut self, tenant: TenantId, bytes: u64) -> Result<(), StoreError> {
        self.require_tenant(tenant)?;
        let update = usage::Entity::update_many()
            .col_expr(usage::Column::Bytes, Expr::col(usage::Column::Bytes).sub(signed(bytes)))
            .filter(usage::Column::TenantId.eq(tenant.uuid()));
        let done = self.run(update.exec(&self.transaction)).await?;
        hit_one(done.rows_affected, "storage_usage")
    }

    async fn recorded_blobs(&mut self, keys: &[BlobKey]) -> Result<Vec<BlobKey>, StoreError> {
        self.require_system()?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut by_tenant: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for key in keys {
            by_tenant.entry(key.tenant.uuid()).or_default().push(key.file.uuid());
        }
        let any = by_tenant.into_iter().fold(Condition::any(), |any, (tenant, files)| {
            any.add(Condition::all().add(Column::TenantId.eq(tenant)).add(Column::Id.is_in(files)))
        });
        self.blob_keys(row::Entity::find().filter(any)).await
    }

    async fn blobs_after(&mut self, after: Option<BlobKey>, limit: u32) -> Result<Vec<BlobKey>, StoreError> {
        self.require_system()?;
        let select =
            row::Entity::find().order_by_asc(Column::TenantId).order_by_asc(Column::Id).limit(u64::from(limit));
        let select = match after {
            None => select,
            Some(BlobKey { tenant, file }) => {
                let place = Expr::tuple([Expr::col(Column::TenantId), Expr::col(Column::Id)]);
                select.filter(place.gt(Expr::tuple([Expr::value(tenant.uuid()), Expr::value(file.uuid())])))
            }
        };
        self.blob_keys(select).await
    }
}

impl Unit {
    async fn blob_keys(&self, select: Select<row::Entity>) -> Result<Vec<BlobKey>, StoreError> {
        let select = select.select_only().column(Column::TenantId).column(Column::Id).into_tuple::<(Uuid, Uuid)>();
        let keys = self.run(select.all(&self.transaction)).await?.into_iter();
        Ok(keys.map(|(t, f)| BlobKey { tenant: TenantId::from_uuid(t), file: FileId::from_uuid(f) }).collect())
    }
}

fn filtered(mut select: Select<row::Entity>, filter: &FileFilter) -> Select<row::Entity> {
    if let Some(prefix) = &filter.prefix {
        select = select.filter(Column::NameKey.gte(prefix.as_str()));
        if let Some(end) = upper_bound(prefix) {
            select = select.filter(Column::NameKey.lt(end));
        }
    }
    if let Some(kind) = filter.kind {
        select = select.filter(Column::ContentType.eq(kind.media_type()));
    }
    if let Some(user) = filter.uploaded_by {
        select = select.filter(Column::UploadedBy.eq(user.uuid()));
    }
    select
}

fn sorted(select: Select<row::Entity>, order: FileOrder, page: &PageRequest<FileKey>) -> Select<row::Entity> {
    let column = match order {
        FileOrder::Name => Column::NameKey,
        FileOrder::Size => Column::Bytes,
        FileOrder::CreatedAt => Column::CreatedAt,
    };
    let after = page.after.as_ref().map(|key| match key {
        FileKey::Name(name, id) => [name.as_str().into(), id.uuid().into()],
        FileKey::Size(bytes, id) => [signed(*bytes).into(), id.uuid().into()],
        FileKey::CreatedAt(at, id) => [at.utc().into(), id.uuid().into()],
    });
    keyset(select, [column, Column::Id], page.direction, after)
}
