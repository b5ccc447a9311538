"""Attention pooling: its equation, what cannot change it, and what it sees that a mean cannot."""

import numpy as np
import pytest
import torch

from mgpose.evaluation.attention_pooling import (
    AttentionSettings,
    GatedAttentionPooling,
    attention_scores,
)
from mgpose.evaluation.video_classifier import Regularisation, linear_scores
from mgpose.evaluation.video_sequences import VideoSequences

QUICK = AttentionSettings(epochs=8, restarts=2)


def joined(videos, length):
    """Sequences of (values, times) pairs, all videos of one length."""
    return VideoSequences(
        np.concatenate([values for values, _ in videos]),
        np.repeat(np.arange(len(videos)), [len(times) for _, times in videos]),
        np.concatenate([times for _, times in videos]),
        np.full(len(videos), float(length)),
    )


def noise(count, rng, channels=4, length=60.0):
    return rng.normal(size=(count, channels)), np.sort(rng.uniform(0, length, count))


def random_videos(counts, seed):
    rng = np.random.default_rng(seed)
    return [noise(count, rng) for count in counts]


@pytest.fixture(scope="module")
def train():
    return joined(random_videos([9, 14, 7, 11, 10, 8], 0), 60), np.array([0, 1, 0, 1, 1, 0])


def trained_model(channels=5, hidden=6, restarts=2):
    model = GatedAttentionPooling(channels, hidden, restarts, torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    return model


def test_the_forward_pass_is_the_equation():
    model = trained_model()
    x = torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found = model(x)
    w = {name: p.detach().numpy().astype(np.float64) for name, p in model.named_parameters()}
    for r in range(2):
        for n in range(3):
            hidden, energies = [], []
            for window in x[r, n].numpy().astype(np.float64):
                h = np.maximum(window @ w["embed"][r] + w["embed_bias"][r, 0], 0)
                gated = np.tanh(h @ w["tanh"][r]) / (1 + np.exp(-(h @ w["gate"][r])))
                hidden.append(h)
                energies.append(float(gated @ w["score"][r, :, 0]))
            share = np.exp(energies) / np.sum(np.exp(energies))
            pooled = sum(s * h for s, h in zip(share, hidden, strict=True))
            logit = pooled @ w["decide"][r, :, 0] + w["decide_bias"][r, 0]
            assert float(found[r, n]) == pytest.approx(float(logit), rel=1e-4, abs=1e-4)


def test_untrained_it_is_mean_pooling():
    model = GatedAttentionPooling(5, 6, 2, torch.Generator().manual_seed(1))
    x = torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(3))
    hidden = torch.relu(torch.einsum("rnwd,rdh->rnwh", x, model.embed) + model.embed_bias[:, None])
    logits = torch.einsum("rnh,rh->rn", hidden.mean(2), model.decide[..., 0])
    assert torch.allclose(model(x), logits + model.decide_bias, atol=1e-5)


def test_order_in_memory_and_repetition_say_nothing():
    model = trained_model()
    x = torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(3))
    shuffled = x[:, :, torch.randperm(7, generator=torch.Generator().manual_seed(4))]
    assert torch.allclose(model(x), model(shuffled), atol=1e-5)
    assert torch.allclose(model(x), model(torch.cat([x, x], 2)), atol=1e-5)
    assert not torch.allclose(model(x), model(x[:, :, :6]), atol=1e-3)


def test_windows_permuted_with_their_times_leave_the_scores_unchanged(train):
    sequences, labels = train
    videos = random_videos([12, 5, 20], 7)
    rng = np.random.default_rng(8)
    orders = [rng.permutation(len(times)) for _, times in videos]
    moved = [(v[order], t[order]) for (v, t), order in zip(videos, orders, strict=True)]
    without_times = [(v[order], t) for (v, t), order in zip(videos, orders, strict=True)]
    usual, permuted, displaced = (
        attention_scores(sequences, labels, joined(test, 60), 1.0, QUICK)
        for test in (videos, moved, without_times)
    )
    assert np.allclose(usual, permuted, atol=1e-6)
    # The same windows at other times are another video.
    assert not np.allclose(usual, displaced, atol=1e-4)


def test_a_longer_video_beside_it_changes_no_score(train):
    """Nothing is padded to the longest: a video is read by itself."""
    sequences, labels = train
    few, long = random_videos([6, 3], 5), random_videos([300], 6)
    alone = attention_scores(sequences, labels, joined(few, 60), 1.0, QUICK)
    beside = attention_scores(sequences, labels, joined([*few, *long], 60), 1.0, QUICK)
    assert np.array_equal(alone, beside[:2])


def test_short_and_long_training_videos_stay_apart(train):
    """Random windows never reach into the next video: what a video holds is all that it gives."""
    rng = np.random.default_rng(0)
    # Odd videos hold ones only, even ones minus ones: one window of a neighbour would blur them.
    videos = [
        (np.full((count, 2), sign), np.sort(rng.uniform(0, 60, count)))
        for count, sign in zip([1, 90, 2, 1, 40, 3], [1, -1, 1, -1, 1, -1], strict=True)
    ]
    labels = np.array([1, 0, 1, 0, 1, 0])
    settings = AttentionSettings(epochs=60, restarts=2)
    scores = attention_scores(joined(videos, 60), labels, joined(videos, 60), 0.1, settings)
    assert np.array_equal(scores > 0.5, labels == 1)


def burst_videos(count, seed, shuffle_times=False):
    """Each holds the same burst, early where the label is 1 and late where it is 0."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    videos = []
    for label in labels:
        values, times = noise(24, rng)
        values[2 if label else -3, 0] += 8
        videos.append((values, rng.permutation(times) if shuffle_times else times))
    return joined(videos, 60), labels


def test_it_knows_when_and_a_mean_does_not():
    (fit, labels), (asked, truth) = burst_videos(80, 1), burst_videos(60, 2)
    scores = attention_scores(fit, labels, asked, 0.1)
    assert np.mean((scores > 0.5) == truth) > 0.9
    means = linear_scores(fit.means(), labels, asked.means(), Regularisation(0, 1.0))
    assert np.mean((means > 0.5) == truth) < 0.7
    # Its eye for time is all that told them apart.
    scores = attention_scores(fit, labels, burst_videos(60, 2, shuffle_times=True)[0], 0.1)
    assert np.mean((scores > 0.5) == truth) < 0.7


def test_seeds_and_the_global_generator(train):
    sequences, labels = train
    asked = joined(random_videos([6, 3], 5), 60)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = attention_scores(sequences, labels, asked, 1.0, QUICK, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(6)
    assert np.array_equal(first, attention_scores(sequences, labels, asked, 1.0, QUICK, seed=3))
    assert not np.array_equal(first, attention_scores(sequences, labels, asked, 1.0, QUICK, 4))
    assert np.all((first > 0) & (first < 1))


def test_strong_decay_leaves_the_share(train):
    sequences, _ = train
    labels = np.array([0, 1, 1, 1, 1, 0])
    settings = AttentionSettings(epochs=100, restarts=1, learning_rate=5e-2)
    strong, weak = (
        attention_scores(sequences, labels, sequences, decay, settings) for decay in (15.0, 0.01)
    )
    assert np.allclose(strong, labels.mean(), atol=0.06)
    assert np.array_equal(weak > 0.5, labels == 1)
    assert np.ptp(weak) > 0.7


def test_what_is_refused(train):
    sequences, labels = train
    for wrong in (labels[:5], np.ones(6, int), labels + 1):
        with pytest.raises(ValueError, match="both present"):
            attention_scores(sequences, wrong, sequences, 1.0, QUICK)
    for change in ({"hidden": 0}, {"windows": 0}, {"dropout": 1.0}, {"learning_rate": 0.0}):
        with pytest.raises(ValueError, match="got AttentionSettings"):
            AttentionSettings(**change)
