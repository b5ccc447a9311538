"""MediaPipe's tasks, with a bundle made of the models that its wheel of 0.10.14 carries.

The published bundle cannot be had without a network. This one holds the same networks for body and
hands; its face network is the one of 468 points, lengthened by ten points at zero for the irises;
its blendshapes, which nobody asks for, are zeros. The models come with one release of MediaPipe and
the tasks that work with another, so the last test runs this file again with a current one.
"""

import gc
import os
import subprocess
import sys
import warnings
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.mediapipe_tasks import MediaPipeTasks, landmarks_to_pose
from mgpose.extraction.estimators.methods import build_method
from mgpose.extraction.jobs.batch import extract_batch
from mgpose.extraction.jobs.videos import Video
from mgpose.extraction.roles import Box, View
from mgpose.io import PoseStore
from mgpose.structures import InputError
from mgpose.structures.sources import MEDIAPIPE_543

pytest.importorskip("mediapipe")
vision = pytest.importorskip("mediapipe.tasks.python.vision")

MODULES = Path(find_spec("mediapipe").origin).parent / "modules"
# (file, mean and deviation of its input), which tasks read in the model's metadata.
MODELS = {
    "face_detector": ("face_detection/face_detection_short_range", 127.5, 127.5),
    "face_landmarks_detector": ("face_landmark/face_landmark", 0.0, 255.0),
    "hand_landmarks_detector": ("hand_landmark/hand_landmark_full", 0.0, 255.0),
    "hand_roi_refinement": ("holistic_landmark/hand_recrop", 0.0, 255.0),
    "pose_detector": ("pose_detection/pose_detection", 127.5, 127.5),
    "pose_landmarks_detector": ("pose_landmark/pose_landmark_full", 0.0, 255.0),
}
RELEASE = tuple(map(int, version("mediapipe").split(".")[:3]))
CURRENT = RELEASE >= (0, 10, 30)
needs_current = pytest.mark.skipif(not CURRENT, reason="mediapipe is older than 0.10.30")
POSE, FACE, LEFT, RIGHT = slice(0, 33), slice(33, 501), slice(501, 522), slice(522, 543)


def new_tensor(schema, shape, buffer):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = f"new_{buffer}", list(shape), buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def new_buffer(schema, values):
    buffer = schema.BufferT()
    buffer.data = values.astype(np.float32).reshape(-1).view(np.uint8)
    return buffer


def new_operation(schema, model, code, options, inputs, outputs):
    kind = schema.OperatorCodeT()
    kind.builtinCode = kind.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, code)
    kind.version = 1
    operation = schema.OperatorT()
    operation.opcodeIndex = len(model.operatorCodes)
    operation.inputs, operation.outputs = inputs, outputs
    operation.builtinOptionsType = getattr(schema.BuiltinOptions, options)
    operation.builtinOptions = getattr(schema, f"{options}T")()
    model.operatorCodes.append(kind)
    model.subgraphs[0].operators.append(operation)
    return operation


def packed(model):
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def lengthened(schema, content):
    """The face network with ten points at zero behind its 468."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    graph = model.subgraphs[0]
    (mesh,) = [int(t) for t in graph.outputs if max(graph.tensors[t].shape) == 3 * 468]
    shape = list(graph.tensors[mesh].shape)
    model.buffers.append(new_buffer(schema, np.zeros(30)))
    graph.tensors.append(new_tensor(schema, [*shape[:-1], 30], len(model.buffers) - 1))
    graph.tensors.append(new_tensor(schema, [*shape[:-1], 3 * 478], 0))
    zeros, longer = len(graph.tensors) - 2, len(graph.tensors) - 1
    join = new_operation(
        schema, model, "CONCATENATION", "ConcatenationOptions", [mesh, zeros], [longer]
    )
    join.builtinOptions.axis = len(shape) - 1
    graph.outputs = [longer if t == mesh else int(t) for t in graph.outputs]
    return packed(model)


def no_blendshapes(schema):
    """A network (1, 146, 2) to (1, 52) that answers zeros."""
    model = schema.ModelT()
    model.version, model.operatorCodes = 3, []
    empty = schema.BufferT()
    model.buffers = [empty, new_buffer(schema, np.zeros((52, 292)))]
    graph = schema.SubGraphT()
    shapes = (((1, 146, 2), 0), ((52, 292), 1), ((1, 52), 0))
    graph.tensors = [new_tensor(schema, shape, buffer) for shape, buffer in shapes]
    graph.inputs, graph.outputs, graph.operators = [0], [2], []
    model.subgraphs = [graph]
    new_operation(
        schema, model, "FULLY_CONNECTED", "FullyConnectedOptions", inputs=[0, 1, -1], outputs=[2]
    )
    return packed(model)


def with_metadata(writers, content, mean, deviation):
    """The network with the note of how its picture is normalised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the writer leaves its folder to the end
        writer = writers.MetadataWriter.create(bytearray(content))
        writer.add_image_input([mean], [deviation])
        noted = bytes(writer.populate()[0])
        del writer
        gc.collect()
    return noted


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The user's bundle (MGPOSE_TEST_TASK), or one from the wheel's models."""
    if given := os.environ.get("MGPOSE_TEST_TASK"):
        return Path(given)
    schema = pytest.importorskip("mediapipe.tasks.metadata.schema_py_generated")
    package = "mediapipe.tasks.python.metadata.metadata_writers"
    writers = pytest.importorskip(f"{package}.metadata_writer")
    path = tmp_path_factory.mktemp("tasks") / "holistic.task"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, (file, mean, deviation) in MODELS.items():
            if not (MODULES / f"{file}.tflite").is_file():
                pytest.skip(f"this mediapipe carries no {file}.tflite")
            content = (MODULES / f"{file}.tflite").read_bytes()
            if name == "face_landmarks_detector":
                content = lengthened(schema, content)
            content = with_metadata(writers, content, mean, deviation)
            archive.writestr(f"{name}.tflite", content)
        archive.writestr("face_blendshapes.tflite", no_blendshapes(schema))
    return path


@pytest.fixture(scope="module")
def estimator(bundle):
    if not CURRENT:
        pytest.skip("mediapipe is older than 0.10.30")
    estimator = MediaPipeTasks(bundle)
    yield estimator
    estimator.close()


@pytest.fixture(scope="module")
def portrait():
    return pytest.importorskip("skimage.data").astronaut()


def test_a_portrait_has_a_body_and_a_face_where_it_shows_them(estimator, portrait):
    (keypoints,), (scores,) = estimator.estimate([View(portrait)])
    nose, left_eye, right_eye = keypoints[[0, 2, 5]]
    assert 200 < nose[0] < 260
    assert 90 < nose[1] < 150
    assert left_eye[0] > right_eye[0]  # the subject's left is the picture's right
    assert keypoints[12, 0] < nose[0] < keypoints[11, 0]
    assert np.linalg.norm(keypoints[34] - nose) < 25  # the tip of the nose in the mesh
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.isnan(keypoints[:, 0]) == (scores == 0))[33:].all()
    assert (keypoints.dtype, scores.dtype) == (np.float32, np.float32)


def test_nobody_is_found_where_nobody_is_and_the_past_is_forgotten(estimator, portrait):
    blank = View(np.zeros_like(portrait))
    found, scores = estimator.estimate([blank, View(portrait), blank, View(portrait)])
    assert np.isnan(found[[0, 2]]).all()
    assert not scores[[0, 2]].any()
    np.testing.assert_array_equal(found[1], found[3])


@needs_current
def test_of_two_people_the_subject_is_found(bundle, portrait):
    estimator = MediaPipeTasks(bundle)
    both = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    left, right = Box(0, 0, 512, 512), Box(512, 0, 1024, 512)
    boxes = [left, left, right, None, left]
    found, scores = estimator.estimate([View(both, box, others=(left,)) for box in boxes])
    estimator.close()
    noses = found[:, 0, 0]
    assert ((noses[[0, 1, 4]] > 200) & (noses[[0, 1, 4]] < 260)).all()
    assert 760 < noses[2] < 830
    assert np.isnan(found[3]).all()
    assert not scores[3].any()


def test_the_networks_find_what_they_find_in_the_default_estimator(estimator, bundle, portrait):
    if not (expected := bundle.with_suffix(".npy")).is_file():
        pytest.skip("no keypoints of the default estimator lie beside the bundle")
    (_, found), _ = estimator.estimate([View(np.zeros_like(portrait)), View(portrait)])
    apart = np.linalg.norm(found - np.load(expected), axis=1)
    assert np.median(apart[[0, 2, 5, 11, 12]]) < 5
    assert np.nanmedian(apart[FACE]) < 5


@pytest.mark.parametrize("face", [468, 478])
def test_landmarks_become_pixels_and_irises_are_left_out(face):
    from mediapipe.tasks.python.components.containers import Landmark, NormalizedLandmark

    def points(count, start):
        return [
            NormalizedLandmark((start + i) / 1000, (start + i) / 2000, 0.0, 0.5 + i / 50)
            for i in range(count)
        ]

    result = vision.HolisticLandmarkerResult(
        face_landmarks=points(face, 100),
        pose_landmarks=points(33, 900),
        pose_world_landmarks=[Landmark()],
        left_hand_landmarks=points(21, 700),
        left_hand_world_landmarks=[],
        right_hand_landmarks=[],
        right_hand_world_landmarks=[],
    )
    keypoints, scores = landmarks_to_pose(result, (640, 480))
    np.testing.assert_allclose(keypoints[0], (0.9 * 640, 0.45 * 480), rtol=1e-6)
    np.testing.assert_allclose(keypoints[500], (0.567 * 640, 0.2835 * 480), rtol=1e-6)
    np.testing.assert_allclose(keypoints[LEFT][20], (0.72 * 640, 0.36 * 480), rtol=1e-6)
    assert np.isnan(keypoints[RIGHT]).all()
    np.testing.assert_allclose(scores[POSE], np.minimum(0.5 + np.arange(33) / 50, 1))
    assert (scores[FACE] == 1).all()
    assert (scores[LEFT] == 1).all()
    assert not scores[RIGHT].any()


@needs_current
@pytest.mark.parametrize("content", [b"no bundle", b""])
def test_what_is_no_bundle_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.task"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.task: expected a bundle of Holistic's") as refused:
        MediaPipeTasks(path)
    assert "\n" not in str(refused.value)


@needs_current
def test_a_bundle_of_another_task_is_refused(tmp_path):
    path = tmp_path / "hands.task"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hand_detector.tflite", b"")
    with pytest.raises(InputError, match=r"hands\.task: expected a bundle of Holistic's"):
        MediaPipeTasks(path)


@needs_current
def test_a_video_becomes_a_store(tmp_path, bundle, write_video, portrait):
    video = write_video(tmp_path / "v.mp4", [np.roll(portrait, i, 1) for i in range(4)])
    settings = EstimatorSettings("mediapipe-tasks", model=str(bundle))
    (outcome,) = extract_batch([Video(video, "v")], tmp_path / "store", settings)
    assert (outcome.status, outcome.frames) == ("extracted", 4)
    sequence = PoseStore(tmp_path / "store")["v"]
    assert sequence.skeleton == MEDIAPIPE_543
    assert np.isfinite(sequence.keypoints[:, 0]).all()
    assert build_method(settings).version.endswith("+full-frame")


@pytest.mark.skipif(CURRENT, reason="this mediapipe is current")
def test_an_old_release_is_refused_with_what_to_install(tmp_path):
    (tmp_path / "a.task").write_bytes(b"")
    with pytest.raises(InputError, match=r"pip install 'mediapipe>=0\.10\.30'"):
        build_method(EstimatorSettings("mediapipe-tasks", model=str(tmp_path / "a.task")))


@pytest.mark.slow
@pytest.mark.skipif(CURRENT, reason="this mediapipe is current")
def test_all_of_this_file_with_a_current_mediapipe(repo, bundle, portrait, tmp_path):
    from mgpose.extraction.estimators.mediapipe_holistic import MediaPipeHolistic

    default = MediaPipeHolistic()
    np.save(bundle.with_suffix(".npy"), default.estimate([View(portrait)])[0][0])
    default.close()
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path)]
    if subprocess.run([*pip, "mediapipe>=0.10.30"], check=False).returncode:
        pytest.skip("pip can get no current mediapipe here")
    paths = os.pathsep.join([str(tmp_path), str(repo)])
    environment = {**os.environ, "PYTHONPATH": paths, "MGPOSE_TEST_TASK": str(bundle)}
    command = [sys.executable, "-m", "pytest", __file__, "-p", "no:cacheprovider", "-rs"]
    run = subprocess.run(
        command, cwd=repo, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout
    assert "mediapipe is older" not in run.stdout
    assert "beside the bundle" not in run.stdout
