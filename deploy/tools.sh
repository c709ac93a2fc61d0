#!/usr/bin/env bash
# Installs the packages of deploy/requirements.txt into a folder below target/ if they are missing, and prints the folder of
# the programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=deploy/requirements.txt
folder=$(pwd)/target/deploy-tools/$(sha256sum "$wanted" | cut -c1-16)
if [ ! -e "$folder/complete" ]; then
    # Debian has the module in a separate package.
    if ! python3 -c 'import ensurepip, venv' > /dev/null 2>&1; then
        if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then
            echo "the checks of deploy/ need Python 3.10 or newer with venv (Debian, Ubuntu: sudo apt-get install python3-venv)" >&2
            exit 1
        fi
        { apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends python3-venv; } >&2
    fi
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
    touch "$folder/complete"
fi
echo "$folder/bin"
