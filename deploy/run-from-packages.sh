#!/usr/bin/env bash
# Runs the services of compose.yaml as processes of this machine, for machines without a container engine:
#
#   deploy/run-from-packages.sh [--smoke] [PROGRAM]
#
# PostgreSQL and Redis come from the distribution, an S3 server and an SMTP server from PyPI. All of them listen on free
# ports of the loopback address, have production settings, keep their data in a temporary folder, and end with this script.
# With --smoke the script tests registration, email, sign-in and files, and exits with 0 if all of them work. PROGRAM is a
# tenantry that is already built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

smoke=no
if [ "${1:-}" = --smoke ]; then
    smoke=yes
    shift
fi
program=${1:-}
say() { echo "==> $*" >&2; }
fail() { echo "error: $*" >&2; exit 1; }

# --- Requirements ---

postgres_folder() {
    local found
    found=$(command -v postgres || true)
    [ -n "$found" ] || found=$(find /usr/lib/postgresql -name postgres -path '*/bin/*' 2> /dev/null | sort -V | tail -n 1)
    [ -z "$found" ] || dirname "$(readlink -f "$found")"
}
missing() {
    [ -n "$(postgres_folder)" ] || echo postgresql
    command -v redis-server > /dev/null || echo redis-server
    command -v psql > /dev/null || echo postgresql-client
    command -v curl > /dev/null || echo curl
}
mapfile -t packages < <(missing)
if [ ${#packages[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] || fail "install ${packages[*]} first"
    say "installing ${packages[*]}"
    no_cluster=/etc/postgresql-common/createcluster.d/tenantry.conf
    mkdir -p "$(dirname "$no_cluster")"
    echo 'create_main_cluster = false' > "$no_cluster"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet >&2
    apt-get install --quiet --yes --no-install-recommends "${packages[@]}" >&2
    rm "$no_cluster"
fi
postgres=$(postgres_folder)
tools=$(deploy/tools.sh)
if [ -z "$program" ]; then
    cargo build --workspace --bin tenantry
    program=${CARGO_TARGET_DIR:-target}/debug/tenantry
fi
[ -x "$program" ] || fail "$program does not exist"

# --- Start and stop of the servers ---

run=$(mktemp -d)
names=() pids=() signals=()
# NAME SIGNAL COMMAND…: the signal stops the server cleanly.
start() {
    local name=$1 signal=$2
    shift 2
    "$@" > "$run/$name.log" 2>&1 < /dev/null &
    names+=("$name") pids+=("$!") signals+=("$signal")
}
end() {
    local code=$? place
    trap - EXIT INT TERM
    # Reverse order of the start: the clients of a server end before the server.
    for ((place = ${#pids[@]} - 1; place >= 0; place--)); do
        if kill "-${signals[$place]}" "${pids[$place]}" 2> /dev/null; then
            wait "${pids[$place]}" 2> /dev/null || true
        fi
        [ "$code" = 0 ] || { echo "--- the end of ${names[$place]}.log" && tail -n 20 "$run/${names[$place]}.log"; } >&2
    done
    rm -rf "$run"
    exit "$code"
}
trap end EXIT
trap 'exit 0' INT TERM

# Waits until a command succeeds, at most 30 s.
until_works() {
    local what=$1 tries
    shift
    for ((tries = 0; tries < 150; tries++)); do
        "$@" > /dev/null 2>&1 && return
        sleep 0.2
    done
    fail "$what does not start"
}

# SeaweedFS also uses the port that is 10,000 above each of its own.
mapfile -t ports < <("$tools/python" - << 'PYTHON'
import random
import socket

held = []


def is_free(port):
    one = socket.socket()
    try:
        one.bind(("127.0.0.1", port))
    except OSError:
        return False
    held.append(one)
    return True


for _ in range(9):
    port = 0
    while not (port and is_free(port) and is_free(port + 10_000)):
        port = random.randrange(20_000, 30_000)
    print(port)
PYTHON
)
postgres_port=${ports[0]} redis_port=${ports[1]} s3_port=${ports[2]} smtp_port=${ports[3]} api_port=${ports[4]}
metrics_port=${ports[5]} master_port=${ports[6]} volume_port=${ports[7]} filer_port=${ports[8]} s3=http://127.0.0.1:$s3_port

say "creating secrets"
POSTGRES=127.0.0.1:$postgres_port REDIS=127.0.0.1:$redis_port S3=$s3 deploy/secrets.sh "$run/secrets" >&2
secret() { cat "$run/secrets/$1"; }

say "starting PostgreSQL, Redis, an S3 server and an SMTP server"
# PostgreSQL refuses to run as root.
as_postgres=()
mkdir "$run/postgres"
if [ "$(id -u)" = 0 ]; then
    account=$(id -un postgres 2> /dev/null || echo nobody)
    as_postgres=(setpriv --reuid "$account" --regid "$(id -g "$account")" --clear-groups)
    chown "$account" "$run/postgres"
    chmod 711 "$run"
fi
install -m 0444 "$run/secrets/postgres/superuser" "$run/superuser"
(cd / && "${as_postgres[@]}" "$postgres/initdb" --pgdata "$run/postgres/data" --username postgres --encoding UTF8 \
    --auth scram-sha-256 --pwfile "$run/superuser" --no-locale --no-sync > "$run/initdb.log" 2>&1) \
    || { cat "$run/initdb.log" >&2 && fail "PostgreSQL cannot be set up"; }
rm "$run/superuser"
start postgres INT "${as_postgres[@]}" "$postgres/postgres" -D "$run/postgres/data" -c listen_addresses=127.0.0.1 \
    -c port="$postgres_port" -c unix_socket_directories="$run/postgres"
mkdir "$run/redis" "$run/s3"
start redis TERM redis-server "$run/secrets/redis/redis.conf" --bind 127.0.0.1 --port "$redis_port" --dir "$run/redis"
cat > "$run/s3.json" << IDENTITIES
{"identities": [
  {"name": "root", "actions": ["Admin"],
   "credentials": [{"accessKey": "$(secret minio/root-user)", "secretKey": "$(secret minio/root-password)"}]},
  {"name": "tenantry", "actions": ["Read:tenantry", "Write:tenantry", "List:tenantry"],
   "credentials": [{"accessKey": "$(secret minio/access-key)", "secretKey": "$(secret minio/secret-key)"}]}
]}
IDENTITIES
start s3 TERM "$tools/weed" server -dir "$run/s3" -ip 127.0.0.1 -ip.bind 127.0.0.1 -master.port "$master_port" \
    -master.volumeSizeLimitMB 64 -volume.port "$volume_port" -filer -filer.port "$filer_port" \
    -s3 -s3.port "$s3_port" -s3.config "$run/s3.json"
start smtp TERM "$tools/python" -m aiosmtpd --nosetuid --listen "127.0.0.1:$smtp_port" \
    --class aiosmtpd.handlers.Mailbox "$run/maildir"

export PGPASSWORD
PGPASSWORD=$(secret postgres/superuser)
as_superuser=(psql --host 127.0.0.1 --port "$postgres_port" --username postgres --dbname postgres --no-psqlrc --quiet)
until_works PostgreSQL "${as_superuser[@]}" --command 'SELECT 1'
"${as_superuser[@]}" -v ON_ERROR_STOP=1 -v owner_password="$(secret postgres/owner)" \
    -v app_password="$(secret postgres/app)" --file deploy/postgres/roles.sql >&2
# An earlier attempt whose response came too late has created the bucket (409).
make_bucket() {
    curl --silent --request PUT --aws-sigv4 aws:amz:us-east-1:s3 --output /dev/null --write-out '%{http_code}' \
        --user "$(secret minio/root-user):$(secret minio/root-password)" "$s3/tenantry" | grep -qE '^(200|409)$'
}
until_works "the S3 server" make_bucket

# --- Tenantry, as compose.yaml has it ---

# No variables of the environment; the secrets come from one of two files.
settings=(TENANTRY_ENV=production PUBLIC_URL=https://api.tenantry.example PORT="$api_port" DATA_DIR="$run/data"
    REGISTRATION=verified MAIL_URL="smtp://127.0.0.1:$smtp_port?tls=none"
    MAIL_FROM='Tenantry <no-reply@tenantry.example>' LOG_FORMAT=json)
as_owner=(env --ignore-environment "${settings[@]}" TENANTRY_CONFIG="$run/secrets/migrate/tenantry.toml")
as_app=(env --ignore-environment "${settings[@]}" TENANTRY_CONFIG="$run/secrets/app/tenantry.toml")
say "migrating the schema, as its owner"
"${as_owner[@]}" "$program" migrate >&2
say "starting the API and a worker, as the role that row-level security binds"
start api TERM "${as_app[@]}" "$program" serve --no-worker
start worker TERM "${as_app[@]}" METRICS_ADDR="127.0.0.1:$metrics_port" "$program" worker
until_works "the API" "${as_app[@]}" "$program" healthcheck
until_works "the worker" "${as_app[@]}" "$program" healthcheck "http://127.0.0.1:$metrics_port/livez"
"${as_app[@]}" "$program" doctor >&2 || fail "tenantry doctor reports a problem"
api=http://127.0.0.1:$api_port
say "the API is at $api, mails arrive in $run/maildir/new"

if [ "$smoke" = no ]; then
    say "stop it with Ctrl-C"
    wait -n "${pids[@]}" || true
    fail "one of the services has ended"
fi

# --- Smoke test ---

call() { curl --silent --show-error --fail-with-body --max-time 20 "$@"; }
post() { call "$api/api/v1$1" --header 'Content-Type: application/json' --data "$2" "${@:3}"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
# Prints the token of the link in an email, whose line is folded (quoted-printable).
link_token() {
    cat "$run"/maildir/new/* 2> /dev/null | tr -d '\r' | sed -e :a -e '/=$/N; s/=\n//; ta' \
        | sed -n "s|.*/links/$1#\([A-Za-z0-9_-]*\).*|\1|p" | grep -m 1 .
}
password='quartz jockey vows imply'
post /auth/register "{\"email\":\"ada@tenantry.example\",\"password\":\"$password\",\"name\":\"Ada Lovelace\",
    \"tenantName\":\"Analytical Engines\"}" > /dev/null
until_works "the mail" link_token confirm
answer=$(post /auth/register/confirm "{\"token\":\"$(link_token confirm)\",\"password\":\"$password\"}")
bearer="Authorization: Bearer $(field accessToken <<< "$answer")"
call "$api/api/v1/auth/me" --header "$bearer" | grep -q '"email":"ada@tenantry.example"' || fail "/auth/me does not return the user"
say "registered, confirmed by email and signed in"

printf 'name,engine\nAda,analytical\n' > "$run/list.csv"
uploaded=$(call "$api/api/v1/files/upload" --header "$bearer" --form "file=@$run/list.csv;type=text/csv")
file=$(grep -o '"id":"[^"]*"' <<< "$uploaded" | head -n 1 | cut -d '"' -f 4)
call "$api/api/v1/files/$file/download" --header "$bearer" --output "$run/copy.csv"
cmp "$run/list.csv" "$run/copy.csv" || fail "the downloaded file differs"
say "uploaded and downloaded"

token=$(sed -n 's/^health_token = "\(.*\)"$/\1/p' "$run/secrets/app/tenantry.toml")
health=$(call "$api/health" --header "Authorization: Bearer $token") || fail "health: $health"
for check in database redis queue storage mail disk; do
    grep -q "\"$check\":{\"status\":\"pass\"" <<< "$health" || fail "$check: $health"
done
say "all checks passed"
