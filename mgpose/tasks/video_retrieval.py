"""Retrieval over videos without labels: which other moments look like this one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from mgpose.data.clips import Span
from mgpose.data.folds import Corpus
from mgpose.evaluation.embed import embed
from mgpose.evaluation.retrieval import cosine_similarity
from mgpose.models.encoder import Encoder

COLUMNS = ("video", "start", "stop", "rank", "match", "match_start", "match_stop", "cosine")


def retrieve_moments(
    corpus: Corpus, encoder: Encoder, videos: tuple[str, ...], out: Path, matches: int = 5
) -> int:
    """For each window of the videos, the nearest windows that do not overlap it, as a CSV table.

    Args:
        corpus: an opened store.
        encoder: pre-trained.
        videos: ids of the videos whose windows are queries and gallery.
        out: the CSV file; times in seconds (frames where no rate is known).
        matches: windows listed for each.

    Returns:
        Number of windows; 0, and a table without rows, where no video shows a usable one.
    """
    clips = corpus.unlabelled(videos)
    similarity = np.zeros((0, 0))
    if clips.spans:
        table = embed(encoder, clips)
        similarity = cosine_similarity(table.embeddings, table.embeddings)
    seconds = [_seconds(corpus, span) for span in clips.spans]
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i, here in enumerate(clips.spans):
            apart = np.array([not _overlap(here, there) for there in clips.spans])
            nearest = np.argsort(-np.where(apart, similarity[i], -np.inf), kind="stable")
            for rank, j in enumerate(nearest[: min(matches, int(apart.sum()))], start=1):
                match = clips.spans[j]
                cosine = f"{similarity[i, j]:.4f}"
                writer.writerow((here.video, *seconds[i], rank, match.video, *seconds[j], cosine))
    return len(clips.spans)


def _overlap(a: Span, b: Span) -> bool:
    return a.video == b.video and a.start < b.stop and b.start < a.stop


def _seconds(corpus: Corpus, span: Span) -> tuple[str, str]:
    time = corpus.store.time(span.video)
    return f"{time[span.start]:.3f}", f"{time[span.stop - 1]:.3f}"
