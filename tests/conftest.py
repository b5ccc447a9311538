import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
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


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """``write_video(path, images, rate=25, codec="mpeg4")`` encodes (H, W, 3) RGB images."""
    import av

    def write(path: Path, images: Iterable[np.ndarray], rate: int = 25, codec="mpeg4") -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.bit_rate = 4_000_000
            for number, image in enumerate(images):
                if number == 0:
                    stream.height, stream.width = image.shape[:2]
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def person_images() -> Callable[[int], list[np.ndarray]]:
    """``person_images(count)``: a portrait photograph that pans by a pixel or two a frame."""
    pytest.importorskip("mediapipe")
    portrait = pytest.importorskip("skimage.data").astronaut()

    def images(count: int) -> list[np.ndarray]:
        return [np.roll(portrait, (i // 2, i), axis=(0, 1))[::2, ::2] for i in range(count)]

    return images
