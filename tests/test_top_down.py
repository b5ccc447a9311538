"""Boxes to crops and back, and what a top-down estimator makes of a network's answers."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.methods import METHODS, build_method
from mgpose.extraction.estimators.person_detectors import FullFrameDetector, choose_detector
from mgpose.extraction.estimators.top_down import Crop, TopDownEstimator, thread_count
from mgpose.extraction.roles import Box, View
from mgpose.structures import InputError

SIZES = [(192, 256), (288, 384), (256, 256)]
IMAGE = np.zeros((120, 160, 3), np.uint8)

sides = st.floats(1, 2000)


@given(st.floats(-500, 500), st.floats(-500, 500), sides, sides, st.sampled_from(SIZES))
def test_a_crop_holds_its_box_with_a_quarter_more_and_keeps_its_shape(x, y, width, height, size):
    box = Box(x, y, x + width, y + height)
    corners = np.array([(0, 0), size], np.float32)
    (left, top), (right, bottom) = Crop.around(box, size).to_picture(corners)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(box.centre, abs=1e-2)
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], rel=1e-2)
    assert min((right - left) / width, (bottom - top) / height) == pytest.approx(1.25, rel=1e-2)


@pytest.mark.parametrize("box", [Box(30, 20, 130, 100), Box(-40, 50, 60, 300.5)])
def test_what_the_crop_shows_lies_where_to_picture_says(box):
    rows, columns = np.mgrid[:240, :320]
    image = np.stack([rows, columns % 256, columns // 256], -1).astype(np.uint8)  # its own place
    crop = Crop.around(box, (192, 256))
    taken = crop.take(image).astype(float)
    inputs = np.stack(np.meshgrid(np.arange(192), np.arange(256)), -1).astype(np.float32)
    x, y = np.moveaxis(crop.to_picture(inputs), -1, 0)
    inside = (x > 1) & (x < 250) & (y > 1) & (y < 238)
    assert inside.sum() > 5000
    assert np.abs(taken[..., 1] - x)[inside].max() < 1
    assert np.abs(taken[..., 0] - y)[inside].max() < 1
    assert not taken[(x < -1) | (y < -1) | (y > 240)].any()


def test_a_crop_is_that_of_the_published_networks():
    """MMPose, GetBBoxCenterScale and TopdownAffine, worked out by hand for one box."""
    crop = Crop.around(Box(100, 50, 300, 250), (192, 256))
    # 200 x 200, times 1.25 = 250 x 250; of shape 3 : 4 = 250 x 333.33; centre (200, 150).
    assert (crop.x0, crop.y0, crop.step) == pytest.approx((75, 150 - 500 / 3, 250 / 192))


class Told:
    """A network that answers what it is told and remembers the boxes."""

    def __init__(self, score=0.5):
        self.score, self.boxes = score, []

    def find(self, images, boxes):
        self.boxes += boxes
        keypoints = np.zeros((len(boxes), 133, 2), np.float32)
        keypoints[:] = [[box.centre] for box in boxes]
        return keypoints, np.full((len(boxes), 133), self.score, np.float32)


def test_each_view_gets_the_answer_for_its_own_box():
    network = Told()
    boxes = [Box(10, 10, 20, 30), None, Box(50, 60, 90, 80)]
    views = [View(IMAGE, box, others=(Box(0, 0, 9, 9),)) for box in boxes]
    keypoints, scores = TopDownEstimator(network, 8, whole_frame=True).estimate(views)
    assert network.boxes == [boxes[0], boxes[2]]
    assert np.isnan(keypoints[1]).all()
    assert not scores[1].any()
    np.testing.assert_array_equal(keypoints[[0, 2], 0], [(15, 20), (70, 70)])
    assert (keypoints.dtype, scores.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize(("whole_frame", "boxes"), [(True, [Box(0, 0, 160, 120)]), (False, [])])
def test_nobody_seen_is_the_whole_frame_only_where_the_detector_may_miss(whole_frame, boxes):
    network = Told()
    keypoints, _ = TopDownEstimator(network, 1, whole_frame).estimate([View(IMAGE)])
    assert network.boxes == boxes
    assert np.isnan(keypoints).all() == (not boxes)


@pytest.mark.parametrize(("told", "score"), [(7.5, 1), (0.25, 0.25), (0, 0), (-0.5, 0)])
def test_scores_lie_in_0_to_1_and_none_is_not_found(told, score):
    view = [View(IMAGE, Box(0, 0, 9, 9))]
    keypoints, scores = TopDownEstimator(Told(told), 1, True).estimate(view)
    assert (scores == score).all()
    assert np.isnan(keypoints).all() == (score == 0)


def test_threads_follow_the_cores_that_a_worker_may_use(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert thread_count() == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5}, raising=False)
    assert thread_count() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert thread_count() == 2


def test_full_frame_is_the_default_detector():
    choice = choose_detector(EstimatorSettings("onnx"))
    assert choice == choose_detector(EstimatorSettings("onnx", detector="full-frame"))
    assert isinstance(choice.build(), FullFrameDetector)
    assert choice.build().detect(IMAGE) == [Box(0, 0, 160, 120)]
    assert choice.may_miss


def test_faces_are_upper_bodies(person_images):
    choice = choose_detector(EstimatorSettings("onnx", detector="faces"))
    (image,) = person_images(1)
    detector = choice.build()
    (person,) = detector.detect(image)
    detector.close()
    assert person.y1 - person.y0 > 0.7 * image.shape[0]
    assert choice.may_miss


@pytest.mark.parametrize("detector", ["people.onnx", "best", "ssd:a.onnx", "rtmdet-or-yolox.onnx"])
def test_a_detector_of_unknown_kind_is_refused(detector):
    with pytest.raises(InputError, match=r"rtmdet:FILE\.onnx"):
        choose_detector(EstimatorSettings("onnx", detector=detector))


def test_a_missing_detector_file_is_named():
    with pytest.raises(InputError, match=r"--detector nowhere/rtmdet\.onnx: expected an \.onnx"):
        choose_detector(EstimatorSettings("onnx", detector="nowhere/rtmdet.onnx"))


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"mediapipe"}))
def test_an_estimator_without_its_model_ends_in_one_line(name):
    with pytest.raises(InputError) as refused:
        build_method(EstimatorSettings(name, model="nowhere.file"))
    assert "nowhere.file" in str(refused.value) or "install" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_that_do_not_apply_are_refused():
    with pytest.raises(InputError, match="no option --checkpoint"):
        build_method(EstimatorSettings("onnx", model="a.onnx", checkpoint="a.pth"))
    with pytest.raises(InputError, match="no option --device, --batch"):
        build_method(EstimatorSettings("mediapipe-tasks", device="cuda", batch=4))
    with pytest.raises(InputError, match="--batch -1"):
        EstimatorSettings("onnx", batch=-1)
