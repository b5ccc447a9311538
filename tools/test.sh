#!/usr/bin/env bash
# Lint, types and tests on a fresh machine. Arguments go to pytest, such as: -m slow, -n 8
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup_venv.sh "mediapipe,onnx,formats,export,slurm,quickstart,dev"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# Two processes of one thread: small tensors gain nothing from the second core.
export OMP_NUM_THREADS=1
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
