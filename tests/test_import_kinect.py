"""Kinect sets as text, written here by the descriptions of the sets."""

import numpy as np
import pytest

from mgpose.io import PoseStore
from mgpose.io.importers.import_pose import import_poses
from mgpose.io.importers.imported_pose import FailedImport, ImportOptions
from mgpose.io.importers.kinect_text import read_kinect_text
from mgpose.io.importers.smg import read_smg
from mgpose.structures import KINECT_20, FrameFlag, InputError, mirror
from mgpose.structures.canonical import canonicalise
from mgpose.structures.kinect import FLORENCE_15, KINECT_25

# Joints by the documentation of each set, in the order of its files.
KINECT_V2 = [
    "SpineBase", "SpineMid", "Neck", "Head", "ShoulderLeft", "ElbowLeft", "WristLeft",
    "HandLeft", "ShoulderRight", "ElbowRight", "WristRight", "HandRight", "HipLeft",
    "KneeLeft", "AnkleLeft", "FootLeft", "HipRight", "KneeRight", "AnkleRight", "FootRight",
    "SpineShoulder", "HandTipLeft", "ThumbLeft", "HandTipRight", "ThumbRight",
]  # fmt: skip
MSR = [
    "ShoulderRight", "ShoulderLeft", "ShoulderCenter", "Spine", "HipRight", "HipLeft",
    "HipCenter", "ElbowRight", "ElbowLeft", "WristRight", "WristLeft", "HandRight", "HandLeft",
    "KneeRight", "KneeLeft", "AnkleRight", "AnkleLeft", "FootRight", "FootLeft", "Head",
]  # fmt: skip
FLORENCE = [
    "Head", "Neck", "Spine", "ShoulderLeft", "ElbowLeft", "WristLeft", "ShoulderRight",
    "ElbowRight", "WristRight", "HipLeft", "KneeLeft", "AnkleLeft", "HipRight", "KneeRight",
    "AnkleRight",
]  # fmt: skip
# A person who stands before the camera and faces it: the right side is at larger x.
PLACES = {
    "SpineBase": (0, 0), "HipCenter": (0, 0), "SpineMid": (0, 0.25), "Spine": (0, 0.25),
    "SpineShoulder": (0, 0.5), "ShoulderCenter": (0, 0.5), "Neck": (0, 0.55), "Head": (0, 0.7),
    "Shoulder": (0.2, 0.48), "Elbow": (0.3, 0.25), "Wrist": (0.33, 0.02), "Hand": (0.34, -0.05),
    "HandTip": (0.35, -0.12), "Thumb": (0.29, -0.06), "Hip": (0.1, -0.03), "Knee": (0.11, -0.4),
    "Ankle": (0.12, -0.8), "Foot": (0.13, -0.85),
}  # fmt: skip
OURS = {
    "SpineBase": "hip_centre", "HipCenter": "hip_centre", "SpineMid": "spine",
    "SpineShoulder": "shoulder_centre", "ShoulderCenter": "shoulder_centre",
}  # fmt: skip


def other_side(name):
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


def body(names, frames=6, x=0.0, depth=2.5, seed=0):
    """(T, V, 3) metres in the order of the names; the left hand waves."""
    rng = np.random.default_rng(seed)
    points = np.zeros((frames, len(names), 3))
    for v, name in enumerate(names):
        side = -1 if name.endswith("Left") else 1
        across, up = PLACES[name.removesuffix("Left").removesuffix("Right")]
        points[:, v] = (x + side * across, up, depth)
        if name == "HandLeft":
            points[:, v, 1] += 0.05 * np.arange(frames)
    return (points + rng.normal(0, 0.002, points.shape)).round(6)


def reflected(points, names):
    """The same person in a mirror, by the names of the set."""
    swapped = points[:, [names.index(other_side(name)) for name in names]].copy()
    swapped[..., 0] *= -1
    return swapped


def ours(skeleton, name):
    """Place in our skeleton of a joint as its set calls it."""
    if name in OURS:
        return skeleton.index(OURS[name])
    if name == "Neck":
        return skeleton.index("upper_neck" if skeleton is KINECT_25 else "neck")
    for side in ("Left", "Right"):
        if name.endswith(side):
            joint = {"HandTip": "hand_tip"}.get(name.removesuffix(side), name.removesuffix(side))
            return skeleton.index(f"{side}_{joint}".lower())
    return skeleton.index(name.lower())


def write_ntu(folder, bodies, name="S001C002P003R001A007", states=None, more=""):
    """``bodies``: (T, V, 3) per person, NaN in frames without the person."""
    lines = [str(len(bodies[0]))]
    for frame in range(len(bodies[0])):
        here = [b[frame] for b in bodies if np.isfinite(b[frame]).all()]
        lines.append(str(len(here)))
        for number, joints in enumerate(here):
            lines += [f"7205759403793{number} 0 1 1 1 1 0 -0.1 0.05 2", "25"]
            for v, (x, y, z) in enumerate(joints):
                state = 2 if states is None else states[v]
                # depth and colour pixels, quaternion; NaN as some real files have it
                lines.append(f"{x} {y} {z} 250 200 nan 540 0.1 0.2 0.3 0.9 {state}")
    path = folder / f"{name}.skeleton"
    path.write_text("\n".join(lines) + "\n" + more)
    return path


def write_msr(folder, points, name="a01_s02_e03_skeleton3D", confidence=0.8):
    rows = np.concatenate([points, np.full((*points.shape[:2], 1), confidence)], axis=2)
    path = folder / f"{name}.txt"
    np.savetxt(path, rows.reshape(-1, 4), fmt="%.6f")
    return path


def write_florence(folder, videos):
    """``videos``: (video, actor, category, (T, 15, 3) metres)."""
    rows = [
        [video, actor, category, *(1000 * frame).ravel()]
        for video, actor, category, points in videos
        for frame in points
    ]
    path = folder / "Florence_dataset_WorldCoordinates.txt"
    np.savetxt(path, rows, fmt="%.4f")
    return path


def write_smg(folder, points, number=1, fine=((3, 1, 4),), states=(), rate=28):
    folder = folder / f"Sample{number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    rest = np.random.default_rng(1).uniform(1, 900, (*points.shape[:2], 8))
    rows = np.concatenate([points, rest], axis=2).reshape(len(points), -1)
    np.savetxt(folder / f"{folder.name}_skeleton.csv", rows, fmt="%.6f", delimiter=",")
    for kind, lines in (("finelabels", fine), ("tflabels_new", states)):
        if lines:
            text = "".join(",".join(map(str, line)) + "\n" for line in lines)
            (folder / f"{folder.name}_{kind}.csv").write_text(text)
    if rate:
        (folder / f"{folder.name}_data.csv").write_text(f"{len(points)},{rate},8000\n")
    return folder


def write(kind, folder, points):
    """One file of the kind that holds the points."""
    if kind == "ntu":
        return write_ntu(folder, [points])
    if kind == "msr":
        return write_msr(folder, points)
    if kind == "florence":
        return write_florence(folder, [(1, 2, 3, points)])
    return next(write_smg(folder, points).glob("*_skeleton.csv"))


def read(kind, folder):
    return list(read_smg(folder) if kind == "smg" else read_kinect_text(folder))


def sequence_of(tmp_path, kind, points):
    """What is read of a file of the kind that holds the points."""
    folder = tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    write(kind, folder, points)
    (pose,) = read(kind, folder)
    return pose.sequence


KINDS = {
    "ntu": (KINECT_25, KINECT_V2),
    "smg": (KINECT_25, KINECT_V2),
    "msr": (KINECT_20, MSR),
    "florence": (FLORENCE_15, FLORENCE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_joint_comes_to_its_own_name(tmp_path, kind):
    skeleton, names = KINDS[kind]
    points = body(names)
    sequence = sequence_of(tmp_path, kind, points)
    assert sequence.skeleton is skeleton
    assert (sequence.unit, len(sequence)) == ("metre", 6)
    order = [ours(skeleton, name) for name in names]
    assert sorted(order) == list(range(len(skeleton)))
    np.testing.assert_allclose(sequence.keypoints[:, order], points, atol=2e-6)
    hand = "left_wrist" if kind == "florence" else "left_hand"
    height = sequence.keypoints[:, skeleton.index(hand), 1]
    assert (height[-1] - height[0] > 0.2) == (kind != "florence")
    # The person faces the camera: the right side is at larger x.
    across = sequence.keypoints[:, skeleton.indices(("left_shoulder", "right_shoulder")), 0]
    assert (across[:, 0] < across[:, 1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mirrored_file_is_the_mirrored_sequence(tmp_path, kind):
    _, names = KINDS[kind]
    points = body(names)
    a = sequence_of(tmp_path, kind, points)
    b = sequence_of(tmp_path, kind, reflected(points, names))
    np.testing.assert_allclose(b.keypoints, mirror(a).keypoints, atol=2e-6)
    np.testing.assert_array_equal(mirror(mirror(a)).keypoints, a.keypoints)
    assert not np.allclose(a.keypoints, b.keypoints, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_joint_at_the_camera_is_missing_and_a_frame_of_zeros_is_nobody(tmp_path, kind):
    skeleton, names = KINDS[kind]
    points = body(names)
    points[1, names.index("ElbowLeft")] = 0
    points[3] = 0
    sequence = sequence_of(tmp_path, kind, points)
    missing = np.argwhere(~sequence.detected).tolist()
    assert missing == [[1, skeleton.index("left_elbow")], *([3, v] for v in range(len(skeleton)))]
    assert np.flatnonzero(sequence.ledger & int(FrameFlag.NO_PERSON)).tolist() == [3]
    # Nothing of what is missing comes back as a place when the clip is brought to its frame.
    assert np.isnan(canonicalise(sequence.keypoints, skeleton)[3]).all()


def test_ntu_says_what_its_name_says(tmp_path):
    states = [2] * 25
    states[7], states[9] = 1, 0
    write_ntu(tmp_path, [body(KINECT_V2)], states=states)
    (pose,) = read_kinect_text(tmp_path, ImportOptions(fps=30))
    assert pose.video_id == "s001c002p003r001a007"
    (annotation,) = pose.annotations
    assert (annotation.label, annotation.subject) == ("a007", "p003")
    assert annotation.groups == {
        "performance": "s001p003r001a007", "camera": "c002", "setup": "s001",
    }  # fmt: skip
    assert pose.sequence.time_source == "rate"
    np.testing.assert_allclose(pose.sequence.time, np.arange(6) / 30)
    assert pose.sequence.scores[0, [6, 7, 9]].tolist() == [1, 0.5, 0]
    assert not pose.sequence.detected[:, 9].any()


def test_of_several_bodies_one_is_followed(tmp_path):
    main, other = body(KINECT_V2, 20), body(KINECT_V2, 20, x=1.2, seed=1)
    main[12], other[:4], other[15:] = np.nan, np.nan, np.nan  # bodies change places in the file
    write_ntu(tmp_path, [other, main])
    (pose,) = read_kinect_text(tmp_path)
    sequence = pose.sequence
    there = np.arange(20) != 12
    np.testing.assert_allclose(sequence.keypoints[there], main[there], atol=1e-6)
    assert not sequence.detected[12].any()
    several = np.flatnonzero(sequence.ledger & int(FrameFlag.SEVERAL_PEOPLE)).tolist()
    assert several == [4, 5, 6, 7, 8, 9, 10, 11, 13, 14]


def test_msr_says_what_its_name_says_and_screen_coordinates_are_pixels(tmp_path):
    write_msr(tmp_path, body(MSR))
    screen = body(MSR)
    screen[..., :2] = 160 + 100 * screen[..., :2]
    screen[..., 2] = 900
    write_msr(tmp_path, screen, "a20_s10_e01_skeleton")
    metric, pixel = read_kinect_text(tmp_path, ImportOptions(frame_size=(320, 240)))
    (annotation,) = metric.annotations
    assert (metric.video_id, annotation.label, annotation.subject) == (
        "a01_s02_e03", "high arm wave", "s02",
    )  # fmt: skip
    np.testing.assert_allclose(metric.sequence.scores, 0.8, rtol=1e-6)
    assert metric.sequence.frame_size is None
    assert (pixel.sequence.unit, pixel.sequence.frame_size) == ("pixel", (320, 240))
    assert pixel.annotations[0].label == "pick up and throw"
    order = [ours(KINECT_20, name) for name in MSR]
    np.testing.assert_allclose(pixel.sequence.keypoints[:, order], screen[..., :2], atol=1e-4)


def test_florence_is_one_file_of_many_videos(tmp_path):
    videos = [
        (1, 1, 1, body(FLORENCE, 4)),
        (2, 1, 9, body(FLORENCE, 7)),
        (3, 10, 4, body(FLORENCE)),
    ]
    path = write_florence(tmp_path, videos)
    poses = list(read_kinect_text(path))
    assert [p.video_id for p in poses] == ["florence_001", "florence_002", "florence_003"]
    assert [len(p.sequence) for p in poses] == [4, 7, 6]
    told = [(a.label, a.subject) for p in poses for a in p.annotations]
    assert told == [("wave", "s01"), ("bow", "s01"), ("clap", "s10")]


def test_smg_says_what_its_files_say(tmp_path):
    write_smg(tmp_path, body(KINECT_V2), 36, fine=[(3, 1, 4), (17, 6, 6)], states=[(1, 2, 5, 11)])
    (pose,) = read_smg(tmp_path)
    assert (pose.video_id, pose.sequence.subject) == ("sample0036", "36")
    np.testing.assert_allclose(pose.sequence.time, np.arange(6) / 28)
    assert [(a.tier, a.label, a.start, a.stop, a.unit) for a in pose.annotations] == [
        ("gesture", "class_03", 0, 4, "frame"),
        ("gesture", "class_17", 5, 6, "frame"),
        ("emotion", "state_11", 1, 5, "frame"),
    ]
    with pytest.raises(InputError, match="frame rate of 30"):
        raise InputError(next(read_smg(tmp_path, ImportOptions(fps=30))).error)
    (pose,) = read_smg(write_smg(tmp_path / "b", body(KINECT_V2), rate=0))
    assert pose.sequence.time_source == "index"
    (pose,) = read_smg(tmp_path / "b", ImportOptions(fps=30))
    assert pose.sequence.time[1] == 1 / 30


def cut(path):
    path.write_text("\n".join(path.read_text().splitlines()[:-9]))


def longer(path):
    path.write_text(path.read_text() + "1 2 3\n")


def word(path):
    text = path.read_text()
    path.write_text(text[:-20] + " left " + text[-14:])


def not_finite(path):
    separator = "," if path.suffix == ".csv" else " "
    head, tail = path.read_text().split("\n")[0:-2], path.read_text().split("\n")[-2]
    path.write_text("\n".join([*head, separator.join(["inf", *tail.split(separator)[1:]])]) + "\n")


def nothing(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [cut, longer, word, not_finite, nothing])
@pytest.mark.parametrize("kind", ["ntu", "msr", "smg"])
def test_a_bad_file_costs_itself_only(tmp_path, kind, spoil):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    if kind == "ntu":
        paths = [write_ntu(source, [body(KINECT_V2)], f"S001C001P00{k}R001A001") for k in (1, 2)]
    elif kind == "msr":
        paths = [write_msr(source, body(MSR), f"a01_s0{k}_e01_skeleton3D") for k in (1, 2)]
    else:
        folders = [write_smg(source, body(KINECT_V2), k) for k in (1, 2)]
        paths = [folder / f"{folder.name}_skeleton.csv" for folder in folders]
    spoil(paths[0])
    if (kind, spoil) == ("smg", cut):
        # Whole rows that are gone cannot be seen in the table, but a label may show it.
        paths[0].write_text(paths[0].read_text()[:-30])
    with pytest.raises(InputError, match="1 of 2 sequences") as caught:
        import_poses(source, "smg" if kind == "smg" else "kinect-text", out)
    assert paths[0].name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(PoseStore(out)) == 1


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (lambda: 30 * body(MSR), "depth of"),
        (lambda: np.where(body(MSR) > 0.6, np.nan, body(MSR)), "finite"),
    ],
)
def test_coordinates_in_no_known_unit_are_refused(tmp_path, points, words):
    write_msr(tmp_path, points())
    (failed,) = read_kinect_text(tmp_path)
    assert isinstance(failed, FailedImport)
    assert words in failed.error


@pytest.mark.parametrize(
    ("fine", "words"),
    [([(18, 1, 2)], "1..17"), ([(1, 0, 2)], "1 to 6"), ([(1, 4, 2)], "1 to 6"),
     ([(1, 7, 8)], "1 to 6"), ([(1, 2)], "rows of 3"), ([("x", 1, 2)], "rows of 3")],
)  # fmt: skip
def test_bad_labels_of_smg(tmp_path, fine, words):
    write_smg(tmp_path, body(KINECT_V2), fine=fine)
    (failed,) = read_smg(tmp_path)
    assert isinstance(failed, FailedImport)
    assert words in failed.error
    assert "finelabels" in failed.error


def test_two_actors_in_one_video_of_florence_fail_it_only(tmp_path):
    points = body(FLORENCE, 4)
    write_florence(tmp_path, [(1, 1, 1, points), (1, 2, 1, points), (2, 1, 5, points)])
    failed, good = read_kinect_text(tmp_path)
    assert "video 1" in failed.error
    assert good.video_id == "florence_002"


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_stands_in_a_file_is_read_or_refused(tmp_path, kind):
    """Bytes changed at random never end in anything but poses or one line."""
    rng = np.random.default_rng(5)
    path = write(kind, tmp_path, body(KINDS[kind][1], 3))
    content = bytearray(path.read_bytes())
    for _ in range(150):
        spoiled = content.copy()
        for at in rng.integers(len(content), size=rng.integers(1, 4)):
            spoiled[at] = rng.choice(list(b"0123456789-+.eEnaif, \n\0\xff"))
        path.write_bytes(spoiled)
        try:
            found = read(kind, tmp_path)
        except InputError:
            continue
        assert len(found) >= 1
        assert all("\n" not in p.error for p in found if isinstance(p, FailedImport))
