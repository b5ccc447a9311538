"""Pictures of a labelled store: by law, since nobody can say how a pixel should be."""

import re
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

from mgpose.data.clips import Span
from mgpose.evaluation.class_animation import LabelledClip, labelled_clip
from mgpose.evaluation.class_pictures import _by_preference, _slugs, write_class_pictures
from mgpose.evaluation.class_sheet import write_sheets
from mgpose.evaluation.stick_drawing import BACKGROUND, HAND_COLOURS
from mgpose.evaluation.stick_figure import StickFigure
from mgpose.io.annotations import read_annotations
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.io.store import PoseStore
from mgpose.structures import (
    KINECT_20,
    UPPER_BODY_HANDS_FACE,
    Annotation,
    InputError,
    PoseSequence,
    convert,
    mirror,
)

SIZE = (260, 300)


@pytest.fixture(scope="module")
def sample(repo):
    return PoseStore(repo / "data" / "sample")


@pytest.fixture(scope="module")
def signs(repo):
    return read_annotations(repo / "data" / "sample" / "annotations.csv")


@pytest.fixture(scope="module")
def brother(sample):
    """A real clip in which both hands are seen, in the model layout."""
    return convert(sample["sign_brother"].window(30, 45), UPPER_BODY_HANDS_FACE)


def pixels_of(picture, colour):
    away = np.abs(np.asarray(picture).astype(int) - colour).max(-1)
    return int((away <= 24).sum())


def without(sequence, *parts):
    skeleton = sequence.skeleton
    keypoints, scores = sequence.keypoints.copy(), sequence.scores.copy()
    for part in parts:
        lost = skeleton.indices(skeleton.parts[part])
        keypoints[:, lost], scores[:, lost] = np.nan, 0
    return sequence.replace(keypoints=keypoints, scores=scores)


def write(folder, video, sequence, estimator="hand-made"):
    folder.mkdir(exist_ok=True)
    write_pose_file(folder, video, sequence, Provenance(estimator, "1"))


def note(video, start, stop, label="nod", subject="p1", **more):
    return Annotation(video, subject, start, stop, label, unit="frame", **more)


def durations(path):
    with Image.open(path) as picture:
        times = []
        for i in range(picture.n_frames):
            picture.seek(i)
            times.append(picture.info["duration"])
        assert picture.size == (400, 400)
        assert picture.info["loop"] == 0
    return times


def still(frames, rate=25.0, time_source="rate", clip=None):
    """A clip whose first frame is held, at a rate; a clip of the sample stands model."""
    pick = np.zeros(frames, dtype=int)
    return clip.replace(
        keypoints=clip.keypoints[pick],
        scores=clip.scores[pick],
        ledger=clip.ledger[pick],
        time=np.arange(frames) / (1 if time_source == "index" else rate),
        time_source=time_source,
    )


class TestFigure:
    @pytest.mark.parametrize("side", ["left", "right"])
    def test_a_missing_hand_is_not_drawn(self, brother, side):
        other = {"left": "right", "right": "left"}[side]
        whole, lame = StickFigure(brother), StickFigure(without(brother, f"{side}_hand"))
        for frame in (0, 7):
            assert pixels_of(whole.draw(frame, SIZE), HAND_COLOURS[side]) > 50
            assert pixels_of(lame.draw(frame, SIZE), HAND_COLOURS[side]) == 0
            assert pixels_of(lame.draw(frame, SIZE), HAND_COLOURS[other]) > 50
            assert pixels_of(lame.close_ups(frame, 100)[f"{side}_hand"], BACKGROUND) == 100 * 100

    def test_what_is_hardly_seen_is_faint(self, brother):
        doubtful = brother.replace(scores=np.minimum(brother.scores, np.float32(0.2)))
        picture = StickFigure(doubtful).draw(0, SIZE)
        assert pixels_of(picture, HAND_COLOURS["right"]) == 0
        assert pixels_of(picture, BACKGROUND) < 0.98 * SIZE[0] * SIZE[1]

    def test_a_mirrored_pose_gives_the_mirrored_picture(self, brother):
        picture = np.asarray(StickFigure(brother).draw(3, SIZE)).astype(int)
        mirrored = np.asarray(StickFigure(mirror(brother)).draw(3, SIZE)).astype(int)[:, ::-1]
        drawn, drawn_mirrored = ((np.abs(p - BACKGROUND).max(-1) > 8) for p in (picture, mirrored))
        assert (drawn & drawn_mirrored).sum() > 0.97 * (drawn | drawn_mirrored).sum()
        for side, other in (("left", "right"), ("right", "left")):
            count = pixels_of(picture, HAND_COLOURS[side])
            assert count == pytest.approx(pixels_of(mirrored, HAND_COLOURS[other]), rel=0.15)

    def test_one_wild_frame_does_not_move_the_view(self, brother):
        keypoints = brother.keypoints.copy()
        keypoints[8, :50] += 5000
        wild = StickFigure(brother.replace(keypoints=keypoints)).draw(3, SIZE)
        drawn, drawn_wild = (
            SIZE[0] * SIZE[1] - pixels_of(picture, BACKGROUND)
            for picture in (StickFigure(brother).draw(3, SIZE), wild)
        )
        assert drawn_wild == pytest.approx(drawn, rel=0.1)

    def test_the_person_fits(self, brother):
        """Nothing of head, arms and hands touches the frame."""
        figure = StickFigure(brother)
        for frame in range(len(figure)):
            picture = np.asarray(figure.draw(frame, SIZE)).astype(int)
            drawn = np.abs(picture - BACKGROUND).max(-1) > 8
            assert not drawn[0].any()
            assert not drawn[:, [0, -1]].any()

    def test_without_face_and_hands(self, brother):
        """As a body-only layout gives them."""
        figure = StickFigure(without(brother, "face", "left_hand", "right_hand"))
        assert pixels_of(figure.draw(0, SIZE), BACKGROUND) < 0.95 * SIZE[0] * SIZE[1]

    def test_nobody(self, brother):
        nobody = without(brother, *UPPER_BODY_HANDS_FACE.parts)
        with pytest.raises(ValueError, match="no frame shows a pose"):
            StickFigure(nobody)

    def test_a_kinect_body_is_seen_from_the_front(self):
        """The person's left is on the viewer's right, and the head is up, whichever way round."""
        v = KINECT_20.index
        points = np.random.default_rng(0).normal(0, 0.02, (6, 20, 3)).astype(np.float32)
        points[:, v("hip_centre"), 1] = 0
        points[:, v("shoulder_centre"), 1] = 0.5
        points[:, v("head"), 1] = 0.8
        points[:, [v(k) for k in KINECT_20.keypoints if k.startswith("left_")], 2] = 0.4
        points[:, [v(k) for k in KINECT_20.keypoints if k.startswith("right_")], 2] = -0.4
        body = PoseSequence(
            KINECT_20, points, np.ones((6, 20), np.float32), np.arange(6.0), "metre", "index"
        )
        picture = np.asarray(StickFigure(body).draw(2, (300, 300))).astype(int)
        columns = {
            side: np.nonzero(np.abs(picture - colour).max(-1) < 24)[1].mean()
            for side, colour in HAND_COLOURS.items()
        }
        assert columns["right"] < 150 < columns["left"]
        head = np.nonzero((np.abs(picture - BACKGROUND).max(-1) > 8).sum(1) > 10)[0]
        assert head[0] < 60


class TestAnimation:
    @pytest.mark.parametrize("rate", [12.5, 25.0, 30.0, 50.0])
    def test_speed_is_true(self, brother, tmp_path, rate):
        frames = round(4 * rate)
        write(tmp_path / "store", "a", still(frames, rate, clip=brother))
        span = note("a", round(rate), round(2.6 * rate))  # 1.6 s, and half a second at each end
        (path,) = self.animations(tmp_path, [span])
        assert sum(durations(path)) == pytest.approx(2600, abs=80)

    def test_an_unknown_rate_plays_12_5_frames_a_second(self, brother, tmp_path):
        write(tmp_path / "store", "a", still(60, time_source="index", clip=brother))
        (path,) = self.animations(tmp_path, [note("a", 20, 40)])
        assert sum(durations(path)) == (20 + 6 + 6) * 80

    def test_uneven_time_stamps(self, brother, tmp_path):
        """A gap in the stamps is a pause in the animation."""
        even = still(60, clip=brother)
        write(tmp_path / "store", "a", even.replace(time=even.time + (np.arange(60) > 30)))
        (path,) = self.animations(tmp_path, [note("a", 15, 45)])
        assert sum(durations(path)) == pytest.approx(1000 * (30 / 25 + 1 + 1), abs=80)

    def test_a_long_span_is_cut(self, brother, tmp_path):
        write(tmp_path / "store", "a", still(500, clip=brother))
        (path,) = self.animations(tmp_path, [note("a", 50, 450)])
        assert sum(durations(path)) == pytest.approx(7000, abs=80)

    def test_a_span_at_the_ends_of_its_video(self, brother, tmp_path):
        write(tmp_path / "store", "a", still(1, clip=brother))
        (path,) = self.animations(tmp_path, [note("a", 0, 1)])
        assert durations(path)

    def test_which_frames_are_inside(self, brother, tmp_path):
        write(tmp_path / "store", "a", still(60, clip=brother))
        clip = labelled_clip(PoseStore(tmp_path / "store"), Span("a", 20, 40))
        inside = [clip.first + i for i in range(len(clip.figure)) if clip.inside(i)]
        assert inside == list(range(20, 40))
        played = clip.played()
        assert sum(map(clip.inside, played)) == 10
        assert played == sorted(played)

    def animations(self, folder, annotations):
        store = PoseStore(folder / "store")
        written = write_class_pictures(store, annotations, folder / "out", frames=2)
        return [path for path in written if path.suffix == ".gif"]


class TestStore:
    def test_a_file_for_each_class(self, sample, signs, tmp_path):
        written = write_class_pictures(sample, signs, tmp_path, classes=["eat", "again"], frames=3)
        names = {str(path.relative_to(tmp_path)) for path in written}
        animations = {f"animations/{label}_1.gif" for label in ("again", "eat")}
        assert names == {"classes.png", "animations/index.html", *animations}
        assert names == {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")}
        page = written[-1].read_text(encoding="utf-8")
        links = re.findall(r'src="([^"]+)"', page)
        assert links == ["eat_1.gif", "again_1.gif"]  # in the order that was asked for
        assert "ynthetic" not in page

    def test_synthetic_poses_are_called_so(self, brother, tmp_path):
        write(tmp_path / "store", "a", brother, estimator="synthetic")
        written = write_class_pictures(
            PoseStore(tmp_path / "store"), [note("a", 3, 12)], tmp_path / "out", frames=2
        )
        assert "<strong>Synthetic data.</strong>" in written[-1].read_text(encoding="utf-8")

    def test_many_classes_are_several_sheets(self, brother, tmp_path):
        write(tmp_path / "store", "a", still(60, clip=brother))
        store = PoseStore(tmp_path / "store")
        label = "a label of many words, and averylongwordthatfitsnoline at all"
        span = Span("a", 20, 40, note("a", 20, 40, label))
        sheets = write_sheets([labelled_clip(store, span)] * 10, tmp_path, 2, synthetic=True)
        assert [sheet.name for sheet in sheets] == ["classes.png", "classes_2.png"]
        for sheet in sheets:
            with Image.open(sheet) as picture:
                assert picture.width <= 2000
                assert picture.height <= 2400

    def test_the_seed_chooses(self, brother, tmp_path):
        for video in "abcdefgh":
            write(tmp_path / "store", video, still(40, clip=brother))
        store = PoseStore(tmp_path / "store")
        spans = [Span(v, 5, 30, note(v, 5, 30, subject=v)) for v in "abcdefgh"]

        def first(seed):
            return _by_preference(store, spans, seed)[0].video

        assert first("1 nod") == first("1 nod")
        assert len({first(f"{seed} nod") for seed in range(20)}) > 3

    def test_fit_lengths_first_and_then_other_subjects(self, brother, tmp_path):
        write(tmp_path / "store", "a", still(400, clip=brother))
        store = PoseStore(tmp_path / "store")

        def span(start, stop, subject):
            return Span("a", start, stop, note("a", start, stop, subject=subject))

        short = span(0, 10, "p3")
        fit = [span(10 * i, 10 * i + 25, f"p{i % 2}") for i in range(6)]
        for seed in "abc":
            order = _by_preference(store, [short, *fit], seed)
            assert order[-1] == short
            assert {s.subject or s.annotation.subject for s in order[:2]} == {"p0", "p1"}

    def test_a_class_without_poses_is_left_out(self, brother, tmp_path, caplog):
        nobody = without(brother, *UPPER_BODY_HANDS_FACE.parts)
        write(tmp_path / "store", "a", brother)
        write(tmp_path / "store", "b", nobody)
        store, notes = PoseStore(tmp_path / "store"), [note("b", 0, 9, "empty")]
        written = write_class_pictures(store, [*notes, note("a", 0, 9)], tmp_path / "out", frames=2)
        assert [p.name for p in written] == ["classes.png", "nod_1.gif", "index.html"]
        assert "'empty' left out" in caplog.text
        with pytest.raises(InputError, match="expected poses in a labelled clip"):
            write_class_pictures(store, notes, tmp_path / "none", frames=2)
        assert not (tmp_path / "none").exists()

    def test_an_unknown_label_is_refused(self, sample, signs, tmp_path):
        with pytest.raises(InputError, match=r"got 'eats'; they have: again, bird"):
            write_class_pictures(sample, signs, tmp_path / "out", classes=["eats"])
        with pytest.raises(InputError, match="tier 'emotion', found none"):
            write_class_pictures(sample, signs, tmp_path / "out", tier="emotion")
        with pytest.raises(InputError, match="got 0 and 8"):
            write_class_pictures(sample, signs, tmp_path / "out", examples=0)
        assert not (tmp_path / "out").exists()

    def test_names_of_files(self):
        slugs = _slugs(["Rubbing eyes!", "rubbing  eyes", "안녕", "../up", "안"])
        assert len(set(slugs)) == len(slugs)
        assert all(re.fullmatch(r"[a-z0-9_]+", slug) for slug in slugs)
        assert slugs[3] == "up"

    def test_the_tool(self, repo, sample, tmp_path, monkeypatch, capsys):
        tool = str(repo / "tools" / "draw_classes.py")
        arguments = [tool, str(sample.folder), "--out", str(tmp_path), "--classes", "eat"]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(tool, run_name="__main__")
        assert end.value.code == 0
        assert "1 animations in" in capsys.readouterr().out


def test_frames_spread_over_time_and_not_over_numbers(brother):
    clip = LabelledClip(
        Span("a", 0, 5), StickFigure(brother.window(0, 5)), 0, np.array([0, 1, 2, 3, 9.0]), 1, True
    )
    assert clip.spread(4) == [0, 3, 3, 4]
