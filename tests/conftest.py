import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory) -> Path:
    """A synthetic store: 8 people (2 of them test), 2 videos each, 6 classes, emotion labels."""
    from mgpose.data.synthetic import SyntheticCorpus, write_synthetic
    from mgpose.structures.micro_gestures import MICRO_GESTURES

    store = tmp_path_factory.mktemp("tiny") / "store"
    classes = tuple(gesture.name for gesture in MICRO_GESTURES[:6])
    corpus = SyntheticCorpus(
        8, 2, seconds=25, gestures_per_minute=20, mix="uniform", classes=classes
    )
    write_synthetic(corpus, store)
    return store


@pytest.fixture(scope="session")
def tiny_config(tiny_store) -> dict[str, Any]:
    """Plain values of a pre-training of 2 epochs of 3 steps, with dropout."""
    return {
        "data": {
            "name": "tiny corpus",
            "store": str(tiny_store),
            "protocol": "synthetic",
            "clip": {"frames": 16, "rate": 5.0, "max_crops": 2},
            "synthetic": True,
        },
        "encoder": {"size": "tiny", "patch": 8, "dropout": 0.1},
        "objective": {"queue": 32, "hidden": 32, "out": 16},
        "sampling": {"samples": 48},
        "schedule": {"epochs": 2, "batch_size": 16, "threads": 1},
        "monitor": {"interval": 1, "clips": 64},
    }


@pytest.fixture(scope="session")
def tiny_run(tiny_config, tmp_path_factory) -> Path:
    """The work folder of a finished pre-training by ``tiny_config``."""
    from mgpose.engine.pretrain import pretrain
    from mgpose.engine.settings import PretrainSettings, read_settings

    folder = tmp_path_factory.mktemp("tiny") / "run"
    pretrain(read_settings(PretrainSettings, tiny_config), folder)
    return folder


@pytest.fixture(scope="session")
def encoder(tiny_run: Path) -> Any:
    """The encoder of ``tiny_run``; a test that changes it takes a copy."""
    from mgpose.engine.checkpoint import load_encoder
    from mgpose.engine.pretrain import FINAL_CHECKPOINT

    return load_encoder(tiny_run / FINAL_CHECKPOINT)[0]


@pytest.fixture(scope="session")
def parts(tiny_config) -> tuple[Any, Any]:
    """The labelled clips of train and test of ``tiny_config``'s fold."""
    from mgpose.data.folds import Corpus
    from mgpose.engine.settings import PretrainSettings, read_settings

    corpus = Corpus(read_settings(PretrainSettings, tiny_config).data)
    (split,) = corpus.folds()
    return corpus.labelled(split.train), corpus.labelled(split.test)
