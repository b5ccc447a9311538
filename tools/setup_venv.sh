#!/usr/bin/env bash
# Make .venv and install mgpose with the given extras; does nothing where that is done.
# Usage: bash tools/setup_venv.sh "mediapipe,quickstart"
#   PYTHON            interpreter (default: python3)
#   EXTRA_INDEX_URL   a further package index, such as the one with CPU builds of torch
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras="$1"
venv=.venv
wanted="$extras $(cat setup.cfg tools/constraints.txt | cksum)"
marker="$venv/.mgpose-$(echo "$extras" | tr ',' '-')"

if [ -f "$marker" ] && [ "$(cat "$marker")" = "$wanted" ]; then
    exit 0
fi
echo "installing mgpose[$extras] into $venv (two or three minutes, about 2.5 GB)"
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check install -q -c tools/constraints.txt)
if [ -n "${EXTRA_INDEX_URL:-}" ]; then
    pip+=(--extra-index-url "$EXTRA_INDEX_URL")
fi
"${pip[@]}" -e ".[$extras]"
# MMEngine and MediaPipe bring two OpenCV builds that need libGL; the headless one needs nothing
# and takes their place in the folder that they share.
if ! "$venv/bin/python" -c "import cv2" 2>/dev/null; then
    "${pip[@]}" --no-deps --force-reinstall opencv-python-headless
fi
echo "$wanted" > "$marker"
