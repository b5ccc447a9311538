#!/usr/bin/env bash
# Add MMPose, for the estimator "mmpose", to the environment of mgpose; nothing where that is done.
# Usage: bash tools/install_mmpose.sh
#   VENV              environment (default: .venv, made when absent)
#   PYTHON            interpreter of a new environment (default: python3)
#   EXTRA_INDEX_URL   a further package index, such as the one with CPU builds of torch
# `pip install mmpose` fails: it asks for chumpy, which does not build and which nothing in MMPose
# imports, and for wheels that fit neither today's numpy nor a torch without CUDA. A compiler (gcc)
# is needed for one small package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv="${VENV:-.venv}"
wanted="$(cat setup.cfg tools/constraints.txt tools/install_mmpose.sh | cksum)"
marker="$venv/.mgpose-mmpose"

if [ -f "$marker" ] && [ "$(cat "$marker")" = "$wanted" ]; then
    exit 0
fi
if ! command -v "${CC:-gcc}" > /dev/null; then
    echo "error: expected a C compiler, found no ${CC:-gcc}; install one, such as gcc" >&2
    exit 2
fi
echo "installing MMPose into $venv (two to four minutes)"
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
python="$venv/bin/python"
pip=("$python" -m pip --disable-pip-version-check install -q -c tools/constraints.txt)
if [ -n "${EXTRA_INDEX_URL:-}" ]; then
    pip+=(--extra-index-url "$EXTRA_INDEX_URL")
fi
# Version 82 of setuptools dropped pkg_resources, which MMEngine and MMPose import.
"${pip[@]}" -e ".[onnx]" "setuptools>=77.0.3,<82" wheel cython mmcv-lite==2.1.0 \
    json_tricks munkres pycocotools shapely six terminaltables
# Not its dependencies: the torch that is here stays.
"${pip[@]}" --no-deps torchvision==0.28.0
# The wheel was built for numpy 1.
"${pip[@]}" --no-deps --no-build-isolation --no-binary xtcocotools xtcocotools==1.14.3
"${pip[@]}" --no-deps mmpose==1.3.2 mmdet==3.3.0
# MMEngine brings an OpenCV that needs libGL; the headless one needs nothing and takes its place.
if ! "$python" -c "import cv2" 2>/dev/null; then
    "${pip[@]}" --no-deps --force-reinstall opencv-python-headless
fi
"$python" -c "from mgpose.extraction.estimators.mmpose_wholebody import import_mmpose; import_mmpose()"
"$python" -m pip check || echo "(that mmpose lacks chumpy is meant: it never imports it)"
echo "$wanted" > "$marker"
