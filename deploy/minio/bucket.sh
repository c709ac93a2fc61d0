#!/bin/sh
# Makes the bucket, and a user who may do with its objects what the server needs and nothing else. It may be run again.
set -eu
secret() { cat "/secrets/$1"; }
key=$(secret access-key)
mc alias set own http://minio:9000 "$(secret root-user)" "$(secret root-password)"
mc mb --ignore-existing own/tenantry
mc admin policy create own tenantry-files /usr/local/share/tenantry/policy.json
mc admin user add own "$key" "$(secret secret-key)"
# Attaching what is attached already is refused.
mc admin policy attach own tenantry-files --user "$key" || mc admin user info own "$key" | grep -q tenantry-files
