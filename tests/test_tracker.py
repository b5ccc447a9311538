"""Who is the subject: by boxes alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgpose.extraction.roles import Box, View
from mgpose.extraction.subject import CutDetector, SubjectFinder
from mgpose.extraction.tracker import SubjectTracker
from mgpose.structures import FrameFlag

SIZE = (640, 480)
NOTHING, SEVERAL, SWITCHED = (
    FrameFlag(0),
    FrameFlag.SEVERAL_PEOPLE,
    FrameFlag.SUBJECT_SWITCHED,
)


def box(x, size=100.0, y=200.0):
    return Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2)


def follow(looks, every=0.2, cuts=()):
    """The sights of a fresh tracker in looks ``every`` so many seconds."""
    tracker = SubjectTracker()
    return [
        tracker.follow(people, i * every, SIZE, cut=i in cuts) for i, people in enumerate(looks)
    ]


def crossing(moving, still, count=40, hidden=0.4):
    """Looks at two people of whom one is hidden while they are less than ``hidden`` boxes apart."""
    return [
        [b] if math.hypot(*np.subtract(a.centre, b.centre)) < hidden * 100 else [a, b]
        for a, b in ((moving(i), still(i)) for i in range(count))
    ]


# Boxes.


def test_box_laws():
    a, b = box(100), box(140)
    assert a.overlap(a) == 1
    assert a.overlap(b) == b.overlap(a) == pytest.approx(60 / 140)
    assert a.overlap(box(400)) == 0
    assert a.contains(*a.centre)
    assert a.contains(*a.head)
    assert a.moved(40, 0) == b
    assert a.moved(3, 4).moved(-3, -4) == a
    assert not a.contains(np.nan, 200)
    with pytest.raises(ValueError, match="x0 < x1"):
        Box(5, 0, 5, 9)


def test_a_pose_between_two_people_belongs_to_the_nearer():
    alone, both = View(None, box(100)), View(None, box(100), (box(160),))
    assert View(None).shows_subject((500, 500), (500, 600))
    assert alone.shows_subject((140, 170), (140, 210))
    assert alone.shows_subject((np.nan, np.nan), (140, 210))
    assert not alone.shows_subject((170, 170), (140, 210))
    assert both.shows_subject((110, 170), (120, 210))
    assert not both.shows_subject((140, 170), (140, 210))
    assert not both.shows_subject((110, 170), (140, 210))  # the other's shoulders
    assert not both.shows_subject((20, 170), (20, 210))  # nobody's
    assert not both.shows_subject((np.nan, np.nan), (np.nan, np.nan))
    assert not View(None, None, (box(160),)).shows_subject((160, 170), (160, 210))


# Who is the subject.


def test_subject_is_large_and_central():
    (sight,) = follow([[box(60, 120), box(320, 120)]])
    assert (sight.subject, sight.others, sight.flags) == (box(320, 120), (box(60, 120),), SEVERAL)
    assert follow([[box(320, 80), box(500, 160)]])[0].subject == box(500, 160)
    (sight,) = follow([[]])
    assert (sight.subject, sight.others, sight.flags) == (None, (), NOTHING)


def test_people_who_come_do_not_take_over():
    looks = [[box(200 + i), *([box(700 - 8 * i, 200)] if i > 5 else [])] for i in range(40)]
    for i, sight in enumerate(follow(looks)):
        assert sight.subject == box(200 + i)
        assert not sight.flags & SWITCHED


def test_subject_may_hide_but_not_for_ever():
    other = box(600, 60)
    looks = [[box(300), other]] * 3 + [[other]] * 5 + [[box(310), other]] + [[other]] * 20
    sights = follow(looks)
    assert all(s.subject is None and s.others == (other,) for s in sights[3:8])
    assert sights[8].subject == box(310)
    assert not any(s.flags & SWITCHED for s in sights[:19])
    assert [s.subject for s in sights[9:19]] == [None] * 10
    assert (sights[19].subject, sights[19].flags) == (other, SWITCHED)
    assert (sights[20].subject, sights[20].flags) == (other, NOTHING)


def test_who_walks_out_is_expected_at_the_edge():
    out = [[box(400 + 40 * i), box(100, 60)] for i in range(6)]
    back = [[box(600 - 20 * i), box(100, 60)] for i in range(4)]
    sights = follow([*out, *[[box(100, 60)]] * 5, *back])
    assert [s.subject is None for s in sights] == [False] * 6 + [True] * 5 + [False] * 4
    assert not any(s.flags & SWITCHED for s in sights)


def test_somebody_seen_after_a_long_absence_is_flagged():
    for back in (box(300), box(580)):
        sights = follow([[box(300)]] * 3 + [[]] * 15 + [[back]] * 2)
        assert sights[-2].subject == sights[-1].subject == back
        assert [s.flags for s in sights[-2:]] == [SWITCHED, NOTHING]
    sights = follow([[box(300)]] * 3 + [[]] * 5 + [[box(300)]])
    assert (sights[-1].subject, sights[-1].flags) == (box(300), NOTHING)


@pytest.mark.parametrize("hidden", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("speed", [8, 16, 30])
@pytest.mark.parametrize("subject_moves", [True, False])
def test_crossing_people_keep_their_identity(speed, subject_moves, hidden):
    def moving(i):
        return box(60 + speed * i, 100 if subject_moves else 95)

    def still(i):
        return box(320, 95 if subject_moves else 100)

    looks = crossing(moving, still, count=480 // speed, hidden=hidden)
    truth = moving if subject_moves else still
    if subject_moves:
        looks[0] = [moving(0)]
    sights = follow(looks, every=0.1)
    for i, sight in enumerate(sights):
        assert not sight.flags & SWITCHED
        if sight.subject is not None:
            assert sight.subject.centre == truth(i).centre
    assert sights[-1].subject is not None
    assert sum(s.subject is None for s in sights) <= max(2, 2 * 100 * hidden / speed + 4)


def test_two_who_do_not_part_are_flagged():
    """One walks to the other, and one of them is never seen again."""
    looks = crossing(lambda i: box(min(60 + 20 * i, 320), 95), lambda i: box(320), count=60)
    sights = follow(looks, every=0.1)
    flagged = [i for i, s in enumerate(sights) if s.flags & SWITCHED]
    hidden = [i for i, s in enumerate(sights) if s.subject is None]
    assert len(flagged) == 1
    assert hidden == list(range(hidden[0], flagged[0]))
    assert all(sights[i].others for i in hidden)  # somebody is there, and it is not said who


def test_a_cut_is_flagged_and_ends_all_motion():
    sights = follow([[box(300), box(500, 90)]] * 5 + [[box(305, 95), box(490)]] * 2, cuts=(5,))
    assert [bool(s.flags & SWITCHED) for s in sights] == [False] * 5 + [True, False]
    assert sights[5].subject == box(305, 95)  # in the same seat
    sights = follow([[box(100)]] * 5 + [[box(500), box(400, 50)]] * 2, cuts=(5,))
    assert sights[5].subject == box(500)
    sights = follow([[box(100)]] * 5 + [[], [box(500)]], cuts=(5,))
    assert [bool(s.flags & SWITCHED) for s in sights[4:]] == [False, True, False]
    assert [s.subject for s in sights[5:]] == [None, box(500)]


# Laws.


@st.composite
def films(draw, missing=(0, 0.2)):
    """Looks at up to four people who walk, each at a height, and are missed at times."""
    count = draw(st.integers(1, 4))
    starts = draw(st.lists(st.floats(210, 430), min_size=count, max_size=count))
    speeds = draw(st.lists(st.floats(-8, 8), min_size=count, max_size=count))
    sizes = draw(st.lists(st.floats(30, 70), min_size=count, max_size=count, unique=True))
    seed = draw(st.integers(0, 999))
    missed = np.random.default_rng(seed).random((25, count)) < draw(st.sampled_from(missing))
    return [
        [
            box(x + v * i, size, 100 * n + 60)
            for n, (x, v, size) in enumerate(zip(starts, speeds, sizes, strict=True))
            if not missed[i, n]
        ]
        for i in range(25)
    ]


@settings(max_examples=40, deadline=None)
@given(films(), st.randoms(use_true_random=False))
def test_the_order_of_the_boxes_does_not_matter(film, random):
    shuffled = [random.sample(people, len(people)) for people in film]
    for one, other in zip(follow(film), follow(shuffled), strict=True):
        assert (one.subject, one.flags) == (other.subject, other.flags)
        assert set(one.others) == set(other.others)


def test_two_alike_are_chosen_from_in_whatever_order():
    alike = [box(220), box(420)]
    assert follow([alike])[0].subject == follow([alike[::-1]])[0].subject


@settings(max_examples=40, deadline=None)
@given(films())
def test_a_mirrored_video_has_the_mirrored_subject(film):
    def mirror(b):
        return Box(SIZE[0] - b.x1, b.y0, SIZE[0] - b.x0, b.y1, b.score)

    mirrored = [[mirror(b) for b in people] for people in film]
    for one, other in zip(follow(film), follow(mirrored), strict=True):
        assert one.flags == other.flags
        assert (one.subject is None) == (other.subject is None)
        if one.subject is not None:
            assert mirror(one.subject).centre == pytest.approx(other.subject.centre)


@settings(max_examples=40, deadline=None)
@given(films(), st.sampled_from([0.5, 2.0, 4.0]))
def test_size_of_the_picture_does_not_matter(film, scale):
    def scaled(b):
        return Box(*(scale * edge for edge in (b.x0, b.y0, b.x1, b.y1)), b.score)

    tracker = SubjectTracker()
    for i, one in enumerate(follow(film)):
        people = [scaled(b) for b in film[i]]
        other = tracker.follow(people, i * 0.2, (round(640 * scale), round(480 * scale)))
        assert one.flags == other.flags
        assert (scaled(one.subject) if one.subject else None) == other.subject


@settings(max_examples=60, deadline=None)
@given(films())
def test_nobody_changes_lanes_without_a_flag(film):
    """Each person has a height of their own, farther apart than anybody walks."""
    lane = None
    for sight, people in zip(follow(film), film, strict=True):
        assert len(sight.others) + (sight.subject is not None) >= len(people)
        assert bool(sight.flags & SEVERAL) >= (len(people) > 1)
        if sight.subject is not None:
            now = round((sight.subject.centre[1] - 60) / 100)
            assert now == lane or lane is None or sight.flags & SWITCHED
            lane = now


@settings(max_examples=30, deadline=None)
@given(films(missing=(0,)), st.integers(2, 3))
def test_fewer_looks_show_the_same_subject(film, step):
    many = follow(film, every=0.1)[::step]
    few = follow(film[::step], every=0.1 * step)
    assert [s.subject for s in many] == [s.subject for s in few]


# Looks.


class Faces:
    """A detector that counts its looks."""

    def __init__(self, *people):
        self.people, self.looks = list(people), 0

    def detect(self, image):
        self.looks += 1
        return self.people

    def close(self):
        pass


def film_of(colour, count=30):
    return [np.full((480, 640, 3), colour, np.uint8)] * count


def test_looks_are_as_frequent_as_people_are_close():
    looks = []
    for people in ([box(300)], [box(100), box(500)], [box(300), box(350)]):
        faces = Faces(*people)
        finder = SubjectFinder(faces, SubjectTracker())
        for i, image in enumerate(film_of(90, 60)):
            sight = finder.find(image, i / 30)
            assert bool(sight.flags & SEVERAL) == (len(people) > 1)
            assert sight.subject in people
        looks.append(faces.looks)
    assert looks == sorted(looks)
    assert looks[0] <= 7
    assert looks[-1] >= 25


def test_a_cut_is_looked_at_at_once():
    faces = Faces(box(300))
    finder = SubjectFinder(faces, SubjectTracker())
    flags = []
    for i, image in enumerate(film_of(90, 5) + film_of(200, 5)):
        flags.append(finder.find(image, i / 30).flags)
        if i == 4:
            assert faces.looks == 1
    assert faces.looks == 2
    assert [bool(f & SWITCHED) for f in flags] == [False] * 5 + [True] + [False] * 4


def test_a_pose_that_is_followed_keeps_the_subject_in_sight():
    """The subject turns away for four seconds; the estimator follows it, or it does not."""
    for followed in (True, False):
        faces = Faces(box(200), box(500, 80))
        finder = SubjectFinder(faces, SubjectTracker())
        sights = []
        for i, image in enumerate(film_of(90, 180)):
            if i == 30:
                faces.people = [box(500, 80)]
            sights.append(finder.find(image, i / 30))
            nose = 200.0 + max(0, i - 30) if followed or i < 30 else math.nan
            finder.note_nose(nose, 170.0, i / 30)
        switched = [s for s in sights if s.flags & SWITCHED]
        assert len(switched) == (not followed)
        if followed:
            assert sights[-1].subject.centre[0] == pytest.approx(200 + 149, abs=20)
        else:
            assert sights[-1].subject == box(500, 80)


def test_cuts_are_told_from_motion():
    rng = np.random.default_rng(0)
    rooms = [rng.integers(0, 256, (240, 640, 3)).astype(np.uint8) for _ in range(2)]
    rooms = [np.repeat(np.repeat(room[::40, ::40], 40, 0), 40, 1) for room in rooms]

    def cuts(images):
        detector = CutDetector()
        return [i for i, image in enumerate(images) if detector.is_cut(image)]

    noise = [np.clip(rooms[0] + rng.normal(0, 5, rooms[0].shape), 0, 255) for _ in range(6)]
    assert cuts([image.astype(np.uint8) for image in noise]) == []
    assert cuts([rooms[0]] * 5 + [rooms[1]] * 5 + [rooms[0]] * 2) == [5, 10]
    assert cuts([np.roll(rooms[0], 2 * i, axis=1) for i in range(60)]) == []
