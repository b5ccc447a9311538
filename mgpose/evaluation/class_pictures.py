"""Pictures that let a person look at a labelled store, class by class."""

from __future__ import annotations

import logging
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mgpose.data.clips import Span, annotated_spans
from mgpose.evaluation.class_animation import (
    LONGEST,
    PICTURE_RATE,
    LabelledClip,
    frame_seconds,
    labelled_clip,
    write_animation,
)
from mgpose.evaluation.class_sheet import write_sheets
from mgpose.io.atomic import write_text
from mgpose.io.store import PoseStore
from mgpose.structures import Annotation, InputError

logger = logging.getLogger(__name__)

ANIMATIONS = "animations"
_TEMPLATE = "class_pictures.html"
_SHORTEST = 0.8  # seconds; a shorter clip is hard to follow


def write_class_pictures(
    store: PoseStore,
    annotations: Iterable[Annotation],
    out: Path,
    *,
    classes: Sequence[str] = (),
    tier: str = "gesture",
    examples: int = 3,
    frames: int = 8,
    seed: int = 0,
) -> list[Path]:
    """Write contact sheets and animations of the classes of a store.

    ``classes.png`` (``classes_2.png`` ... for many classes) has a row a class: frames of the clip
    in which most is seen, of those that are animated. ``animations/<class>_<n>.gif`` plays clips at
    the speed of their time stamps, 12.5 pictures a second, with half a second of context at both
    ends; a video of unknown rate plays at 12.5 frames a second. ``animations/index.html`` shows
    them all. Sheets and page say "synthetic data" where poses have the estimator ``synthetic``.

    Clips are chosen by the seed, each class on its own: of different subjects where possible, 0.8
    to 6 seconds long where possible. A class of which no clip shows a pose is left out with a
    warning.

    Args:
        store: in any layout that converts to ``UPPER_BODY_HANDS_FACE``, or any other known one.
        annotations: of the store's videos.
        out: folder to write to; it is made, and files of the same names are replaced.
        classes: labels to draw, in this order; empty for all, by name.
        tier: of the annotations.
        examples: animations a class, at least 1.
        frames: pictures in a row of the contact sheet, 2 to 16.
        seed: of the choice of clips.

    Returns:
        The files, the page last.

    Raises:
        InputError: for an unknown label, a number out of range, or when there is nothing to draw.
    """
    if examples < 1 or not 2 <= frames <= 16:
        raise InputError(f"expected examples >= 1 and 2 to 16 frames, got {examples} and {frames}")
    of_tier = [a for a in annotations if a.tier == tier]
    labels = _labels(store, of_tier, classes, tier)
    chosen = {label: _examples(store, of_tier, label, examples, seed) for label in labels}
    for label in (label for label, clips in chosen.items() if not clips):
        logger.warning("class %r left out: no clip of it shows a pose", label)
    chosen = {label: clips for label, clips in chosen.items() if clips}
    if not chosen:
        raise InputError(f"{store.folder}: expected poses in a labelled clip, found none")
    (out / ANIMATIONS).mkdir(parents=True, exist_ok=True)
    videos = {clip.span.video for clips in chosen.values() for clip in clips}
    synthetic = any(store.header(v).provenance.estimator == "synthetic" for v in videos)
    best_seen = [max(clips, key=lambda clip: clip.figure.seen) for clips in chosen.values()]
    written = write_sheets(best_seen, out, frames, synthetic)
    cards = []
    for slug, (label, clips) in zip(_slugs(list(chosen)), chosen.items(), strict=True):
        names = [f"{slug}_{n}.gif" for n in range(1, len(clips) + 1)]
        for name, clip in zip(names, clips, strict=True):
            write_animation(clip, out / ANIMATIONS / name)
            written.append(out / ANIMATIONS / name)
        shown = zip(names, map(_caption, clips), strict=True)
        total = sum(a.label == label for a in of_tier)
        cards.append({"label": label, "clips": list(shown), "total": total})
    page = out / ANIMATIONS / "index.html"
    write_text(page, _page(cards, synthetic))
    return [*written, page]


def _labels(
    store: PoseStore, annotations: Sequence[Annotation], classes: Sequence[str], tier: str
) -> list[str]:
    known = sorted({a.label for a in annotations})
    if not known:
        raise InputError(f"{store.folder}: expected annotations of tier {tier!r}, found none")
    for label in classes:
        if label not in known:
            raise InputError(
                f"{store.folder}: expected a class of its annotations, got {label!r}; "
                f"they have: {', '.join(known)}"
            )
    return list(dict.fromkeys(classes)) or known


def _examples(
    store: PoseStore, annotations: Sequence[Annotation], label: str, count: int, seed: int
) -> list[LabelledClip]:
    """The first clips, in the order of preference, that can be drawn."""
    spans = annotated_spans(
        store, (a for a in annotations if a.label == label), annotations[0].tier
    )
    clips: list[LabelledClip] = []
    for span in _by_preference(store, spans, f"{seed} {label}"):
        try:
            clips.append(labelled_clip(store, span))
        except ValueError as error:
            logger.info("%s[%d:%d] not drawn: %s", span.video, span.start, span.stop, error)
        if len(clips) == count:
            break
    return clips


def _by_preference(store: PoseStore, spans: Sequence[Span], seed: str) -> list[Span]:
    """Good lengths first; within them a clip of each subject, then a second of each, and so on."""
    shuffled = list(spans)
    random.Random(seed).shuffle(shuffled)
    seconds = {video: frame_seconds(store, video) for video in {s.video for s in spans}}

    def unfit(span: Span) -> bool:
        time = seconds[span.video]
        return not _SHORTEST <= time[span.stop] - time[span.start] <= LONGEST

    seen: Counter[str] = Counter()
    ranked: list[tuple[bool, int, Span]] = []
    for span in sorted(shuffled, key=unfit):
        subject = span.group("subject")
        ranked.append((unfit(span), seen[subject], span))
        seen[subject] += 1
    return [span for *_, span in sorted(ranked, key=lambda r: r[:2])]


def _slugs(labels: Sequence[str]) -> list[str]:
    """Names of files: ASCII, unique, and the label still legible where it is in Latin letters."""
    slugs = [re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:60] for label in labels]
    counts = Counter(slugs)
    return [
        slug if slug and counts[slug] == 1 else f"{slug or 'class'}_class{number}"
        for number, slug in enumerate(slugs, 1)
    ]


def _caption(clip: LabelledClip) -> str:
    span, annotation = clip.span, clip.span.annotation
    subject = annotation.subject if annotation else ""
    if not clip.timed:
        where = f"frames {span.start} to {span.stop - 1}, rate unknown"
    else:
        where = f"frame {span.start}, {(span.stop - span.start) * clip.step:.1f} s"
    return ", ".join(filter(None, (span.video, subject, where)))


def _page(cards: list[dict[str, Any]], synthetic: bool) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mgpose.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE).render(
        cards=cards, synthetic=synthetic, rate=PICTURE_RATE
    )
