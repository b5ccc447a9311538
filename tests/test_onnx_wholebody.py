"""Networks in .onnx files: made by hand where the answer must be known, and real ones."""

import hashlib
import os
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.methods import build_method
from mgpose.extraction.estimators.onnx_network import OnnxNetwork, onnx_sha256
from mgpose.extraction.estimators.onnx_wholebody import OnnxWholeBody, decode_simcc
from mgpose.extraction.estimators.person_detectors import PersonNetwork, choose_detector
from mgpose.extraction.jobs.batch import extract_batch
from mgpose.extraction.jobs.videos import Video
from mgpose.extraction.roles import Box, View
from mgpose.io import PoseStore
from mgpose.io.pose_file import PoseFile
from mgpose.structures import InputError
from mgpose.structures.sources import WHOLEBODY_133

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SIZE = (48, 64)
LEFT_WRIST, RIGHT_WRIST = 9, 10


def save(path, shape, nodes, outputs, constants):
    """Write a network of one input ``x`` of this shape."""
    graph = helper.make_graph(
        nodes,
        "by_hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def save_colour_finder(path, batch="N", points=133, outputs=("simcc_x", "simcc_y")):
    """Each keypoint at the place that shows most of its colour: red for the left wrist, blue for
    the right one, green for all others. Two places to a pixel, of which the first counts.
    """
    colours = np.tile(np.array((0, 1, 0), np.float32), (points, 1))
    colours[[LEFT_WRIST % points, RIGHT_WRIST % points]] = np.eye(3)[[0, 2]]
    nodes = [helper.make_node("Conv", ["x", "colours"], ["seen"])]
    for name, axis in (("simcc_x", 2), ("simcc_y", 3)):
        nodes += [
            helper.make_node("ReduceMax", ["seen"], [f"{name}1"], axes=[axis], keepdims=0),
            helper.make_node("Unsqueeze", [f"{name}1", "last"], [f"{name}2"]),
            helper.make_node("Sub", [f"{name}2", "less"], [f"{name}3"]),
            helper.make_node("Reshape", [f"{name}3", "flat"], [name]),
        ]
    constants = {
        "colours": colours[:, :, None, None],
        "last": np.array([3]),
        "less": np.array((0, 1e-3), np.float32),
        "flat": np.array((0, 0, -1)),
    }
    return save(path, [batch, 3, SIZE[1], SIZE[0]], nodes, outputs, constants)


def save_constant(path, size, **outputs):
    """A network that says the same whatever it sees."""
    nodes = [helper.make_node("Identity", [f"c_{name}"], [name]) for name in outputs]
    constants = {f"c_{name}": value for name, value in outputs.items()}
    return save(path, [1, 3, size[1], size[0]], nodes, list(outputs), constants)


def spots(places, size=(320, 240)):
    """A black picture with a coloured spot at each place {channel: (x, y)}."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    rows, columns = np.mgrid[: size[1], : size[0]]
    for channel, (x, y) in places.items():
        image[..., channel] = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2 / 6**2)
    return image


@pytest.fixture(scope="module")
def colour_finder(tmp_path_factory):
    return save_colour_finder(tmp_path_factory.mktemp("onnx") / "colours.onnx")


@pytest.fixture(scope="module")
def find(colour_finder):
    return OnnxWholeBody(OnnxNetwork(colour_finder)).find


# Decoding.


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_decoding_is_a_search_place_by_place(factor):
    random = np.random.default_rng(factor)
    x = random.normal(size=(3, 133, factor * 48)).astype(np.float32)
    y = random.normal(size=(3, 133, factor * 64)).astype(np.float32)
    points, scores = decode_simcc(x, y, SIZE)
    for n in range(3):
        for v in range(133):
            along_x, along_y = list(x[n, v]), list(y[n, v])
            at = along_x.index(max(along_x)), along_y.index(max(along_y))
            np.testing.assert_allclose(points[n, v], (at[0] / factor, at[1] / factor), rtol=1e-6)
            assert scores[n, v] == min(max(along_x), max(along_y))


# Geometry and colours, in pictures.


@pytest.mark.parametrize(
    "box",
    [Box(0, 0, 320, 240), Box(60, 30, 260, 230), Box(-30, 20, 250, 400), Box(90, 90, 200, 180)],
)
def test_a_keypoint_is_found_where_the_picture_shows_it(find, box):
    places = {0: (130, 110), 1: (160, 140), 2: (185, 170)}
    keypoints, _ = find([spots(places)], [box])
    pixel = 1.25 * max((box.x1 - box.x0) / SIZE[0], (box.y1 - box.y0) / SIZE[1])
    for keypoint, channel in ((LEFT_WRIST, 0), (0, 1), (RIGHT_WRIST, 2)):
        np.testing.assert_allclose(keypoints[0, keypoint], places[channel], atol=0.75 * pixel)


def test_a_mirrored_picture_gives_the_mirrored_keypoints(find):
    image, box = spots({0: (110, 90), 2: (200, 150)}), Box(40, 20, 280, 230)
    mirrored_box = Box(319 - box.x1, box.y0, 319 - box.x0, box.y1)
    (keypoints,), _ = find([image], [box])
    (mirrored,), _ = find([image[:, ::-1]], [mirrored_box])
    both = [LEFT_WRIST, RIGHT_WRIST]
    pixel = 1.25 * 240 / SIZE[0]
    np.testing.assert_allclose(mirrored[both, 0], 319 - keypoints[both, 0], atol=1.01 * pixel)
    np.testing.assert_allclose(mirrored[both, 1], keypoints[both, 1], atol=1e-3)
    assert keypoints[LEFT_WRIST, 0] < keypoints[RIGHT_WRIST, 0]
    assert mirrored[LEFT_WRIST, 0] > mirrored[RIGHT_WRIST, 0]


def test_pixels_reach_the_network_as_rgb_less_mean_over_deviation(tmp_path):
    path = save(
        tmp_path / "mean.onnx",
        ["N", 3, 64, 48],
        [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
            helper.make_node("Slice", ["m", "a", "b", "c"], ["one"]),
            helper.make_node("Unsqueeze", ["m", "c"], ["rgb"]),
        ],
        ["rgb", "one"],
        {"a": np.array([0]), "b": np.array([1]), "c": np.array([1])},
    )
    seen = []
    network = OnnxNetwork(path)
    run = network.run
    network.run = lambda pixels: seen.extend(run(pixels)) or seen
    image = np.full((90, 60, 3), (200, 100, 50), np.uint8)
    with pytest.raises(InputError, match="expected the outputs simcc_x"):
        OnnxWholeBody(network).find([image], [Box(25, 40, 35, 50)])
    expected = ((200 - 123.675) / 58.395, (100 - 116.28) / 57.12, (50 - 103.53) / 57.375)
    np.testing.assert_allclose(seen[0].ravel(), expected, rtol=1e-5)


# Batches.


@pytest.mark.parametrize("batch", ["N", 1, 2, 4])
def test_frames_in_a_batch_are_found_as_one_by_one(tmp_path, find, batch):
    images = [spots({0: (100 + 9 * i, 90), 2: (200, 150 + 5 * i)}) for i in range(5)]
    boxes = [Box(10 * i, 5 * i, 310 - i, 230) for i in range(5)]
    network = OnnxWholeBody(OnnxNetwork(save_colour_finder(tmp_path / "n.onnx", batch)))
    keypoints, scores = network.find(images, boxes)
    for i in range(5):
        one_keypoints, one_scores = find(images[i : i + 1], boxes[i : i + 1])
        np.testing.assert_array_equal(keypoints[i], one_keypoints[0])
        np.testing.assert_allclose(scores[i], one_scores[0], rtol=1e-5)


# Detectors.


def test_rtmdet_boxes_return_to_the_picture(tmp_path):
    """640 x 480 into 320 x 320 is half the size, at the top left."""
    dets = [
        (50, 20, 150, 220, 0.9),
        (200, 10, 300, 500, 0.8),
        (0, 0, 9, 9, 0.95),
        (1, 1, 9, 9, 0.2),
    ]
    path = save_constant(
        tmp_path / "rtmdet.onnx",
        (320, 320),
        dets=np.array([dets], np.float32),
        labels=np.array([[0, 0, 16, 0]], np.float32),  # 16 is a dog; the last is unsure
    )
    boxes = PersonNetwork(OnnxNetwork(path), "rtmdet").detect(np.zeros((480, 640, 3), np.uint8))
    assert [(b.x0, b.y0, b.x1, b.y1) for b in boxes] == [(100, 40, 300, 440), (400, 20, 600, 480)]
    assert [b.score for b in boxes] == pytest.approx([0.9, 0.8])


def yolox_rows(people, size=320, classes=80):
    """YOLOX' output for boxes {(x0, y0, x1, y1): (objectness, class, score)}, by its definition."""
    rows = {}
    offset = 0
    for stride in (8, 16, 32):
        side = size // stride
        for (x0, y0, x1, y1), (sure, kind, score) in people.items():
            x, y = (x0 + x1) / 2 / stride, (y0 + y1) / 2 / stride
            row = np.zeros(5 + classes, np.float32)
            row[:2] = x - int(x), y - int(y)
            row[2:4] = np.log((x1 - x0) / stride), np.log((y1 - y0) / stride)
            row[4], row[5 + kind] = sure, score
            rows[offset + int(y) * side + int(x)] = row
        offset += side**2
    output = np.zeros((1, offset, 5 + classes), np.float32)
    for place, row in rows.items():
        output[0, place] = row
    return output


def test_yolox_boxes_are_decoded_and_each_person_is_one(tmp_path):
    people = {
        (20, 30, 120, 290): (0.9, 0, 0.9),
        (180, 60, 260, 300): (0.8, 0, 0.9),
        (100, 100, 140, 150): (0.9, 16, 0.9),  # a dog
        (10, 10, 20, 20): (0.6, 0, 0.6),  # unsure
    }
    path = save_constant(tmp_path / "a.onnx", (320, 320), output=yolox_rows(people))
    boxes = PersonNetwork(OnnxNetwork(path), "yolox").detect(np.zeros((640, 640, 3), np.uint8))
    found = sorted((b.x0, b.y0, b.x1, b.y1) for b in boxes)
    expected = [(40, 60, 240, 580), (360, 120, 520, 600)]  # on three grids, found once
    np.testing.assert_allclose(found, expected, atol=1e-2)
    assert max(b.score for b in boxes) == pytest.approx(0.81)


@pytest.mark.parametrize(
    ("kind", "mean", "deviation"),
    [
        ("rtmdet", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)),
        ("yolox", (0, 0, 0), (1, 1, 1)),
    ],
)
def test_detectors_see_bgr_with_a_grey_margin(tmp_path, kind, mean, deviation):
    path = save_constant(tmp_path / "a.onnx", (64, 64), dets=np.zeros((1, 0, 5), np.float32))
    network = OnnxNetwork(path)
    seen = []
    network.run = lambda pixels: (
        seen.append(pixels)
        or [
            np.zeros((1, 0, 5), np.float32),
            np.zeros((1, 0)),
        ]
    )
    image = np.full((60, 120, 3), (200, 100, 50), np.uint8)
    assert PersonNetwork(network, kind).detect(image) == []
    pixels = seen[0][0].transpose(1, 2, 0) * deviation + mean
    np.testing.assert_allclose(pixels[:32], np.broadcast_to((50, 100, 200), (32, 64, 3)), atol=1e-3)
    np.testing.assert_allclose(pixels[32:], 114, atol=1e-3)


def test_detectors_by_name_and_what_they_leave_out(tmp_path):
    path = save_constant(tmp_path / "RTMDet-m.onnx", (64, 64), other=np.zeros((1, 3), np.float32))
    choice = choose_detector(EstimatorSettings("onnx", detector=str(path)))
    assert choice.name == f"rtmdet-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    assert not choice.may_miss
    assert choose_detector(EstimatorSettings("onnx", detector=f"yolox:{path}")).name != choice.name
    with pytest.raises(InputError, match="expected dets"):
        choice.build().detect(np.zeros((64, 64, 3), np.uint8))


# What cannot be used.


def test_networks_of_other_kinds_are_refused(tmp_path):
    body = save_colour_finder(tmp_path / "body.onnx", points=17)
    with pytest.raises(InputError, match=r"expected the 133 keypoints .* found 17"):
        OnnxWholeBody(OnnxNetwork(body)).find([spots({})], [Box(0, 0, 9, 9)])
    one = save_colour_finder(tmp_path / "one.onnx", outputs=["simcc_x"])
    with pytest.raises(InputError, match="expected the outputs simcc_x"):
        OnnxWholeBody(OnnxNetwork(one)).find([spots({})], [Box(0, 0, 9, 9)])
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    with pytest.raises(InputError, match=r"text\.onnx: expected an ONNX network"):
        OnnxNetwork(text)


def test_a_device_that_is_not_there_is_refused_with_those_that_are(colour_finder):
    import onnxruntime

    available = onnxruntime.get_available_providers()
    for device, provider in (("cuda", "CUDA"), ("openvino", "OpenVINO"), ("tpu", "none")):
        if f"{provider}ExecutionProvider" not in available:
            with pytest.raises(InputError, match=rf"--device {device}: .*\(cpu"):
                OnnxNetwork(colour_finder, device)


def test_without_onnxruntime_one_line_says_what_to_install(monkeypatch, colour_finder):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="pip install onnxruntime"):
        build_method(EstimatorSettings("onnx", model=str(colour_finder)))


def test_the_hash_covers_weights_outside_of_the_file(tmp_path, colour_finder):
    assert onnx_sha256(colour_finder) == hashlib.sha256(colour_finder.read_bytes()).hexdigest()
    path = tmp_path / "split.onnx"
    onnx.save(
        onnx.load(colour_finder),
        path,
        save_as_external_data=True,
        location="w.bin",
        size_threshold=64,
    )
    weights = tmp_path / "w.bin"
    before = hashlib.sha256(path.read_bytes() + weights.read_bytes()).hexdigest()
    assert onnx_sha256(path) == before
    OnnxNetwork(path)
    weights.write_bytes(bytes(len(weights.read_bytes())))
    os.utime(path)
    assert onnx_sha256(path) != before
    weights.unlink()
    os.utime(path, (1, 1))
    with pytest.raises(InputError, match=r"expected its weights in w\.bin"):
        onnx_sha256(path)


# Videos.


def test_a_video_becomes_a_store_that_names_its_weights(tmp_path, write_video, colour_finder):
    places = [{0: (110 + 4 * i, 90), 1: (160, 100), 2: (200, 150)} for i in range(11)]
    video = write_video(tmp_path / "v.mp4", [spots(p) for p in places])
    settings = EstimatorSettings("onnx", model=str(colour_finder), batch=4)
    (outcome,) = extract_batch([Video(video, "v", None)], tmp_path / "store", settings)
    assert (outcome.status, outcome.frames) == ("extracted", 11)
    sequence = PoseStore(tmp_path / "store")["v"]
    assert sequence.skeleton == WHOLEBODY_133
    wrist = sequence.keypoints[:, WHOLEBODY_133.keypoints.index("left_wrist")]
    np.testing.assert_allclose(wrist, [p[0] for p in places], atol=0.75 * 1.25 * 320 / SIZE[0])
    with PoseFile(tmp_path / "store" / "v.h5") as file:
        provenance = file.header.provenance
    assert provenance.estimator == "onnx-wholebody"
    assert provenance.estimator_version.endswith("+full-frame")
    assert provenance.weights_sha256 == hashlib.sha256(colour_finder.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def real_network(tmp_path_factory):
    """A whole-body network of the user's, or a convolutional one with RTMPose's outputs."""
    if given := os.environ.get("MGPOSE_TEST_ONNX"):
        return Path(given)
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            layers = []
            for a, b in ((3, 16), (16, 32), (32, 64), (64, 64), (64, 133)):
                layers += [nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.SiLU()]
            self.body = nn.Sequential(*layers, nn.Flatten(2))
            self.x, self.y = nn.Linear(48, 384), nn.Linear(48, 512)

        def forward(self, pixels):
            features = self.body(pixels)
            return self.x(features), self.y(features)

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("real") / "network.onnx"
    torch.onnx.export(
        Network().eval(),
        (torch.zeros(1, 3, 256, 192),),
        str(path),
        input_names=["input"],
        output_names=["simcc_x", "simcc_y"],
        dynamic_axes={name: {0: "batch"} for name in ("input", "simcc_x", "simcc_y")},
        opset_version=17,
        dynamo=False,
    )
    return path


@pytest.mark.slow
@pytest.mark.shared
def test_a_network_of_torch_on_a_real_video(tmp_path, real_data, real_network):
    import av

    with av.open(str(real_data / "videos/intel-asl/help.mkv")) as video:
        images = [frame.to_ndarray(format="rgb24") for frame in islice(video.decode(video=0), 20)]
    settings = EstimatorSettings("onnx", model=str(real_network))
    estimator = build_method(settings).estimator()
    keypoints, scores = estimator.estimate([View(image) for image in images])
    for i in (0, 7, 19):
        one, _ = estimator.estimate([View(images[i])])
        np.testing.assert_allclose(keypoints[i], one[0], atol=1e-3)
    found = np.isfinite(keypoints[..., 0])
    assert found.mean() > 0.5
    assert (found == (scores > 0)).all()
    assert np.abs(np.diff(keypoints, axis=0)[found[1:] & found[:-1]]).max() > 0
    # The crop is a quarter larger than the frame, and of another shape.
    assert (np.abs(keypoints[found][:, 1] - 240) < 720).all()
