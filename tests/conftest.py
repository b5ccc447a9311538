import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real videos and keypoint sets, or a skip."""
    folder = Path(os.environ.get("MGPOSE_REAL_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set MGPOSE_REAL_DATA")
    return folder
