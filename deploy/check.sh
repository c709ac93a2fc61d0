#!/usr/bin/env bash
# Checks the files of this folder without starting a service.
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
tools=$("$folder/tools.sh")
exec "$tools/python" "$folder/check.py"
