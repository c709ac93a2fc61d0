#!/bin/sh
# The image of PostgreSQL runs this script once, when its volume is new.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --no-psqlrc -v ON_ERROR_STOP=1 \
    -v owner_password="$(cat /secrets/owner)" -v app_password="$(cat /secrets/app)" \
    --file /usr/local/share/tenantry/roles.sql
