"""What the alarm looks at, and how often before it counts."""

import json
import math

import pytest
import torch

from mgpose.engine.collapse_advice import USUAL, advise
from mgpose.engine.collapse_alarm import (
    FLAT,
    LEAST_RANK_SHARE,
    LEAST_STD,
    LEAST_STD_SHARE,
    LEAST_UNIFORMITY_SHARE,
    ChanceDistance,
    CollapseAlarm,
    ProbeFigures,
    symptoms,
)
from mgpose.engine.healthy_checkpoint import fall_back, keep_healthy
from mgpose.objectives import alignment, uniformity
from mgpose.objectives.info_nce import chance_loss, info_nce

START = ProbeFigures(embedding_std=0.8, effective_rank=20.0, uniformity=-2.0)
GOOD = ProbeFigures(embedding_std=0.9, effective_rank=16.0, uniformity=-2.5)
BAD = ProbeFigures(embedding_std=0.02, effective_rank=1.2, uniformity=-0.01)
EPOCHS = 100


def embeddings(count, width, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def unit(row):
    length = math.sqrt(sum(v * v for v in row))
    return [v / length for v in row]


def squared_distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(unit(a), unit(b), strict=True))


@pytest.mark.parametrize(("count", "width"), [(1, 3), (7, 2), (23, 11)])
def test_alignment_is_the_mean_of_squared_distances(count, width):
    first, second = embeddings(count, width), embeddings(count, width, seed=1)
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    slow = sum(squared_distance(a, b) for a, b in pairs) / count
    assert alignment(first, second) == pytest.approx(slow, rel=1e-6)


@pytest.mark.parametrize(("count", "width"), [(2, 3), (7, 2), (23, 11)])
def test_uniformity_is_the_log_of_the_mean_potential(count, width):
    rows = embeddings(count, width).tolist()
    pairs = [(a, b) for i, a in enumerate(rows) for b in rows[:i]]
    slow = math.log(sum(math.exp(-2 * squared_distance(a, b)) for a, b in pairs) / len(pairs))
    assert uniformity(torch.tensor(rows)) == pytest.approx(slow, rel=1e-5)


def test_bounds_of_alignment_and_uniformity():
    x = embeddings(50, 8)
    # Lengths say nothing; only directions do.
    assert alignment(x, 3 * x) == pytest.approx(0, abs=1e-9)
    assert alignment(x, -x) == pytest.approx(4)
    alike = torch.ones(50, 8)
    assert uniformity(alike) == pytest.approx(0, abs=1e-9)
    opposite = torch.stack([x[0], -x[0]])
    assert uniformity(opposite) == pytest.approx(-8)
    for seed in range(5):
        a, b = embeddings(30, 4, seed), embeddings(30, 4, seed + 100)
        assert 0 <= alignment(a, b) <= 4
        assert -8 <= uniformity(a) <= 0
    # Spread over the sphere of many dimensions: squared distances of about 2.
    assert uniformity(embeddings(200, 512)) == pytest.approx(-4, abs=0.05)
    # Two heaps: half of the pairs are as if all had collapsed.
    heaps = x[:1].repeat(100, 1) * torch.tensor([1.0, -1.0]).repeat(50)[:, None]
    assert uniformity(heaps) > math.log(0.49)


def test_alignment_and_uniformity_refuse_what_they_cannot_measure():
    x = embeddings(4, 3)
    with pytest.raises(ValueError, match="two views of one shape"):
        alignment(x, x[:3])
    with pytest.raises(ValueError, match="N >= 1"):
        alignment(x[:0], x[:0])
    with pytest.raises(ValueError, match="two or more embeddings, got 1"):
        uniformity(x[:1])


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_chance_is_the_loss_of_alike_embeddings(temperature):
    """Overlapping windows and empty places of the queue are no candidates on either side."""
    spans = torch.tensor([[0, 0, 9], [0, 5, 14], [1, 0, 9], [2, 0, 9]])
    queue_spans = torch.tensor([[0, 8, 17], [3, 0, 9], [-1, -1, -1]])
    alike = torch.nn.functional.normalize(torch.ones(4, 6), dim=1)
    loss = info_nce(alike, alike, alike[:3], spans, queue_spans, temperature)
    assert float(chance_loss(spans, queue_spans)) == pytest.approx(float(loss), rel=1e-6)


def test_distance_from_chance_is_a_root_mean_square_by_term():
    distance = ChanceDistance()
    for loss in (2.2, 1.9):
        terms = {"loss_a": torch.tensor(loss), "loss_b": torch.tensor(3.0), "loss": torch.ones(())}
        chances = {"loss_a": torch.tensor(2.0), "loss_b": torch.tensor(0.0)}
        distance.add(terms, chances)
    found = distance.root_mean_squares()
    # A term whose chance is 0 (one candidate only) says nothing.
    assert found.keys() == {"loss_a"}
    assert found["loss_a"] == pytest.approx(math.sqrt((0.1**2 + 0.05**2) / 2), rel=1e-4)
    distance.clear()
    assert distance.root_mean_squares() == {}


@pytest.mark.parametrize(
    ("name", "limit", "worse", "kind"),
    [
        ("embedding_std", LEAST_STD_SHARE * START.embedding_std, 0.99, "spread"),
        ("effective_rank", LEAST_RANK_SHARE * START.effective_rank, 0.99, "rank"),
        ("uniformity", LEAST_UNIFORMITY_SHARE * START.uniformity, 0.99, "uniformity"),
    ],
)
def test_each_symptom_stands_at_its_limit(name, limit, worse, kind):
    healthy = {"embedding_std": 0.9, "effective_rank": 16.0, "uniformity": -2.5}
    assert symptoms(ProbeFigures(**healthy), START) == {}
    assert symptoms(ProbeFigures(**{**healthy, name: limit / worse}), START) == {}
    found = symptoms(ProbeFigures(**{**healthy, name: limit * worse}), START)
    assert found.keys() == {kind}


def test_an_untrained_encoder_without_spread_does_not_excuse_a_trained_one():
    start = ProbeFigures(embedding_std=0.01, effective_rank=1.5, uniformity=-0.001)
    now = ProbeFigures(embedding_std=0.9 * LEAST_STD, effective_rank=1.5, uniformity=-0.001)
    assert symptoms(now, start).keys() == {"spread"}


def test_a_flat_loss_is_a_symptom_by_term():
    near = ProbeFigures(0.9, 16.0, -2.5, {"loss_clip": 0.9 * FLAT, "loss_part": 1.1 * FLAT})
    assert symptoms(near, START).keys() == {"flat loss_clip"}


def told(figures, grace=0.1, interval=10):
    """Epochs at which the alarm speaks; probes at 0, interval, 2 interval ..."""
    alarm = CollapseAlarm(grace)
    probes = [(i * interval, each) for i, each in enumerate([START, *figures])]
    return [epoch for epoch, each in probes if alarm.update(each, epoch, EPOCHS)]


def test_one_bad_probe_is_a_dip_and_two_in_a_row_a_collapse():
    assert told([GOOD] * 10) == []
    assert told([GOOD, GOOD, BAD, GOOD, GOOD]) == []
    assert told([GOOD, BAD, GOOD, BAD, GOOD, BAD, GOOD]) == []
    assert told([GOOD, GOOD, BAD, BAD, GOOD]) == [40]
    assert told([GOOD, BAD, GOOD, BAD, BAD, BAD]) == [50, 60]


def test_at_the_last_epoch_one_bad_probe_is_enough():
    assert told([GOOD] * 9 + [BAD]) == [100]
    assert told([GOOD] * 8 + [BAD, GOOD]) == []


def test_the_warm_up_is_not_judged():
    # 10 is the last epoch of the warm-up: 20 is the first that is judged, 30 confirms it.
    assert told([BAD, BAD, BAD]) == [30]
    assert told([BAD, BAD, GOOD]) == []
    assert told([BAD] * 5, grace=0.35) == [50]


def test_a_bad_probe_in_the_warm_up_is_not_healthy_either():
    """What it was taken of must not be kept as the place to go back to."""
    alarm = CollapseAlarm(0.5)
    alarm.update(START, 0, EPOCHS)
    assert alarm.healthy
    alarm.update(BAD, 10, EPOCHS)
    assert (alarm.healthy, alarm.suspected) == (False, False)
    alarm.update(GOOD, 60, EPOCHS)
    assert (alarm.healthy, alarm.suspected) == (True, False)
    alarm.update(BAD, 70, EPOCHS)
    assert (alarm.healthy, alarm.suspected) == (False, True)


@pytest.mark.parametrize("cut", range(6))
def test_an_alarm_that_was_saved_goes_on_as_if_it_had_not_been(cut):
    figures = [START, GOOD, BAD, GOOD, BAD, BAD]
    whole, alarm = CollapseAlarm(0.1), CollapseAlarm(0.1)
    for i, each in enumerate(figures):
        if i == cut:
            plain = json.loads(json.dumps(alarm.as_plain()))
            alarm = CollapseAlarm(0.1)
            alarm.restore(plain)
        assert alarm.update(each, 10 * i, EPOCHS) == whole.update(each, 10 * i, EPOCHS)
        assert alarm.as_plain() == whole.as_plain()


def middle(key):
    low, high = USUAL[key]
    return math.sqrt(max(low, 1e-3) * high)


def usual_settings():
    settings = {}
    for key in USUAL:
        section, name = key.split(".")
        settings.setdefault(section, {})[name] = middle(key)
    return settings


@pytest.mark.parametrize("key", USUAL)
def test_advice_names_the_setting_that_is_out_of_range(key):
    section, name = key.split(".")
    low, high = USUAL[key]
    for value, verb in ((high * 2, "lower"), (low / 2, "raise")):
        if low <= value <= high:
            continue
        settings = usual_settings()
        settings[section][name] = value
        assert advise(["rank"], settings).startswith(f"{verb} {key} (now {value:g}, usually ")


@pytest.mark.parametrize("kind", ["spread", "rank", "uniformity", "flat loss_clip"])
def test_advice_where_all_is_usual_names_the_value_to_change(kind):
    text = advise([kind], usual_settings())
    assert f"lower schedule.learning_rate (now {middle('schedule.learning_rate'):g})" in text
    assert "usually" not in text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(folder, *epochs):
    for epoch in epochs:
        (folder / f"epoch_{epoch}.pth").write_text(str(epoch))


def test_the_healthy_checkpoint_outlives_the_later_ones(tmp_path):
    keep_healthy(tmp_path, 0)
    assert names(tmp_path) == []
    write(tmp_path, 9, 10)
    for _ in range(2):
        # Twice, as after a resume: nothing half done is left over.
        keep_healthy(tmp_path, 10)
        assert names(tmp_path) == ["epoch_10.pth", "epoch_9.pth", "healthy_epoch_10.pth"]
    write(tmp_path, 11, 12)
    (tmp_path / "epoch_9.pth").unlink()
    (tmp_path / "epoch_10.pth").unlink()
    (tmp_path / "last_checkpoint").write_text("epoch_12.pth")
    for _ in range(2):
        # A resumed run that collapses again falls back to the same one.
        healthy = fall_back(tmp_path)
        assert healthy == tmp_path / "healthy_epoch_10.pth"
        assert healthy.read_text() == "10"
        assert names(tmp_path) == ["healthy_epoch_10.pth"]
        write(tmp_path, 11)
    keep_healthy(tmp_path, 11)
    assert names(tmp_path) == ["epoch_11.pth", "healthy_epoch_11.pth"]


def test_a_later_file_of_a_killed_run_is_not_taken_for_the_healthy_one(tmp_path):
    write(tmp_path, 4, 5)
    keep_healthy(tmp_path, 4)
    assert names(tmp_path) == ["epoch_4.pth", "epoch_5.pth", "healthy_epoch_4.pth"]


def test_without_a_healthy_checkpoint_nothing_is_left(tmp_path):
    write(tmp_path, 1, 2)
    assert fall_back(tmp_path) is None
    assert names(tmp_path) == []
