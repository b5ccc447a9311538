"""Logit adjustment by its formula; a new head leaves the encoder alone; averages of weights."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from mgpose.data.augment import AugmentSettings
from mgpose.data.folds import mirrored
from mgpose.engine.finetune import (
    Classifier,
    FinetuneSettings,
    WeightAverage,
    finetune,
    finetune_scores,
    parameter_groups,
    predict,
)
from mgpose.engine.long_tail import LongTailSettings, with_new_head
from mgpose.evaluation.logit_adjustment import adjusted_probabilities, class_prior

SHORT = FinetuneSettings(epochs=1, min_steps=4, batch_size=16)


def changed(**settings):
    return dataclasses.replace(SHORT, **settings)


def clips_of(clips, counts):
    """The first one-crop clips of each class, so many a class."""
    crops = torch.bincount(clips.clip, minlength=len(clips.spans))
    chosen = []
    for label, count in enumerate(counts):
        found = torch.nonzero((clips.labels == label) & (crops == 1)).flatten()[:count]
        assert len(found) == count
        chosen += found.tolist()
    return clips.subset(chosen)


def blind(encoder):
    """A copy that has the same embedding for every clip."""
    encoder = copy.deepcopy(encoder)
    for p in encoder.parameters():
        torch.nn.init.zeros_(p)
    return encoder


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.0])
def test_logit_adjustment_equals_the_formula(strength):
    rng = np.random.default_rng(0)
    logits, prior = rng.normal(size=(50, 6)), rng.dirichlet(np.ones(6))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wanted = np.exp(logits - strength * np.log(prior))
    wanted /= wanted.sum(1, keepdims=True)
    found = adjusted_probabilities(probabilities, prior, strength)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    flat = adjusted_probabilities(probabilities, np.full(6, 1 / 6), strength)
    np.testing.assert_allclose(flat, probabilities, rtol=1e-5)


def test_prior():
    labels = np.repeat([0, 2, 3], [5, 3, 2])
    np.testing.assert_allclose(class_prior(labels, 5), [0.5, 0.2, 0.3, 0.2, 0.2])
    with pytest.raises(ValueError, match="at least one label"):
        class_prior(np.zeros(0, np.int64), 3)


def test_adjustment_in_the_loss_changes_nothing_on_a_balanced_set(encoder, parts):
    train, test = parts
    classes = len(train.classes)
    few = clips_of(train, [2] * classes)
    plain, adjusted = (
        finetune_scores(encoder, few, test, classes, changed(logit_adjustment=strength))
        for strength in (0.0, 1.0)
    )
    np.testing.assert_allclose(adjusted, plain, atol=1e-4)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_adjustment_in_the_loss_takes_the_frequencies_out(encoder, parts, strength):
    """Of features that tell nothing, the network learns prior ^ (1 - strength)."""
    train, test = parts
    counts = [8, 4] + [2] * (len(train.classes) - 2)
    settings = FinetuneSettings(
        min_steps=60, learning_rate=0.02, smoothing=0, logit_adjustment=strength
    )
    found = finetune_scores(blind(encoder), clips_of(train, counts), test, len(counts), settings)
    wanted = (np.array(counts) / sum(counts)) ** (1 - strength)
    np.testing.assert_allclose(found, np.tile(wanted / wanted.sum(), (len(found), 1)), atol=0.02)


def test_a_new_head_touches_only_the_head(encoder, parts):
    train, test = parts
    model = finetune(encoder, train, len(train.classes), SHORT)
    before = copy.deepcopy(model.state_dict())
    generator = torch.get_rng_state()
    settings = LongTailSettings(retraining_epochs=2)
    new = with_new_head(model, train, settings, 16, seed=1)
    assert torch.equal(torch.get_rng_state(), generator)
    for name, value in new.state_dict().items():
        assert torch.equal(model.state_dict()[name], before[name]), name
        assert torch.equal(value, before[name]) != name.startswith("head."), name
    again = with_new_head(model, train, settings, 16, seed=1)
    np.testing.assert_array_equal(predict(new, test), predict(again, test))


def test_a_new_head_sees_all_classes_equally(encoder, parts):
    """Of features that tell nothing, it learns equal shares where the classes are not equal."""
    train, test = parts
    skew = clips_of(train, [9] + [1] * (len(train.classes) - 1))
    model = Classifier(blind(encoder), len(train.classes)).eval()
    settings = LongTailSettings(retraining_epochs=60, retraining_rate=0.05)
    scores = predict(with_new_head(model, skew, settings, 64, seed=0), test)
    np.testing.assert_allclose(scores, 1 / len(train.classes), atol=0.08)


@pytest.mark.parametrize("momentum", [0.0, 0.6, 0.99])
def test_weight_average_equals_a_slow_recursion(momentum):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    average = WeightAverage(momentum)
    slow, seen = None, []
    for step in range(1, 13):
        model(torch.randn(5, 3))
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p))
        average.update(model)
        weights = {k: v.double().clone() for k, v in model.state_dict().items()}
        seen.append(weights)
        if slow is None:
            slow = weights
        share = max(1 / step, 1 - momentum)
        slow = {k: (1 - share) * slow[k] + share * weights[k] for k in slow}
    average.copy_to(model)
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert value == 12
            continue
        torch.testing.assert_close(value.double(), slow[name], rtol=1e-5, atol=1e-6)
        if momentum == 0:
            assert torch.equal(value.double(), seen[-1][name])
        if momentum == 0.99:  # the plain mean of the first hundred steps
            mean = torch.stack([w[name] for w in seen]).mean(0)
            torch.testing.assert_close(value.double(), mean, rtol=1e-5, atol=1e-6)


def test_averaged_weights_are_what_classifies(encoder, parts):
    train, test = parts
    last, nearly, mean = (
        finetune_scores(encoder, train, test, len(train.classes), changed(weight_average=m))
        for m in (0.0, 1e-6, 0.9)
    )
    np.testing.assert_allclose(nearly, last, atol=1e-4)
    assert np.abs(mean - last).max() > 1e-3


def test_mirror_averaging_knows_no_side(encoder, parts):
    train, test = parts
    assert not encoder.skeleton.unpaired
    model = finetune(encoder, train, len(train.classes), SHORT)
    other = mirrored(test, encoder.skeleton)
    assert np.abs(predict(model, test) - predict(model, other)).max() > 1e-3
    both = predict(model, test, changed(mirror_average=True))
    np.testing.assert_array_equal(both, predict(model, other, changed(mirror_average=True)))
    np.testing.assert_allclose(both, (predict(model, test) + predict(model, other)) / 2, rtol=1e-6)
    scores = finetune_scores(encoder, train, test, len(train.classes), changed(mirror_average=True))
    np.testing.assert_array_equal(scores, both)


def test_averaging_over_views(encoder, parts):
    train, test = parts
    model = finetune(encoder, train, len(train.classes), SHORT)
    plain = predict(model, test)
    still = AugmentSettings(
        crop=1.0,
        stretch=False,
        speed=0.0,
        rotation=0.0,
        shear=0.0,
        scale=0.0,
        mirror=0.0,
        jitter=0.0,
        drop_part=1.0,
    )
    # Views that change nothing, since nothing is dropped, are the clips themselves.
    same = predict(model, test, changed(view_average=3, augment=still))
    np.testing.assert_allclose(same, plain, atol=1e-5)
    turned = dataclasses.replace(still, rotation=0.5)
    few, more = (predict(model, test, changed(view_average=n, augment=turned)) for n in (1, 8))
    assert np.abs(more - plain).max() > 1e-3
    np.testing.assert_allclose(more.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        more, predict(model, test, changed(view_average=8, augment=turned))
    )
    assert np.abs(more - few).max() > 1e-4
    with pytest.raises(ValueError, match="view_average >= 0"):
        changed(view_average=-1)


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_rates_by_layer(encoder, decay):
    settings = FinetuneSettings(
        layer_decay=decay, learning_rate=1e-3, head_rate=3, weight_decay=0.2
    )
    model = Classifier(encoder, 4)
    groups = parameter_groups(model, settings)
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rate)
    assert rate.keys() == {id(p) for p in model.parameters()}
    layers = model.encoder.layer_groups()
    for below, layer in enumerate(reversed(layers)):
        for p in layer:
            assert rate[id(p)] == pytest.approx(1e-3 * decay**below)
    for p in model.head.parameters():
        assert rate[id(p)] == pytest.approx(3e-3)
    for group in groups:
        for p in group["params"]:
            assert group["weight_decay"] == (0.2 if p.ndim > 1 else 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"layer_decay": 0.0},
        {"weight_average": 1.0},
        {"warmup": 0.0},
        {"logit_adjustment": -1.0},
    ],
)
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="expected"):
        FinetuneSettings(**wrong)


def test_wrong_long_tail_settings():
    with pytest.raises(ValueError, match="expected"):
        LongTailSettings(retraining_epochs=-1)
