#!/usr/bin/env bash
# Fetches OpenSSH 10 of bookworm-backports into target/openssh10, beside the installed one, which stays as it is. Some tests
# need it (penalties, ML-KEM, ping@openssh.com) and are skipped without. Nothing happens where it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/debian.sh
fetch_openssh10
