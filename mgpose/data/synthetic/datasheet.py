"""The data sheet of a synthetic corpus.

Reference: Gebru et al., Datasheets for Datasets, Communications of the ACM 64, 2021.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from math import erf, sqrt

import numpy as np

from mgpose.data.synthetic.corpus import VERSION, SyntheticCorpus
from mgpose.data.synthetic.script import (
    EFFECT,
    FPS,
    HEAD_SHIFT,
    MIX_SHIFT,
    RATE_SHIFT,
    TEMPO_SHIFT,
)
from mgpose.structures import Annotation
from mgpose.structures.micro_gestures import MICRO_GESTURES

_TEMPLATE = """\
# Data sheet: synthetic micro-gesture corpus

**All of it is synthetic.** No person was filmed; it says nothing about people. It stands in for
the structure of gated data sets, for demonstration, tests and benchmarks. A result on it is no
headline.

## Composition
{people} subjects with {takes} videos each, {seconds:g} s a video at {fps:g} frames a second:
{videos} videos, {frames} frames, {gestures} labelled gestures of {classes} classes ({mix}),
noise level `{level}`. Layout `upper_body_hands_face`, 70 keypoints in pixels with confidence.
Lengths of the labelled spans in frames: median {median:.0f}, mean {mean:.0f}, 90 % below
{p90:.0f}, 99 % below {p99:.0f}. {overlap:.1f} % of the gestures overlap another one of the same
video.

{counts}

## How it was made
`tools/make_synthetic.py`, generator version {version}, seed {seed}. A seated body in 3-D
(two-bone arms, 21-point hands, a face that speaks) acts out a random script: hands reach places
on the body along minimum-jerk paths and touch, rub, scratch or hold there; face and trunk
classes move what they name. Subjects differ in proportions, posture, tempo, amplitude,
handedness, habits and camera. A pin-hole camera films it, and a model of an estimator adds gaps
and errors.

Noise (lengths in shoulder widths, shares of frames): {noise}.

## Labels
`annotations.csv`: tier `gesture` (names of iMiGUE; an annotator's starts and stops are off by
{shift:g} frames, standard deviation) and tier `emotion` (one a video). `parameters.csv`: what
was drawn for each gesture, free of noise. `states.csv`: the hidden state of each video.

**Emotion** is a label of the generator's own: a video's state is normal with variance 1 about
+{effect} (positive) or -{effect} (negative), and one unit of it shifts the log weight of a
class by {mix_shift:g} times its valence, the log rate of gestures by {rate_shift:g}, the log
tempo by {tempo_shift:g} and the head's pitch by {head_shift:g} rad. Nothing else depends on the
label, so no reader can do better than {best:.1f} % in the long run.

## Splits
Protocol `synthetic`: the last quarter of the subjects is test; subjects are never shared.

## Uses
For trying the toolkit, for tests, for measuring speed, for studying privacy (identity is in the
proportions and in the motion) where nobody's privacy is at stake. Not for: pre-training that is
then reported as if on real data, claims about micro-gestures, emotions or people.

## Distribution
Licence as the project (Apache-2.0). The same arguments give the same files; make it again with
the options in this sheet.
"""


def datasheet(corpus: SyntheticCorpus, annotations: Sequence[tuple[Annotation, ...]]) -> str:
    """The sheet as Markdown.

    Args:
        corpus: what was made.
        annotations: those of each video.
    """
    gestures = [[a for a in video if a.tier == "gesture"] for video in annotations]
    every = [a for video in gestures for a in video]
    lengths = np.array([(a.stop - a.start) * FPS for a in every] or [0.0])
    median, p90, p99 = np.percentile(lengths, (50, 90, 99))
    return _TEMPLATE.format(
        people=corpus.subjects,
        takes=corpus.videos_per_subject,
        seconds=corpus.seconds,
        fps=FPS,
        videos=len(corpus),
        frames=len(corpus) * corpus.frames,
        gestures=len(every),
        classes=len(corpus.classes),
        mix={"long-tail": "long tail as in iMiGUE", "uniform": "equally frequent"}[corpus.mix],
        level=corpus.level,
        median=median,
        mean=lengths.mean(),
        p90=p90,
        p99=p99,
        overlap=100 * sum(map(_overlapping, gestures)) / max(1, len(every)),
        counts=_counts(every, corpus.classes),
        version=VERSION,
        seed=corpus.seed,
        noise=", ".join(f"{name} {value}" for name, value in asdict(corpus.noise).items()),
        shift=corpus.noise.label_shift,
        effect=EFFECT,
        mix_shift=MIX_SHIFT,
        rate_shift=RATE_SHIFT,
        tempo_shift=TEMPO_SHIFT,
        head_shift=HEAD_SHIFT,
        best=50 * (1 + erf(EFFECT / sqrt(2))),
    )


def _overlapping(gestures: Sequence[Annotation]) -> int:
    """How many of a video's gestures overlap another one."""
    return sum(
        any(a is not b and a.start < b.stop and b.start < a.stop for b in gestures)
        for a in gestures
    )


def _counts(gestures: Sequence[Annotation], classes: Sequence[str]) -> str:
    """Markdown table of the classes and how often they occur."""
    count = Counter(a.label for a in gestures)
    rows = ["| id | class | group | clips |", "|---|---|---|---|"]
    rows += [
        f"| {g.id} | {g.name} | {g.group} | {count[g.name]} |"
        for g in MICRO_GESTURES
        if g.name in classes
    ]
    return "\n".join(rows)
