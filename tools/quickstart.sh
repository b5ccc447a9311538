#!/usr/bin/env bash
# Videos to report on a fresh machine: install, pose estimation, pre-training, five tasks.
# Usage: bash tools/quickstart.sh [VIDEO_OR_DIR ...]
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
bash "$root/tools/setup_venv.sh" "mediapipe,quickstart"
exec "$root/.venv/bin/python" "$root/tools/quickstart.py" "$@"
