#!/bin/sh
# Creates every secret of an installation: make-secrets FOLDER. A second run changes nothing.
#
# Each program gets its own folder, so that it sees only its own secrets:
#   migrate/tenantry.toml   settings of the step that changes the schema, with the role that owns it
#   app/tenantry.toml       settings of server and worker, with the role that row-level security binds
#   postgres/ redis/ minio/ passwords and configuration of these servers
# The addresses are those of compose.yaml unless POSTGRES, REDIS, S3 or BUCKET say otherwise.
set -eu

folder=${1:?the folder to put the secrets into}
postgres=${POSTGRES:-postgres:5432}
redis=${REDIS:-redis:6379}
s3=${S3:-http://minio:9000}
bucket=${BUCKET:-tenantry}

# Written last: if this file exists, all others do.
done=$folder/app/tenantry.toml
if [ -e "$done" ]; then
    echo "the secrets already exist"
    exit 0
fi

hex() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
# An Ed25519 private key in PKCS#8 (RFC 8410): the bytes before the 32 random ones are always the same.
ed25519() {
    { printf '\060\056\002\001\000\060\005\006\003\053\145\160\004\042\004\040'; head -c 32 /dev/urandom; } | base64 -w0
}
put() { printf '%s' "$2" > "$folder/$1"; }

superuser=$(hex 24) owner=$(hex 24) app=$(hex 24) redis_password=$(hex 24)
minio_root=$(hex 8) minio_root_password=$(hex 24) s3_key=$(hex 10) s3_secret=$(hex 24)
signing_key=$(ed25519) seal_key=$(ed25519) server_secret=$(head -c 32 /dev/urandom | base64 -w0) health_token=$(hex 24)

# Readable by all users: the user that reads the volume differs between images.
umask 022
mkdir -p "$folder/migrate" "$folder/app" "$folder/postgres" "$folder/redis" "$folder/minio"

put postgres/superuser "$superuser"
put postgres/owner "$owner"
put postgres/app "$app"

cat > "$folder/redis/redis.conf" << CONFIGURATION
requirepass $redis_password
save ""
appendonly no
maxmemory 64mb
maxmemory-policy allkeys-lru
CONFIGURATION
put redis/password "$redis_password"

put minio/root-user "$minio_root"
put minio/root-password "$minio_root_password"
put minio/access-key "$s3_key"
put minio/secret-key "$s3_secret"

settings() {
    cat << SETTINGS
database_url = "postgres://$1:$2@$postgres/tenantry"
redis_url = "redis://:$redis_password@$redis"
storage_url = "s3://$bucket"
aws_endpoint_url = "$s3"
aws_access_key_id = "$s3_key"
aws_secret_access_key = "$s3_secret"
signing_keys = ["$signing_key"]
seal_keys = ["$seal_key"]
server_secrets = ["$server_secret"]
health_token = "$health_token"
SETTINGS
}
settings tenantry_owner "$owner" > "$folder/migrate/tenantry.toml"
settings tenantry "$app" > "$done.part"
mv "$done.part" "$done"
echo "the secrets are created"
