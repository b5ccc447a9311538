"""MMPose's files without MMPose; and, slow, its real networks with random weights."""

import hashlib
import importlib.util
import pickle
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.methods import build_method
from mgpose.extraction.estimators.mmpose_files import (
    find_config,
    load_weights,
    published_checkpoint,
)
from mgpose.extraction.jobs.batch import extract_batch
from mgpose.extraction.jobs.videos import Video
from mgpose.extraction.roles import Box, View
from mgpose.io import PoseStore
from mgpose.structures import InputError
from mgpose.structures.sources import WHOLEBODY_133

NAME = "rtmw-m_8xb1024-270e_cocktail14-256x192"
HERE = importlib.util.find_spec("mmpose") is not None

needs_mmpose = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # MMPose uses what others have deprecated
    pytest.mark.skipif(not HERE, reason="MMPose is not installed: bash tools/install_mmpose.sh"),
]


# Files.


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder laid out as MMPose's package, whose one model is published beside it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights = tmp_path / "site" / "tiny-0123.pth"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    mim = tmp_path / "mmpose" / ".mim"
    (mim / "configs" / "whole").mkdir(parents=True)
    (mim / "configs" / "whole" / "tiny-256x192.py").write_text("model = {}")
    (mim / "model-index.yml").write_text("Import:\n- configs/whole/tiny.yml\n")
    (mim / "configs" / "whole" / "tiny.yml").write_text(
        f"Models:\n- Config: configs/whole/tiny-256x192.py\n  Weights: {weights.as_uri()}\n"
        "- Config: configs/whole/lost-256x192.py\n  Weights: file:///nowhere/lost.pth\n"
    )
    return tmp_path / "mmpose"


def test_a_config_is_a_file_or_the_name_of_one_of_mmposes(package, tmp_path):
    named = find_config("tiny-256x192", package)
    assert named == package / ".mim/configs/whole/tiny-256x192.py"
    assert find_config(str(named), Path("elsewhere")) == named
    for wrong in ("tiny", "", "../tiny-256x192", "*", str(tmp_path / "no.py")):
        with pytest.raises(InputError, match="expected an MMPose config file or the name"):
            find_config(wrong, package)


def test_a_published_checkpoint_is_fetched_once(package, tmp_path):
    path = published_checkpoint("tiny-256x192", package)
    assert path.read_bytes() == b"weights"
    (tmp_path / "site" / "tiny-0123.pth").unlink()
    assert published_checkpoint("tiny-256x192", package) == path
    with pytest.raises(InputError, match=r"lost\.pth: cannot be downloaded .*--checkpoint"):
        published_checkpoint("lost-256x192", package)
    with pytest.raises(InputError, match="expected --checkpoint FILE"):
        published_checkpoint("unknown", package)


def network(seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_are_read_beside_numpy_values(tmp_path, prefix):
    source, target = network(1), network(2)
    meta = {
        "sigmas": np.linspace(0, 1, 133, dtype=np.float32),
        "colours": np.zeros((133, 3), np.uint8),
        "best": np.float64(0.7),
        "epoch": np.int64(3),
    }
    state = {prefix + name: value for name, value in source.state_dict().items()}
    state["teacher.weight"] = torch.zeros(3)  # distilled networks bring more than they need
    torch.save({"state_dict": state, "meta": meta}, tmp_path / "a.pth")
    assert not same(source, target)
    load_weights(target, tmp_path / "a.pth")
    assert same(source, target)
    torch.save(source.state_dict(), tmp_path / "bare.pth")
    load_weights(target := network(3), tmp_path / "bare.pth")
    assert same(source, target)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    torch.save({"state_dict": {"0.weight": network(0)[0].weight}}, tmp_path / "part.pth")
    with pytest.raises(InputError, match=r"none for 5 of its parts, such as 0\.bias"):
        load_weights(network(0), tmp_path / "part.pth")
    wide = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5))
    torch.save(wide.state_dict(), tmp_path / "wide.pth")
    with pytest.raises(InputError, match="size mismatch"):
        load_weights(network(0), tmp_path / "wide.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match=r"text\.pth: expected weights of this network"):
        load_weights(network(0), tmp_path / "text.pth")


class Command:
    """Leaves a file behind when it is unpickled by an unwary reader."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    mark = tmp_path / "executed"
    torch.save({"state_dict": network(0).state_dict(), "x": Command(mark)}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=r"bad\.pth: expected weights"):
        load_weights(network(0), tmp_path / "bad.pth")
    assert not mark.exists()
    pickle.loads(pickle.dumps(Command(mark)))
    assert mark.exists()


@pytest.mark.skipif(HERE, reason="MMPose is installed")
def test_without_mmpose_one_line_names_the_script():
    with pytest.raises(InputError, match=r"bash tools/install_mmpose\.sh"):
        build_method(EstimatorSettings("mmpose", model=NAME))


def test_the_script_is_sound(repo):
    script = repo / "tools" / "install_mmpose.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.stat().st_mode & 0o111


# The real library.


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights of RTMW-m, as far apart as trained ones, in a file like a published one."""
    from mgpose.extraction.estimators.mmpose_imports import import_mmpose

    apis = import_mmpose()
    package = Path(importlib.util.find_spec("mmpose").origin).parent
    model = apis.init_model(str(find_config(NAME, package)), device="cpu")
    random = torch.Generator().manual_seed(0)
    for weights in model.parameters():
        if weights.ndim > 1:
            scale = (1.5 / weights[0].numel()) ** 0.5
            weights.data = torch.randn(weights.shape, generator=random) * scale
    path = tmp_path_factory.mktemp("mmpose") / "random.pth"
    meta = {"dataset_meta": dict(model.dataset_meta)}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
    return path


@pytest.fixture(scope="module")
def frames(real_data):
    import av

    with av.open(str(real_data / "videos/intel-asl/help.mkv")) as video:
        return [f.to_ndarray(format="rgb24") for f in islice(video.decode(video=0), 5)]


BOXES = [None, Box(100.5, 20, 500, 470), Box(-20, 10, 300, 480.25), Box(200, 100, 420, 400), None]


def reference(model, image, box):
    """MMPose's own way, for one picture."""
    from mgpose.extraction.estimators.mmpose_imports import import_mmpose

    boxes = None if box is None else np.array([[box.x0, box.y0, box.x1, box.y1]])
    image = np.ascontiguousarray(image[..., ::-1])
    (found,) = import_mmpose().inference_topdown(model, image, boxes)
    return found.pred_instances.keypoints[0], found.pred_instances.keypoint_scores[0]


@pytest.mark.shared
class TestRealLibrary:
    pytestmark = needs_mmpose

    def test_a_batch_of_frames_equals_inference_topdown_frame_by_frame(self, checkpoint, frames):
        method = build_method(EstimatorSettings("mmpose", NAME, str(checkpoint)))
        estimator = method.estimator()
        views = [View(image, box) for image, box in zip(frames, BOXES, strict=True)]
        keypoints, scores = estimator.estimate(views)
        for i, (image, box) in enumerate(zip(frames, BOXES, strict=True)):
            expected, sure = reference(estimator._network._model, image, box)
            np.testing.assert_allclose(keypoints[i], expected, atol=1e-2)
            np.testing.assert_allclose(scores[i], np.clip(sure, 0, 1), atol=1e-3)
        assert np.ptp(keypoints[0], axis=0).min() > 50  # not all in one place

    def test_the_same_weights_as_onnx_give_the_same_keypoints(self, checkpoint, frames, tmp_path):
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
        settings = EstimatorSettings("mmpose", NAME, str(checkpoint))
        model = build_method(settings).estimator()._network._model

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, pixels):
                return self.model.head(self.model.extract_feat(pixels))

        path = tmp_path / "rtmw.onnx"
        names = {"input_names": ["input"], "output_names": ["simcc_x", "simcc_y"]}
        torch.onnx.export(
            Network().eval(),  # the export leaves it in the state that it found
            (torch.zeros(1, 3, 256, 192),),
            str(path),
            **names,
            dynamic_axes={name: {0: "N"} for group in names.values() for name in group},
            opset_version=17,
            dynamo=False,
        )
        estimator = build_method(EstimatorSettings("onnx", str(path))).estimator()
        views = [View(image, box) for image, box in zip(frames, BOXES, strict=True)]
        keypoints, scores = estimator.estimate(views)
        flips = model.test_cfg["flip_test"]
        model.test_cfg["flip_test"] = False  # an exported network has no flip test
        expected = [reference(model, v.image, v.subject) for v in views]
        model.test_cfg["flip_test"] = flips
        apart = np.linalg.norm(keypoints - np.stack([k for k, _ in expected]), axis=-1)
        assert np.median(apart) < 1e-3
        assert (apart < 0.1).mean() > 0.99  # two equal places may change their order
        np.testing.assert_allclose(
            scores, np.clip(np.stack([s for _, s in expected]), 0, 1), atol=1e-3
        )

    def test_a_video_becomes_a_store(self, checkpoint, frames, tmp_path, write_video):
        video = write_video(tmp_path / "v.mp4", frames)
        settings = EstimatorSettings("mmpose", NAME, str(checkpoint), batch=2)
        (outcome,) = extract_batch([Video(video, "v")], tmp_path / "store", settings)
        assert (outcome.status, outcome.frames) == ("extracted", 5)
        assert PoseStore(tmp_path / "store")["v"].skeleton == WHOLEBODY_133
        expected = hashlib.sha256()
        package = Path(importlib.util.find_spec("mmpose").origin).parent
        for path in (find_config(NAME, package), checkpoint):
            expected.update(path.read_bytes())
        assert build_method(settings).weights_sha256 == expected.hexdigest()

    def test_a_network_of_other_keypoints_is_refused(self, tmp_path):
        name = "rtmpose-t_8xb256-420e_coco-256x192"
        package = Path(importlib.util.find_spec("mmpose").origin).parent
        from mgpose.extraction.estimators.mmpose_imports import import_mmpose

        model = import_mmpose().init_model(str(find_config(name, package)), device="cpu")
        torch.save(model.state_dict(), tmp_path / "body.pth")
        method = build_method(EstimatorSettings("mmpose", name, str(tmp_path / "body.pth")))
        with pytest.raises(InputError, match=r"expected the 133 keypoints .* found 17"):
            method.estimator()
