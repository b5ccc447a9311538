"""Scripts of the synthetic generator: what happens when, habits of people, effects of the state."""

import dataclasses
from collections import Counter
from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import chi2_contingency, spearmanr
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from mgpose.data.synthetic import EMOTIONS, SyntheticCorpus
from mgpose.data.synthetic.event_parameters import event_parameters
from mgpose.data.synthetic.gesture_model import Way
from mgpose.data.synthetic.gestures import GESTURES
from mgpose.data.synthetic.idle import minimum_jerk
from mgpose.data.synthetic.perform import perform
from mgpose.data.synthetic.script import (
    EFFECT,
    FPS,
    MIX_SHIFT,
    RATE_SHIFT,
    TEMPO_SHIFT,
    UNUSUAL,
    write_script,
)
from mgpose.structures.micro_gestures import MICRO_GESTURES


def videos_of(corpus):
    return [corpus.video(number) for number in range(len(corpus))]


def scripts_of(corpus):
    return [video.script() for video in videos_of(corpus)]


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus(400, 1, seed=11)


@pytest.fixture(scope="module")
def scripts(corpus):
    """Of 400 people, a video of three minutes each: about 12,000 gestures."""
    return scripts_of(corpus)


@pytest.fixture(scope="module")
def events(scripts):
    return [event for script in scripts for event in script.events]


@pytest.fixture(scope="module")
def own_scripts():
    """Many videos of one person, all classes equally frequent."""
    return scripts_of(SyntheticCorpus(1, 250, mix="uniform", seed=2))


def test_gestures_lie_inside_the_video(scripts):
    for script in scripts:
        assert [e.first for e in script.events] == sorted(e.first for e in script.events)
        for e in script.events:
            assert min(e.first, e.start) >= 0
            assert max(e.last, e.stop) < script.frames
            assert e.start < e.stop
            assert e.rise + e.fall < e.last - e.first
            assert max(e.start, e.first) < min(e.stop, e.last)


def test_a_label_lies_on_its_gesture(events):
    """In nearly every labelled span the gesture is seen at more than half its height."""
    seen = []
    for e in events:
        frame = np.arange(e.start, e.stop)
        rise = minimum_jerk((frame - e.first) / e.rise)
        seen.append((rise * minimum_jerk((e.last - 1 - frame) / e.fall)).max() > 0.5)
    assert np.mean(seen) > 0.99


def meeting(script):
    """Pairs of events of which something moves at the same time."""
    return [
        (a, b) for a, b in combinations(script.events, 2) if a.first < b.last and b.first < a.last
    ]


class TestSimultaneousGestures:
    def test_hands_do_one_thing_at_a_time(self, scripts):
        pairs = [pair for script in scripts for pair in meeting(script)]
        assert len(pairs) > 300
        assert not [(a.label, b.label) for a, b in pairs if a.hands and b.hands]

    def test_the_same_class_is_not_made_twice_at_a_time(self, scripts):
        pairs = [pair for script in scripts for pair in meeting(script)]
        assert not Counter(a.label for a, b in pairs if a.label == b.label)

    def test_other_parts_of_the_body_are_moved(self, scripts):
        for script in scripts:
            for pair in meeting(script):
                a, b = (Way(moves=event.moves).channels for event in pair)
                assert not a & b, [event.label for event in pair]

    def test_about_an_eighth_overlaps(self, scripts):
        """Measured in iMiGUE: 12 % of the clips."""
        flags = [
            any(a is not b and a.start < b.stop and b.start < a.stop for b in script.events)
            for script in scripts
            for a in script.events
        ]
        assert 0.08 < np.mean(flags) < 0.16


def test_lengths_are_as_measured(events):
    """Measured in iMiGUE: median 44 frames, mean 71, 90 % below 145, 99 % below 439."""
    lengths = np.array([e.stop - e.start for e in events])
    median, p90, p99 = np.percentile(lengths, (50, 90, 99))
    assert median == pytest.approx(44, abs=3)
    assert lengths.mean() == pytest.approx(71, abs=6)
    assert p90 == pytest.approx(145, abs=18)
    assert p99 == pytest.approx(439, abs=80)


@pytest.mark.parametrize("asked", [3, 9, 15])
def test_as_many_gestures_a_minute_as_asked_for(asked):
    corpus = SyntheticCorpus(200, 1, gestures_per_minute=asked, seed=4)
    found = wanted = 0.0
    for video in videos_of(corpus):
        script = video.script()
        found += len(script.events) / (script.frames / FPS / 60)
        wanted += asked * video.subject.rate * np.exp(RATE_SHIFT * script.state)
    assert found == pytest.approx(wanted, rel=0.12)


class TestMix:
    def test_the_long_tail_is_that_of_imigue(self, events):
        count = Counter(e.label for e in events)
        found = np.array([count[g.name] / len(events) for g in MICRO_GESTURES])
        wanted = np.array([g.share / 100 for g in MICRO_GESTURES])
        assert spearmanr(found, wanted).statistic > 0.95
        common = wanted > 0.01
        np.testing.assert_allclose(found[common], wanted[common], rtol=0.4)
        # The rest is rare together, and the most frequent class is no micro-gesture.
        assert found[~common].sum() == pytest.approx(wanted[~common].sum(), rel=0.2)
        assert count.most_common(1)[0][0] == "illustrative gesture"
        assert found.max() == pytest.approx(0.35, abs=0.08)

    def test_uniform_is_uniform(self):
        scripts = scripts_of(SyntheticCorpus(150, 1, mix="uniform", seed=5))
        count = Counter(e.label for script in scripts for e in script.events)
        assert set(count) == set(GESTURES)
        shares = np.array(list(count.values())) / count.total()
        np.testing.assert_allclose(shares, 1 / len(GESTURES), rtol=0.5)

    def test_only_the_classes_asked_for(self):
        classes = ("head up", "rubbing eyes")
        scripts = scripts_of(SyntheticCorpus(3, 2, classes=classes))
        assert {e.label for script in scripts for e in script.events} == set(classes)


class TestHabits:
    """What a person does is recognisable; the same person's halves do not differ like people."""

    def counts(self, groups):
        return np.array(
            [[Counter(e.label for e in events)[label] for label in GESTURES] for events in groups]
        )

    def test_people_differ_in_their_mix_and_one_person_does_not(self):
        corpus = SyntheticCorpus(4, 30, mix="uniform", seed=6)
        people = np.array_split(np.array(scripts_of(corpus), dtype=object), 4)
        groups = [[e for script in own for e in script.events] for own in people]
        assert chi2_contingency(self.counts(groups)).pvalue < 1e-20
        halves = [
            [e for i, script in enumerate(people[0]) if i // 2 % 2 == half for e in script.events]
            for half in (0, 1)
        ]
        assert chi2_contingency(self.counts(halves) + 1).pvalue > 1e-3

    def test_the_preferred_hand_acts(self, corpus, scripts):
        left, expected, count = 0, 0.0, 0
        for video, script in zip(videos_of(corpus), scripts, strict=True):
            acting = [e.hands[0].side for e in script.events if e.hands]
            left += acting.count("left")
            expected += video.subject.left_handed * len(acting)
            count += len(acting)
        assert left == pytest.approx(expected, abs=4 * np.sqrt(count / 4))
        preferred = [video.subject.left_handed for video in videos_of(corpus)]
        assert 0.15 < np.mean(np.array(preferred) > 0.5) < 0.35

    def test_the_preferred_way_is_taken(self, corpus, scripts):
        usual = expected = 0.0
        for video, script in zip(videos_of(corpus), scripts, strict=True):
            for e in script.events:
                ways = GESTURES[e.label].ways
                if not e.hands or len({id(way.hand) for way in ways}) < len(ways):
                    continue
                usual += e.hands[0].reach is ways[video.subject.way[e.label]].hand
                expected += 1 - UNUSUAL * (1 - 1 / len(ways))
        assert usual == pytest.approx(expected, rel=0.02)

    def test_tempo_and_amplitude_are_the_persons(self, corpus, scripts):
        rises, tempo = [], []
        for video, script in zip(videos_of(corpus), scripts, strict=True):
            rises.append(np.mean([np.log(e.rise) for e in script.events]))
            tempo.append(np.log(video.subject.tempo))
        assert np.corrcoef(rises, tempo)[0, 1] < -0.8


class TestState:
    """The label acts through the state alone, by as much as the data sheet states."""

    def test_its_mean_is_the_effect_and_its_variance_one(self):
        corpus = SyntheticCorpus(1200, 2, seconds=4, seed=7)
        labelled = [(s.state, 1 if s.emotion == "positive" else -1) for s in scripts_of(corpus)]
        state, sign = np.array(labelled).T
        count = len(state)
        assert np.bincount((sign > 0).astype(int)).tolist() == [count // 2, count // 2]
        rest = state - EFFECT * sign
        assert abs(rest[sign > 0].mean()) < 4 / np.sqrt(count / 2)
        assert abs(rest[sign < 0].mean()) < 4 / np.sqrt(count / 2)
        assert rest.var() == pytest.approx(1, abs=4 * np.sqrt(2 / count))
        best = NormalDist().cdf(EFFECT)
        assert best == pytest.approx(0.75, abs=1e-4)
        right = (np.sign(state) == sign).mean()
        assert right == pytest.approx(best, abs=4 * np.sqrt(best * (1 - best) / count))

    @pytest.mark.parametrize("a_minute", [2, 9])
    def test_the_rate_follows(self, a_minute):
        corpus = SyntheticCorpus(
            1, 250, seconds=1200 / a_minute, gestures_per_minute=a_minute, seed=2
        )
        scripts = scripts_of(corpus)
        states, counts = zip(*((s.state, len(s.events)) for s in scripts), strict=True)
        fit = PoissonRegressor(alpha=0).fit(np.array(states)[:, None], counts)
        assert fit.coef_[0] == pytest.approx(RATE_SHIFT, abs=0.05)

    def test_the_tempo_follows(self, own_scripts):
        pairs = [(s.state, np.log(e.rise)) for s in own_scripts for e in s.events]
        slope, _ = np.polyfit(*np.array(pairs).T, 1)
        assert slope == pytest.approx(-TEMPO_SHIFT, abs=0.015)

    def test_the_mix_follows(self, own_scripts):
        pairs = [(s.state, GESTURES[e.label].valence) for s in own_scripts for e in s.events]
        state, valence = np.array([pair for pair in pairs if abs(pair[1]) == 1]).T
        fit = LogisticRegression(C=np.inf).fit(state[:, None], valence > 0)
        # The log odds of +1 against -1: twice the shift.
        assert fit.coef_[0, 0] == pytest.approx(2 * MIX_SHIFT, abs=0.15)

    def test_both_valences_are_there(self):
        valences = {gesture.valence for gesture in GESTURES.values()}
        assert min(valences) == -1
        assert max(valences) == 1


class Shifted:
    """A generator whose first normal number is moved, so that two labels get the same state."""

    def __init__(self, seed, shift):
        self.rng, self.shift = np.random.default_rng(seed), shift

    def standard_normal(self, *size):
        shift, self.shift = self.shift, 0.0
        return self.rng.standard_normal(*size) + shift

    def __getattr__(self, name):
        return getattr(self.rng, name)


def test_the_label_influences_nothing_but_the_state():
    subject = SyntheticCorpus().video(0).subject
    mix = dict.fromkeys(GESTURES, 1.0)
    told = {}
    for emotion, shift in zip(EMOTIONS, (EFFECT, -EFFECT), strict=True):
        script = write_script(Shifted(3, shift), subject, mix, 4500, 9, emotion)
        assert script.emotion == emotion
        events = [
            (e.label, e.start, e.stop, e.first, e.last, event_parameters(e)) for e in script.events
        ]
        told[emotion] = (script.frames, round(script.state, 9), events)
    assert len(told["positive"][2]) > 5
    assert told["positive"] == told["negative"]


def test_acting_out_does_not_look_at_the_label():
    video = SyntheticCorpus(1, 1, seconds=10, gestures_per_minute=30).video(0)
    script = video.script()
    twin = dataclasses.replace(
        script, emotion="positive" if script.emotion == "negative" else "negative"
    )
    a, b = (
        [points for _, points in perform(np.random.default_rng(1), video.subject, s).blocks(100)]
        for s in (script, twin)
    )
    np.testing.assert_array_equal(np.concatenate(a), np.concatenate(b))
