#!/usr/bin/env bash
# Lint, types and tests on a fresh machine. Arguments go to pytest, such as: -m slow
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup_venv.sh "mediapipe,onnx,formats,export,slurm,quickstart,dev"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
exec .venv/bin/python -m pytest "$@"
