"""``.pose``, NWB and netCDF, each read back by the library that owns the format."""

import io
import shutil

import numpy as np
import pytest

from mgpose.io import PoseStore, Provenance, write_annotations, write_pose_file
from mgpose.io.exporters.export_poses import export_store
from mgpose.structures import SKELETONS, Annotation, FrameFlag, InputError, PoseSequence, Skeleton


def make_sequence(frames=9, skeleton="kinect_20", dims=2, seed=0, **changes) -> PoseSequence:
    """Poses of which a fifth is missing, and one keypoint detected at score 0."""
    rng = np.random.default_rng(seed)
    layout = SKELETONS.get(skeleton, skeleton)
    keypoints = rng.uniform(0, 400, (frames, len(layout), dims)).astype(np.float32)
    scores = rng.uniform(0.01, 1, (frames, len(layout))).astype(np.float32)
    missing = rng.uniform(size=scores.shape) < 0.2
    keypoints[missing], scores[missing] = np.nan, 0
    keypoints[0, 0], scores[0, 0] = 7, 0
    ledger = np.full(frames, FrameFlag.DECODED, np.uint16)
    ledger[-1] |= FrameFlag.REPAIRED
    values = {
        "skeleton": layout,
        "keypoints": keypoints,
        "scores": scores,
        "time": 0.5 + np.arange(frames) / 29.97,
        "unit": "pixel",
        "time_source": "container",
        "frame_size": (640, 480),
        "ledger": ledger,
        "subject": "p1",
    }
    return PoseSequence(**{**values, **changes})


@pytest.fixture
def export(tmp_path):
    """``export(sequence, format, annotations)`` -> path of the one file; the store is remade."""

    def export(sequence, format, annotations=()):
        store = tmp_path / "store"
        shutil.rmtree(store, ignore_errors=True)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        store.mkdir()
        write_pose_file(store, "a", sequence, Provenance("testimator", "1.0", "ab" * 32))
        write_annotations(store / "annotations.csv", annotations)
        export_store(store, format, tmp_path / "out")
        (path,) = (tmp_path / "out/poses").iterdir()
        return path

    return export


def variable_time(frames=9):
    """One frame waits for two more than the others."""
    time = np.arange(frames) / 25
    time[frames - 2 :] += 2 / 25
    return time


class TestPoseFormat:
    @pytest.fixture(autouse=True)
    def library(self):
        pytest.importorskip("pose_format")

    def read(self, path):
        from pose_format import Pose

        return Pose.read(path.read_bytes())

    @pytest.mark.parametrize("dims", [2, 3])
    @pytest.mark.parametrize("name", sorted(SKELETONS))
    def test_its_own_reader_gives_the_poses_back(self, export, name, dims):
        sequence = make_sequence(skeleton=name, dims=dims)
        pose = self.read(export(sequence, "pose"))
        names = [k for c in pose.header.components for k in c.points]
        if set(names) == set(sequence.skeleton.keypoints):  # its parts are not runs of keypoints
            order = sequence.skeleton.indices(names)
            keypoints, scores = sequence.keypoints[:, order], sequence.scores[:, order]
            sequence = sequence.replace(
                skeleton=Skeleton("ordered", tuple(names)), keypoints=keypoints, scores=scores
            )
        data, confidence = pose.body.data[:, 0], pose.body.confidence[:, 0]
        seen = sequence.detected
        np.testing.assert_array_equal(data.mask, np.repeat(~seen[..., None], dims, -1))
        np.testing.assert_array_equal(data.data[seen], sequence.keypoints[seen])
        np.testing.assert_allclose(confidence, sequence.scores, atol=1e-37)
        assert pose.body.fps == pytest.approx(29.97)
        size = pose.header.dimensions
        assert (size.width, size.height, size.depth) == (640, 480, 0)
        assert round(pose.header.version, 3) == 0.2

    def test_the_bytes_are_those_of_its_own_writer(self, export):
        path = export(make_sequence(skeleton="mediapipe_543", dims=3), "pose")
        own = io.BytesIO()
        self.read(path).write(own)
        assert path.read_bytes() == own.getvalue()

    @pytest.mark.parametrize(
        ("name", "known"),
        [
            ("mediapipe_543", "holistic"),
            ("mediapipe_contours_203", "holistic"),
            ("mediapipe_body_hands_75", "holistic"),
            ("openpose_137", "openpose"),
            ("wholebody_133", "coco_wholebody_133"),
            ("halpe_136", "alphapose_136"),
        ],
    )
    def test_neighbours_recognise_known_layouts(self, export, name, known):
        from pose_format.utils.generic import detect_known_pose_format

        assert detect_known_pose_format(
            self.read(export(make_sequence(skeleton=name), "pose"))
        ) == (known)

    def test_no_other_layout_is_taken_for_a_known_one(self, export):
        from pose_format.utils.generic import detect_known_pose_format

        for name in ("upper_body_hands_face", "kinect_20"):
            pose = self.read(export(make_sequence(skeleton=name), "pose"))
            with pytest.raises(ValueError, match="Could not detect"):
                detect_known_pose_format(pose)
            names = [k for c in pose.header.components for k in c.points]
            assert tuple(names) == SKELETONS[name].keypoints

    def test_holistic_points_have_the_librarys_names(self, export):
        pytest.importorskip("mediapipe")
        from pose_format.utils.holistic import FACEMESH_CONTOURS_POINTS, holistic_components

        theirs = holistic_components("XYZC")
        ours = self.read(export(make_sequence(skeleton="mediapipe_543", dims=3), "pose"))
        for mine, known in zip(ours.header.components, theirs[:4], strict=True):
            assert (mine.name, mine.points, mine.format) == (known.name, known.points, "XYZC")
        contours = self.read(export(make_sequence(skeleton="mediapipe_contours_203"), "pose"))
        assert contours.header.components[1].points == FACEMESH_CONTOURS_POINTS

    @pytest.mark.parametrize(
        ("name", "component", "point", "keypoint"),
        [
            ("openpose_137", "pose_keypoints_2d", "LWrist", "left_wrist"),
            ("openpose_137", "pose_keypoints_2d", "REye", "right_eye"),
            ("wholebody_133", "BODY", "right_heel", "right_heel"),
            ("wholebody_133", "LEFT_HAND", "hand_8", "left_index_tip"),
            ("halpe_136", "BODY_136", "pelvis", "mid_hip"),
            ("halpe_136", "RIGHT_HAND_136", "hand_20", "right_pinky_tip"),
            ("mediapipe_543", "POSE_LANDMARKS", "MOUTH_LEFT", "left_mouth"),
            ("mediapipe_543", "RIGHT_HAND_LANDMARKS", "PINKY_TIP", "right_pinky_tip"),
            ("mediapipe_contours_203", "FACE_LANDMARKS", "152", "chin"),
        ],
    )
    def test_a_name_finds_the_same_keypoint(self, export, name, component, point, keypoint):
        layout = SKELETONS[name]
        sequence = make_sequence(skeleton=name, keypoints=np.ones((9, len(layout), 2), np.float32))
        sequence = sequence.replace(scores=np.ones((9, len(layout)), np.float32))
        sequence.keypoints[:, layout.index(keypoint)] = 99
        pose = self.read(export(sequence, "pose"))
        found = pose.body.data[:, 0, pose.header.get_point_index(component, point)]
        assert (found == 99).all()
        assert (pose.body.data == 99).sum() == 18

    def test_normalised_coordinates_become_pixels(self, export):
        sequence = make_sequence(dims=3, unit="normalised")
        pose = self.read(export(sequence, "pose"))
        seen = sequence.detected
        expected = sequence.keypoints[seen] * np.float32([640, 480, 1])
        np.testing.assert_array_equal(pose.body.data[:, 0].data[seen], expected)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"time": variable_time()}, "found a variable one"),
            ({"time": np.arange(9.0), "time_source": "index"}, "needs a frame rate, found none"),
            ({"unit": "metre"}, "found unit 'metre'"),
            ({"unit": "normalised", "frame_size": None}, "size None"),
            ({"frame_size": (70000, 10)}, "size .70000, 10."),
            ({"skeleton": Skeleton("mine", tuple(f"é{i}" for i in range(20)))}, "ASCII"),
        ],
    )
    def test_what_it_cannot_hold_is_refused(self, export, changes, words):
        with pytest.raises(InputError, match=words) as caught:
            export(make_sequence(**changes), "pose")
        assert "\n" not in str(caught.value)

    def test_a_frame_is_where_the_rate_says_within_one(self, export):
        rng = np.random.default_rng(0)
        time = (np.arange(40) + rng.uniform(0, 0.8, 40)) / 25  # an uneven camera
        pose = self.read(export(make_sequence(40, time=time), "pose"))
        places = (time - time[0]) * pose.body.fps
        assert np.abs(places - np.arange(40)).max() <= 1

    def test_a_real_store(self, repo, tmp_path):
        export_store(repo / "data/sample", "pose", tmp_path / "out")
        store = PoseStore(repo / "data/sample")
        for video in store:
            pose = self.read(tmp_path / f"out/poses/{video}.pose")
            np.testing.assert_array_equal(
                pose.body.data[:, 0].filled(np.nan), store[video].keypoints
            )


class TestNwb:
    @pytest.fixture(autouse=True)
    def library(self):
        pytest.importorskip("ndx_pose")
        pytest.importorskip("pynwb")

    @pytest.fixture
    def read(self):
        from pynwb import NWBHDF5IO

        opened = []

        def read(path):
            opened.append(NWBHDF5IO(str(path), "r"))
            return opened[-1].read()

        yield read
        for file in opened:
            file.close()

    @pytest.mark.parametrize("dims", [2, 3])
    def test_its_own_reader_gives_the_poses_back(self, export, read, dims):
        sequence = make_sequence(1500, dims=dims, unit="metre")
        content = read(export(sequence, "nwb"))
        module = content.processing["behavior"]
        poses = module["PoseEstimation"]
        assert set(poses.pose_estimation_series) == set(sequence.skeleton.keypoints)
        for v, name in enumerate(sequence.skeleton.keypoints):
            series = poses[name]
            np.testing.assert_array_equal(series.data[:], sequence.keypoints[:, v], strict=True)
            np.testing.assert_array_equal(series.confidence[:], sequence.scores[:, v], strict=True)
            np.testing.assert_array_equal(series.timestamps[:], sequence.time, strict=True)
            assert series.unit == "meters"
        np.testing.assert_array_equal(module["frame_flags"].data[:], sequence.ledger, strict=True)
        np.testing.assert_array_equal(module["frame_flags"].timestamps[:], sequence.time)
        nodes = list(poses.skeleton.nodes[:])
        assert tuple(nodes) == sequence.skeleton.keypoints
        edges = [(nodes[a], nodes[b]) for a, b in poses.skeleton.edges[:]]
        assert tuple(edges) == sequence.skeleton.edges
        assert (poses.source_software, poses.source_software_version) == ("testimator", "1.0")
        assert (content.subject.subject_id, content.identifier) == ("p1", "a")
        assert "unknown" in content.session_description

    def test_edges_reach_beyond_the_255th_keypoint(self, export, read):
        names = (*(f"k{i}" for i in range(258)), "left_elbow", "left_wrist")
        content = read(export(make_sequence(2, Skeleton("long", names)), "nwb"))
        edges = content.processing["behavior"]["PoseEstimation"].skeleton.edges[:]
        assert edges.tolist() == [[258, 259]]

    def test_the_file_is_valid(self, export):
        from pynwb import validate

        label = Annotation("a", "p1", 0.5, 0.6, "wave", groups={"session": "s1"})
        for changes in ({}, {"subject": None}, {"time": variable_time()}):
            path = export(make_sequence(**changes), "nwb", [label])
            assert validate(path=str(path)) == []

    def test_annotations_are_intervals_and_frames_go_by_time_stamps(self, export, read):
        time = variable_time()
        labels = [
            Annotation("a", "p1", 0.08, 0.2, "wave", groups={"session": "s1"}),
            Annotation("a", "p1", 6, 8, "nod", unit="frame", confidence=0.5),
            Annotation("a", "p1", 8, 9, "end", unit="frame"),
        ]
        content = read(export(make_sequence(time=time), "nwb", labels))
        table = content.intervals["annotations"].to_dataframe()
        assert table["label"].tolist() == ["wave", "nod", "end"]
        assert table["session"].tolist() == ["s1", "", ""]
        assert table["confidence"].tolist() == [1, 0.5, 1]
        np.testing.assert_allclose(table["start_time"], [0.08, time[6], time[8]])
        np.testing.assert_allclose(table["stop_time"], [0.2, time[8], time[8] + 1 / 25])

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"time": np.arange(9.0), "time_source": "index"}, "needs time in seconds"),
            ({"skeleton": Skeleton("m", tuple(f"k/{i}" for i in range(20)))}, "keypoint 'k/0'"),
        ],
    )
    def test_what_it_cannot_hold_is_refused(self, export, changes, words):
        with pytest.raises(InputError, match=words):
            export(make_sequence(**changes), "nwb")


class TestNetcdf:
    @pytest.fixture(autouse=True)
    def library(self):
        pytest.importorskip("h5netcdf")

    @pytest.fixture
    def read(self):
        xarray = pytest.importorskip("xarray")
        opened = []

        def read(path):
            opened.append(xarray.open_dataset(path, engine="h5netcdf"))
            return opened[-1]

        yield read
        for data in opened:
            data.close()

    @pytest.mark.parametrize("dims", [2, 3])
    def test_xarray_gives_the_poses_back(self, export, read, dims):
        sequence = make_sequence(1500, dims=dims)
        data = read(export(sequence, "netcdf"))
        assert data.position.dims == ("time", "space", "keypoints", "individuals")
        assert data.confidence.dims == ("time", "keypoints", "individuals")
        for v, name in enumerate(sequence.skeleton.keypoints):
            one = data.sel(keypoints=name, individuals="p1")
            for axis, word in enumerate("xyz"[:dims]):
                np.testing.assert_array_equal(
                    one.position.sel(space=word), sequence.keypoints[:, v, axis]
                )
            np.testing.assert_array_equal(one.confidence, sequence.scores[:, v])
        np.testing.assert_array_equal(data.time, sequence.time)
        np.testing.assert_array_equal(data.flags, sequence.ledger)
        masks, words = data.flags.attrs["flag_masks"], data.flags.attrs["flag_meanings"].split()
        last = [w for m, w in zip(masks, words, strict=True) if int(data.flags[-1]) & m]
        assert last == ["decoded", "repaired"]
        assert data.attrs["ds_type"] == "poses"
        assert data.attrs["time_unit"] == "seconds"
        assert data.attrs["source_software"] == "testimator"
        assert data.attrs["fps"] == pytest.approx(29.97)

    def test_a_rate_that_is_not_there_is_not_invented(self, export, read):
        time = variable_time()
        variable = read(export(make_sequence(time=time), "netcdf"))
        assert "fps" not in variable.attrs
        assert variable.attrs["time_unit"] == "seconds"
        np.testing.assert_array_equal(variable.time, time)

    def test_an_unknown_rate_counts_frames(self, export, read):
        sequence = make_sequence(time=np.arange(9.0), time_source="index", subject=None)
        data = read(export(sequence.replace(unit="normalised", frame_size=None), "netcdf"))
        assert "fps" not in data.attrs
        assert data.attrs["time_unit"] == "frames"
        assert data.individuals.values.tolist() == ["id_0"]

    def test_movement_takes_it(self, export, read):
        datasets = pytest.importorskip("movement.validators.datasets")
        datasets.ValidPosesInputs.validate(read(export(make_sequence(), "netcdf")))
