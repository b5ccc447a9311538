"""Fine-tuning learns what it is shown, spares the encoder, repeats itself; the draws of labels."""

import copy
import itertools

import numpy as np
import pytest
import torch

from mgpose.data.augment import AugmentSettings
from mgpose.data.clips import ClipDataset
from mgpose.engine.finetune import Classifier, FinetuneSettings, _endless_order, finetune_scores
from mgpose.tasks.recognition_semi_supervised import draw_clips

SHORT = FinetuneSettings(epochs=1, min_steps=4, batch_size=16)


def test_probabilities_and_repetition(encoder, parts):
    train, test = parts
    classes = len(train.classes)
    before = copy.deepcopy(encoder.state_dict())
    torch.manual_seed(5)
    generator = torch.get_rng_state()
    scores = finetune_scores(encoder, train, test, classes, SHORT, seed=1)
    assert scores.shape == (len(test.spans), classes)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
    assert (scores >= 0).all()
    assert torch.equal(torch.get_rng_state(), generator)
    after = encoder.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert not encoder.training
    torch.manual_seed(6)
    again = finetune_scores(encoder, train, test, classes, SHORT, seed=1)
    np.testing.assert_array_equal(again, scores)
    other = finetune_scores(encoder, train, test, classes, SHORT, seed=2)
    assert (other != scores).any()


def test_labels_of_test_are_not_read(encoder, parts):
    train, test = parts
    hidden = ClipDataset(test.x, test.mask, test.clip, test.spans, test.classes)
    hidden.labels = torch.zeros_like(test.labels)
    one, two = (
        finetune_scores(encoder, train, part, len(train.classes), SHORT) for part in (test, hidden)
    )
    np.testing.assert_array_equal(one, two)


def test_it_fits_what_it_is_shown(encoder, parts):
    """Trained long on a few clips without augmentation, it knows them by heart."""
    train, _ = parts
    few = train.subset(range(0, len(train.spans), 6))
    still = AugmentSettings(1.0, 1.0, False, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    settings = FinetuneSettings(
        min_steps=40, batch_size=16, learning_rate=2e-3, augment=still, smoothing=0
    )
    scores = finetune_scores(encoder, few, few, len(few.classes), settings)
    assert (scores.argmax(1) == few.labels.numpy()).mean() > 0.9


def test_before_the_first_step_all_classes_are_alike(encoder, parts):
    _, test = parts
    logits = Classifier(encoder, 5).eval()(test.x[:7], test.mask[:7])
    assert logits.shape == (7, 5)
    assert torch.equal(logits, torch.zeros(7, 5))


@pytest.mark.parametrize(("length", "batch", "steps"), [(10, 4, 7), (3, 3, 2), (16, 16, 1)])
def test_order(length, batch, steps):
    rows = _endless_order(length, batch, steps, torch.Generator().manual_seed(0))
    assert [len(r) for r in rows] == [batch] * steps
    seen = torch.cat(rows)
    for start in range(0, len(seen) - length + 1, length):
        assert sorted(seen[start : start + length].tolist()) == list(range(length))
    counts = torch.bincount(seen, minlength=length)
    assert all(abs(int(a) - int(b)) <= 1 for a, b in itertools.combinations(counts, 2))


@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.1, 0.33, 1])
def test_draws(fraction):
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(6), [200, 90, 40, 11, 3, 1]))
    chosen = draw_clips(labels, fraction, seed=3)
    assert (np.diff(chosen) > 0).all()
    assert chosen.min() >= 0
    assert chosen.max() < len(labels)
    counts, all_counts = (np.bincount(a, minlength=6) for a in (labels[chosen], labels))
    assert (counts >= 1).all()
    assert (counts <= all_counts).all()
    assert (np.abs(counts - fraction * all_counts) <= np.maximum(0.5, counts == 1)).all()
    np.testing.assert_array_equal(chosen, draw_clips(labels, fraction, seed=3))
    if fraction < 1:
        assert not np.array_equal(chosen, draw_clips(labels, fraction, seed=4))
        assert len(chosen) < len(draw_clips(labels, min(1, fraction * 3), seed=3))
    for bad in (0, -0.1, 1.1):
        with pytest.raises(ValueError, match="fraction"):
            draw_clips(labels, bad, seed=0)
