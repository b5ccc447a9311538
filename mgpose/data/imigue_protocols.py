"""The published splits of iMiGUE, by the official numbers of its subjects and videos.

Recognition: 37 subjects train, 35 test; ten videos of train subjects are the official validation.
Emotion, where ``win`` is positive and ``lose`` negative (the outcome of a match, not a felt
emotion): the lists of videos of the first paper, which have two defects, and the same subjects as
in recognition (the MiGA challenges), which share nobody.

Videos are told by the number that is their id (``8`` or ``0008``), as the importers of the release
name them; subjects by their number.

Reference: Liu et al., iMiGUE, CVPR 2021, and its public protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mgpose.data.protocols import Folds, Protocol
from mgpose.structures import Annotation, InputError, Split, groups_of


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split())


TRAIN_SUBJECTS = _numbers(
    "2 4 5 6 9 10 12 13 14 15 17 18 20 21 22 23 25 28 29 30 31 35 36 38 39 41 42 43 44 46 47 48 52 "
    "53 59 61 62"
)
TEST_SUBJECTS = tuple(number for number in range(1, 73) if number not in TRAIN_SUBJECTS)
VALIDATION_VIDEOS = _numbers("1 2 3 4 6 7 8 9 10 11")
EMOTION_TRAIN_VIDEOS = _numbers(
    "1 7 8 11 26 27 46 47 48 53 55 57 63 66 67 74 77 84 85 86 91 96 102 103 104 105 106 108 109 "
    "112 114 117 124 132 134 140 148 157 161 162 163 164 167 169 170 172 176 186 196 216 233 236 "
    "237 239 240 241 242 243 249 252 266 290 297 300 306 310 314 318 319 320 324 334 339 359 360 "
    "365 369 377 381 385 392 402 407 410 411 413 414 415 420 429 433 435 436 440 441 445 448 449 "
    "450 451 452 453"
)
EMOTION_TEST_VIDEOS = _numbers(
    "9 10 12 16 28 35 43 49 50 51 52 54 56 60 71 72 83 89 95 100 107 110 111 121 131 136 144 145 "
    "165 166 168 171 174 179 185 191 193 212 220 223 230 231 232 234 235 238 244 246 254 258 262 "
    "263 268 270 276 280 282 303 304 311 312 313 315 316 317 322 323 325 327 328 329 333 337 341 "
    "343 344 363 374 400 401 403 404 405 406 408 416 417 419 421 428 430 431 437 438 439 442 443 "
    "444 446 447"
)
# Video 8 (train, win) and video 49 (test, lose) look like one footage.
SAME_FOOTAGE = (("8", "49"),)


@dataclass(frozen=True)
class SubjectSplit(Protocol):
    """Test on the subjects that the release tests, train on all others.

    Args:
        validation: whether the official validation videos stand aside, as the fold's ``val``.
    """

    validation: bool = False

    def folds(self, annotations: Sequence[Annotation]) -> list[Split]:
        """The one fold.

        Raises:
            InputError: when a test subject is missing, a subject is none of the release's, or the
                validation videos cannot be told by their ids.
        """
        subject_of = groups_of(annotations, ("subject",))["subject"]
        number_of = {
            video: _known_number(self.name, f"subject of video {video!r}", subject)
            for video, subject in subject_of.items()
        }
        _require_in(self.name, "test subjects", number_of.values(), TEST_SUBJECTS)
        aside: set[str] = set()
        if self.validation:
            of = {v: _known_number(self.name, "id of a video", v) for v in subject_of}
            aside = {v for v in of if of[v] in VALIDATION_VIDEOS}
            _require_in(self.name, "validation videos", of.values(), VALIDATION_VIDEOS)
        wrong = sorted(set(number_of.values()) - {*TRAIN_SUBJECTS, *TEST_SUBJECTS})
        if wrong:
            raise InputError(f"{self.name}: expected subjects 1 to 72, found {wrong[:5]}")
        train = tuple(v for v in number_of if number_of[v] in TRAIN_SUBJECTS)
        return [
            Split(
                protocol=self.name,
                fold="only",
                train=tuple(v for v in train if v not in aside),
                test=tuple(v for v in number_of if number_of[v] in TEST_SUBJECTS),
                val=tuple(v for v in train if v in aside),
                groups={"subject": subject_of},
                exceptions=self.exceptions,
            )
        ]


@dataclass(frozen=True)
class VideoLists(Protocol):
    """Train and test are lists of videos; videos of neither list are left out."""

    def folds(self, annotations: Sequence[Annotation]) -> list[Split]:
        """The one fold. What its people share is the leakage guard's to find, with all the rest.

        Raises:
            InputError: when a video of the lists is missing, or ids are no numbers.
        """
        videos = dict.fromkeys(a.video for a in annotations)
        number_of = {v: _known_number(self.name, "id of a video", v) for v in videos}
        _require_in(
            self.name,
            "videos",
            number_of.values(),
            (*EMOTION_TRAIN_VIDEOS, *EMOTION_TEST_VIDEOS),
        )
        return [
            Split(
                protocol=self.name,
                fold="only",
                train=tuple(v for v in videos if number_of[v] in EMOTION_TRAIN_VIDEOS),
                test=tuple(v for v in videos if number_of[v] in EMOTION_TEST_VIDEOS),
                exceptions=self.exceptions,
            )
        ]


def _known_number(protocol: str, what: str, text: str) -> int:
    if not text.isdecimal():
        raise InputError(
            f"{protocol}: expected the release's number as {what}, found {text!r}; import with the "
            "numbers of the release and with its label file (--labels)"
        )
    return int(text)


def _require_in(protocol: str, what: str, found: Iterable[int], wanted: Sequence[int]) -> None:
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise InputError(
            f"{protocol}: expected all {what} of the official split, {len(missing)} of "
            f"{len(wanted)} have no annotation, such as {missing[:5]}; a part of the release is "
            "another test: give it a protocol of its own"
        )


def _one_fold(values: Sequence[str]) -> Folds:
    return {"only": tuple(values)}


def _by_subject(name: str, description: str, validation: bool = False) -> Protocol:
    return SubjectSplit(
        name=name,
        description=description,
        group="subject",
        make_folds=_one_fold,
        same_footage=SAME_FOOTAGE,
        validation=validation,
    )


def _by_lists(name: str, description: str, exceptions: dict[str, str] | None = None) -> Protocol:
    return VideoLists(
        name=name,
        description=description,
        group="video",
        make_folds=_one_fold,
        keep_apart=(),
        exceptions=exceptions or {},
        tuning_group="subject",
        same_footage=SAME_FOOTAGE,
    )


IMIGUE_PROTOCOLS = (
    _by_subject(
        "imigue_cross_subject",
        "iMiGUE, train on 37 subjects without the ten validation videos, test on the other 35",
        validation=True,
    ),
    _by_subject(
        "imigue_cross_subject_with_validation",
        "iMiGUE, train on 37 subjects, the ten validation videos included, test on the other 35",
    ),
    _by_subject(
        "imigue_emotion_cross_subject",
        "iMiGUE, outcome of the match: train on the videos of 37 subjects, test on those of the "
        "other 35, as in the MiGA challenges",
    ),
    _by_lists(
        "imigue_emotion_cvpr2021",
        "iMiGUE, outcome of the match: the 102 and 100 videos of CVPR 2021",
    ),
    _by_lists(
        "imigue_emotion_cvpr2021_as_published",
        "iMiGUE, outcome of the match: the 102 and 100 videos of CVPR 2021, defects and all",
        exceptions={
            "subject": "published so: 39 of the subjects are in both lists",
            "near_duplicate": "published so: videos 8 (train, win) and 49 (test, lose) look like "
            "one footage",
        },
    ),
)
