#!/usr/bin/env bash
# Checks the files of this folder by the parsers of their forms. Nothing is started.
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
tools=$("$folder/tools.sh")
exec "$tools/python" "$folder/check.py"
