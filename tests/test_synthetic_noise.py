"""What the synthetic estimator does to poses: nothing when clean, else what was measured."""

from dataclasses import astuple, dataclass, fields, replace

import numpy as np
import pytest

from mgpose.data.synthetic import SyntheticCorpus
from mgpose.data.synthetic.camera import FRAME_SIZE, sample_camera
from mgpose.data.synthetic.hand import SIDES
from mgpose.data.synthetic.measure import Sensor, measure, runs, sample_sensor
from mgpose.data.synthetic.noise import LEVELS, Noise
from mgpose.data.synthetic.perform import perform
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT
from mgpose.structures import FrameFlag

HANDS = {side: LAYOUT.indices(LAYOUT.parts[f"{side}_hand"]) for side in SIDES}
FACE = np.array([*range(5), *LAYOUT.indices(LAYOUT.parts["face"])])
BODY = [LAYOUT.index(k) for k in LAYOUT.parts["body"] if k != "mid_hip"]
LOW = 0.3


@dataclass(frozen=True)
class Film:
    """A video as it is and as the estimator sees it.

    Args:
        points: (T, 70, 3) in space, shoulder widths.
        pixels: (T, 70, 2) where they are in the image.
        scale: (T,) pixels a shoulder width.
        hidden: side -> (T,) how far the hand is out of sight.
        sensor: the estimator.
        keypoints, scores: (T, 70, 2), (T, 70) what it gives.
    """

    points: np.ndarray
    pixels: np.ndarray
    scale: np.ndarray
    hidden: dict[str, np.ndarray]
    sensor: Sensor
    keypoints: np.ndarray
    scores: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """(T, 70, 2) shoulder widths, NaN where missing."""
        return (self.keypoints - self.pixels) / self.scale[:, None, None]


def film(noise: Noise, classes=("touching facial parts",), seconds=40, seed=1) -> Film:
    corpus = SyntheticCorpus(
        1, 1, seconds=seconds, gestures_per_minute=30, classes=classes, seed=seed
    )
    video = corpus.video(0)
    script = video.script()
    performance = perform(np.random.default_rng([seed, 1]), video.subject, script)
    camera = sample_camera(np.random.default_rng([seed, 2]), video.subject, script.frames)
    rng = np.random.default_rng([seed, 3])
    sensor = sample_sensor(rng, noise, script.frames)
    blocks = []
    for window, points in performance.blocks(200):
        pixels, scale = camera.project(points, window), camera.scale[window]
        hidden = {side: performance.hands[side].hidden[window] for side in SIDES}
        seen = measure(rng, sensor, window, pixels, points, scale, hidden)
        blocks.append((points, pixels, scale, *seen))
    points, pixels, scale, keypoints, scores = map(np.concatenate, zip(*blocks, strict=True))
    hidden = {side: hand.hidden for side, hand in performance.hands.items()}
    return Film(points, pixels, scale, hidden, sensor, keypoints, scores)


@pytest.fixture(scope="module")
def levels():
    """Level -> (videos, frames, 70) keypoints, scores and (videos, frames) flags of a corpus."""
    found = {}
    for level in LEVELS:
        corpus = SyntheticCorpus(48, 1, seconds=30, level=level, seed=5)
        videos = [corpus.video(number) for number in range(len(corpus))]
        poses = [video.sequence(video.script()) for video in videos]
        found[level] = tuple(
            np.stack([getattr(pose, name) for pose in poses])
            for name in ("keypoints", "scores", "ledger")
        )
    return found


class TestClean:
    @pytest.fixture(scope="class")
    def clean(self):
        return film(LEVELS["clean"], ("arms behind body", "folding arms", "touching ears"))

    def test_keypoints_are_the_projection(self, clean):
        seen = clean.scores > 0
        np.testing.assert_allclose(clean.keypoints[seen], clean.pixels[seen], atol=1 / 64 + 1e-4)
        assert set(np.unique(clean.scores)) <= {0, 1}

    def test_missing_is_what_is_hidden_or_outside(self, clean):
        outside = (clean.pixels < 0).any(-1) | (clean.pixels >= FRAME_SIZE).any(-1)
        expected = outside.copy()
        for side, hand in HANDS.items():
            expected[:, hand] |= (clean.hidden[side] > 0.45)[:, None]
        np.testing.assert_array_equal(clean.scores == 0, expected)
        assert expected[:, HANDS["left"]].any()
        assert not expected[:, BODY[:8]].any()

    def test_its_level_names_no_error(self):
        calm = Noise()
        assert LEVELS["clean"] == calm
        assert all(not np.any(v) for f, v in vars(calm).items() if f != "hips")


class TestWhatIsGiven:
    @pytest.mark.parametrize("level", LEVELS)
    def test_scores_and_keypoints_are_on_their_grids(self, levels, level):
        keypoints, scores, flags = levels[level]
        assert scores.min() >= 0
        assert scores.max() <= 1
        np.testing.assert_array_equal(scores * 256, np.rint(scores * 256))
        missing = np.isnan(keypoints)
        np.testing.assert_array_equal(missing[..., 0], missing[..., 1])
        np.testing.assert_array_equal(missing[..., 0], scores == 0)
        seen = keypoints[~missing]
        np.testing.assert_array_equal(seen * 32, np.rint(seen * 32))
        assert (flags & FrameFlag.IMPORTED).all()

    @pytest.mark.parametrize("level", LEVELS)
    def test_what_is_seen_is_inside_the_image(self, levels, level):
        keypoints, scores, _ = levels[level]
        assert keypoints[scores > 0].min() >= 0
        # Rounding may lead to the edge itself.
        assert (keypoints[scores > 0] <= FRAME_SIZE).all()

    def test_empty_frames_are_told(self, levels):
        _, scores, flags = levels["harsh"]
        empty = (scores == 0).all(-1)
        assert 0.001 < empty.mean() < 0.03
        np.testing.assert_array_equal(empty, (flags & FrameFlag.NO_PERSON) > 0)
        assert not (levels["clean"][1] == 0).all(-1).any()


def shares(levels, level):
    """Part -> share of its points that are missing or unsure."""
    scores = levels[level][1]
    parts = {**HANDS, "face": LAYOUT.indices(LAYOUT.parts["face"]), "body": BODY}
    return {part: (scores[..., columns] < LOW).mean() for part, columns in parts.items()}


def step(levels, level, *names):
    """Median step from frame to frame, shoulder widths."""
    keypoints = levels[level][0]
    ends = [keypoints[..., LAYOUT.index(f"{side}_shoulder"), :] for side in SIDES]
    width = np.nanmedian(np.linalg.norm(ends[0] - ends[1], axis=-1), axis=1)
    steps = np.linalg.norm(np.diff(keypoints[:, :, LAYOUT.indices(names)], axis=1), axis=-1)
    return np.nanmedian(steps / width[:, None, None])


TIPS = tuple(f"{side}_{finger}_tip" for side in SIDES for finger in ("index", "middle", "ring"))


class TestAsMeasured:
    """One press conference, OpenPose: the figures of noise.py."""

    def test_shares_of_what_is_unsure_or_missing(self, levels):
        found = shares(levels, "measured")
        assert found["left"] == pytest.approx(0.39, abs=0.08)
        assert found["right"] == pytest.approx(0.28, abs=0.08)
        assert found["face"] == pytest.approx(0.03, abs=0.03)
        assert found["body"] == pytest.approx(0.10, abs=0.06)
        assert found["left"] > found["right"]

    def test_steps_from_frame_to_frame(self, levels):
        assert 0.003 < step(levels, "measured", "nose") < 0.0075
        assert 0.003 < step(levels, "measured", *TIPS) < 0.010

    def test_harsh_is_worse_and_clean_is_better_in_everything(self, levels):
        clean, measured, harsh = (shares(levels, level) for level in LEVELS)
        for part in measured:
            assert clean[part] < measured[part] < harsh[part]
        for names in (("nose",), TIPS):
            sizes = [step(levels, level, *names) for level in LEVELS]
            assert sizes == sorted(sizes)
        empty = [(levels[level][1] == 0).all(-1).mean() for level in LEVELS]
        assert empty == sorted(empty)
        for field in fields(Noise):
            a, b = (np.array(getattr(LEVELS[k], field.name)) for k in ("measured", "harsh"))
            assert (b <= a if field.name == "hips" else b >= a).all(), field.name


@pytest.mark.parametrize("frames", [250, 4500])
@pytest.mark.parametrize(
    ("share", "length"), [(0.0012, 5), (0.004, 5), (0.08, 4), (0.12, 15), (0.25, 45), (0.6, 45)]
)
def test_runs_fill_the_share(frames, share, length):
    draws = int(40_000 / frames / min(share * 10, 1))
    rng = np.random.default_rng(0)
    found = np.mean([runs(rng, frames, share, length).mean() for _ in range(draws)])
    assert found == pytest.approx(share, rel=0.25)


def test_runs_last_about_as_long_as_asked():
    rng = np.random.default_rng(0)
    flags = runs(rng, 100_000, 0.3, 20).astype(int)
    starts = (np.diff(flags) == 1).sum()
    assert flags.sum() / starts == pytest.approx(20, rel=0.15)
    assert runs(rng, 50, 0.0, 5).sum() == 0


class TestEachError:
    """One kind of noise at a time."""

    def test_swapped_hands_change_places(self):
        seen = film(Noise(swap=0.3))
        swapped = seen.sensor.swapped
        assert 0.1 < swapped.mean() < 0.6
        truth = film(Noise())
        for a, b in (("left", "right"), ("right", "left")):
            for got, wanted in (
                (seen.keypoints, truth.keypoints), (seen.scores, truth.scores),
            ):  # fmt: skip
                np.testing.assert_array_equal(
                    got[swapped][:, HANDS[a]], wanted[swapped][:, HANDS[b]]
                )
                np.testing.assert_array_equal(
                    got[~swapped][:, HANDS[a]], wanted[~swapped][:, HANDS[a]]
                )
        np.testing.assert_array_equal(seen.keypoints[:, BODY], truth.keypoints[:, BODY])

    def test_failed_frames_are_empty(self):
        seen = film(Noise(fail=0.2))
        failed = seen.sensor.failed
        assert failed.any()
        assert (seen.scores[failed] == 0).all()
        assert (seen.scores[~failed][:, BODY] == 1).all()

    def test_lost_hands_are_missing_or_unsure_and_misplaced(self):
        seen = film(Noise(hand_missing=(0.5, 0.2), unsure=0.5))
        for side, hand in HANDS.items():
            shown = seen.hidden[side] == 0
            lost, unsure = (flags[side][shown] for flags in (seen.sensor.lost, seen.sensor.unsure))
            scores, error = seen.scores[shown][:, hand], seen.error[shown][:, hand]
            assert (scores[lost & ~unsure] == 0).all()
            guessed = lost & unsure & (scores > 0).all(1)
            assert guessed.any()
            assert (scores[guessed] < LOW).all()
            assert np.abs(error[guessed]).mean() > 0.02
            assert np.abs(error[~lost & (scores > 0).all(1)]).max() < 1e-3

    def test_fast_hands_are_lost_more_often(self):
        seen = film(Noise(blur=1.5), seconds=120)
        hand = HANDS["left"]
        root = seen.points[:, hand[0]]
        speed = np.linalg.norm(np.diff(root, axis=0, prepend=root[:1]), axis=-1)
        shown = (seen.hidden["left"] == 0) & ((seen.pixels[:, hand] < FRAME_SIZE).all((1, 2)))
        missing = (seen.scores[:, hand] == 0).all(1)
        assert missing[shown & (speed > 0.12)].mean() > 0.4
        assert missing[shown & (speed < 0.02)].mean() < 0.01

    def test_jumps_misplace_a_whole_hand(self):
        seen = film(Noise(jump=0.05))
        error = seen.error[:, HANDS["left"]]
        shown = np.isfinite(error).all((1, 2))
        far = np.linalg.norm(error[shown].mean(1), axis=-1) > 0.03
        assert 0.02 < far.mean() < 0.08
        # One shift for all points of the hand.
        assert np.ptp(error[shown], axis=1).max() < 1e-3

    def test_jitter_is_as_large_as_stated(self):
        seen = film(Noise(jitter=0.01))
        error = seen.error[:, BODY]
        assert np.nanstd(error) == pytest.approx(0.01, rel=0.05)
        assert abs(np.corrcoef(error[1:, 0, 0], error[:-1, 0, 0])[0, 1]) < 0.15

    def test_slow_jitter_stays_for_a_while(self):
        error = film(Noise(slow_jitter=0.01)).error[:, BODY]
        assert np.nanstd(error) == pytest.approx(0.01 * np.sqrt(2 / 3), rel=0.1)
        assert np.corrcoef(error[1:, 0, 0], error[:-1, 0, 0])[0, 1] > 0.9

    def test_a_bias_is_the_same_in_all_frames(self):
        error = film(Noise(bias=0.05)).error
        assert np.nanmax(np.nanstd(error, axis=0)) < 1e-3
        off = np.abs(np.nanmean(error, axis=0))
        assert 0.01 < off[BODY[5:]].mean() < 0.1
        assert off[FACE].mean() < off[BODY[5:]].mean()

    def test_doubt_lowers_confidence_not_below_sure(self):
        scores = film(Noise(doubt=1.0)).scores
        seen = scores[scores > 0]
        assert seen.min() >= LOW
        assert scores[:, BODY[5:]].mean() == pytest.approx(0.76, abs=0.04)
        assert scores[:, FACE[5:]].mean() == pytest.approx(0.87, abs=0.04)

    def test_arms_are_unsure_for_the_share_asked(self):
        scores = film(Noise(arm_missing=0.3), seconds=120).scores
        arms = [LAYOUT.index(f"left_{k}") for k in ("elbow", "wrist")]
        unsure = scores[:, arms] < LOW
        assert unsure.mean() == pytest.approx(0.3, abs=0.1)
        np.testing.assert_array_equal(unsure[:, 0], unsure[:, 1])

    def test_a_table_hides_the_hips_of_some(self):
        hip = LAYOUT.index("mid_hip")
        shown = [
            (film(Noise(hips=0.5), seconds=4, seed=seed).scores[:, hip] > 0).mean()
            for seed in range(12)
        ]
        assert set(np.rint(shown)) == {0, 1}

    def test_a_hand_before_the_face_hides_it(self):
        seen = film(Noise(face_hidden=0.5), ("covering face",))
        nose = LAYOUT.index("nose")
        near = np.zeros(len(seen.points), bool)
        for hand in HANDS.values():
            gap = seen.points[:, hand[9]] - seen.points[:, nose]
            near |= (np.linalg.norm(gap, axis=-1) < 0.2) & (gap[:, 2] > 0)
        far = ~near
        for hand in HANDS.values():
            far &= np.linalg.norm(seen.points[:, hand[9]] - seen.points[:, nose], axis=-1) > 0.7
        assert near.sum() > 50
        assert (seen.scores[far][:, FACE] == 1).all()
        covered = seen.scores[near][:, FACE]
        assert (covered < 1).mean() > 0.25
        lost = covered[covered < 1] == 0
        assert lost.mean() == pytest.approx(0.5, abs=0.1)
        # What is behind no hand is as sure as ever, and nothing else suffers.
        assert (seen.scores[:, BODY[5:]] == 1).all()


@pytest.mark.parametrize(
    "bad",
    [
        {"jitter": -0.1}, {"bias": -0.1}, {"jump": 1.5}, {"hips": -0.1}, {"fail": 2},
        {"hand_missing": (0.95, 0.2)}, {"hand_missing": (0.2, -0.1)}, {"label_shift": -1},
    ],
)  # fmt: skip
def test_impossible_noise_is_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        replace(LEVELS["measured"], **bad)


def test_annotators_are_off_by_the_stated_frames():
    shifts = []
    for level in ("clean", "harsh"):
        corpus = SyntheticCorpus(60, 1, level=level, seed=9)
        off = []
        for number in range(len(corpus)):
            video = corpus.video(number)
            script = video.script()
            for event, a in zip(script.events, video.annotations(script), strict=False):
                off += [a.start * 25 - event.start, a.stop * 25 - event.stop]
        shifts.append(np.std(off))
    assert shifts[0] < 1e-6
    assert shifts[1] == pytest.approx(LEVELS["harsh"].label_shift, rel=0.1)


def test_levels_are_in_order():
    assert list(LEVELS) == ["clean", "measured", "harsh"]
    assert len({astuple(noise) for noise in LEVELS.values()}) == 3
