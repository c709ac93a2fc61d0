#!/bin/sh
# Creates the bucket, and a user with only the permissions on its objects that the server needs. A second run changes nothing.
set -eu
secret() { cat "/secrets/$1"; }
key=$(secret access-key)
mc alias set own http://minio:9000 "$(secret root-user)" "$(secret root-password)"
mc mb --ignore-existing own/tenantry
mc admin policy create own tenantry-files /usr/local/share/tenantry/policy.json
mc admin user add own "$key" "$(secret secret-key)"
# MinIO refuses to attach a policy that is already attached.
mc admin policy attach own tenantry-files --user "$key" || mc admin user info own "$key" | grep -q tenantry-files
