"""Studies: variants side by side, what is known is not run again, tables and curves by law."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from mgpose.engine.finetune import FinetuneSettings
from mgpose.engine.settings import load_config, read_settings
from mgpose.evaluation.scaling import PowerLaw, ScalePoint, draw_scaling, fit_power_law
from mgpose.evaluation.study_table import StudyRow, format_study, read_rows, write_rows
from mgpose.structures import SKELETONS, InputError
from mgpose.tasks import study
from mgpose.tasks.study import StudySettings, Variant, run_study, variant_config

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture
def config(tiny_config, tmp_path):
    """``tiny_config`` as a file."""
    path = tmp_path / "config.py"
    path.write_text("".join(f"{name} = {value!r}\n" for name, value in tiny_config.items()))
    return str(path)


def settings_of(config, *variants, **changes):
    return StudySettings(
        config,
        variants,
        {"schedule.epochs": 1, "monitor.clips": 8},
        finetune=FinetuneSettings(epochs=1, min_steps=2),
        probe_epochs=2,
        **changes,
    )


def test_each_variant_and_seed_is_run_once(config, tmp_path, monkeypatch):
    without = Variant("without bone", {"encoder.without": ["bone"]})
    settings = settings_of(config, Variant("all"), without, seeds=(0, 1))
    table = run_study(settings, tmp_path / "out")
    rows = read_rows(tmp_path / "out" / "rows.csv")
    assert [(r.variant, r.seed) for r in rows] == [
        ("all", 0), ("without bone", 0), ("all", 1), ("without bone", 1)
    ]  # fmt: skip
    assert (tmp_path / "out" / "table.md").read_text() == table + "\n"
    assert table.startswith("tiny corpus (synthetic), synthetic\n")
    for name in ("PCA + SVM with mirror", "PCA, linear probe", "majority class"):
        assert table.count(f"| {name} | 1 | ") == 1
    assert all(0 <= row.value <= 1 for row in rows)

    def refuse(*_):
        raise AssertionError("run again")

    monkeypatch.setattr(study, "_measure", refuse)
    assert run_study(settings, tmp_path / "out") == table
    with pytest.raises(AssertionError, match="run again"):  # another value is another row
        run_study(dataclasses.replace(settings, probe_epochs=3), tmp_path / "out")


def test_a_killed_study_goes_on(config, tmp_path, monkeypatch):
    settings = settings_of(config, Variant("all"), Variant("less", {"encoder.without": ["bone"]}))
    table = run_study(settings, tmp_path / "whole")
    true, calls = study._measure, []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return true(*arguments)

    monkeypatch.setattr(study, "_measure", killed)
    with pytest.raises(KeyboardInterrupt):
        run_study(settings, tmp_path / "out")
    assert run_study(settings, tmp_path / "out") == table
    assert len(calls) == 3
    both = [(tmp_path / name / "rows.csv").read_text() for name in ("whole", "out")]
    assert both[0] == both[1]


def test_frozen_encoders_pretrained_and_not(config, tmp_path):
    variants = (
        Variant("recipe"),
        Variant("untrained", untrained=True),
        Variant("later", {"schedule.learning_rate": 1e-9}, after="recipe"),
    )
    run_study(settings_of(config, *variants, measure="frozen"), tmp_path)
    rows = read_rows(tmp_path / "rows.csv")
    assert {r.metric for r in rows} == {"linear probe", "1-NN", "5-NN", "mAP"}
    value = {(r.variant, r.metric): r.value for r in rows}
    # Without a rate to speak of nothing is learnt after the recipe's encoder.
    assert value["later", "mAP"] == pytest.approx(value["recipe", "mAP"], abs=1e-3)
    assert value["untrained", "mAP"] != pytest.approx(value["recipe", "mAP"], abs=1e-4)


def test_a_study_of_scale_sees_fewer_clips(config, tmp_path):
    variants = [
        Variant(f"{n} clips", {"sampling.clips": n, "sampling.samples": 16}, line="tiny", size=n)
        for n in (16, 32)
    ]
    run_study(settings_of(config, *variants, measure="frozen"), tmp_path)
    folders = {path.name for path in tmp_path.glob("encoder_*")}
    assert len(folders) == 2
    # The same names with other settings: no encoder of the earlier run may pass for theirs.
    longer = {"schedule.epochs": 2, "monitor.clips": 8}
    settings = settings_of(config, *variants, measure="frozen")
    run_study(dataclasses.replace(settings, options=longer), tmp_path)
    assert len({path.name for path in tmp_path.glob("encoder_*")} - folders) == 2
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"measure": "both"}, "measure must be one of"),
        ({"seeds": ()}, "and seeds"),
        ({"variants": (Variant("a"), Variant("a"))}, "different names"),
        ({"variants": (Variant("a", after="b"), Variant("b"))}, "no variant before it"),
        (
            {
                "measure": "frozen",
                "variants": (Variant("a", untrained=True), Variant("b", after="a")),
            },
            "no variant before it",
        ),
        ({"variants": (Variant("a", untrained=True),)}, "need measure='frozen'"),
    ],
)
def test_settings_that_do_not_go_together(changes, expected):
    with pytest.raises(ValueError, match=expected):
        dataclasses.replace(StudySettings("c.py", (Variant("a"),)), **changes)


def test_a_mistyped_variant_ends_before_the_first_runs(config, tmp_path):
    settings = settings_of(config, Variant("all"), Variant("less", {"encoder.wihtout": ["bone"]}))
    with pytest.raises(InputError, match=r"less\.encoder: unknown key 'wihtout'"):
        run_study(settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="unknown folds"):
        run_study(dataclasses.replace(settings_of(config, Variant("a")), folds=("x",)), tmp_path)


def test_switches_of_another_encoder_are_refused_before_the_first_runs(config, tmp_path):
    other = Variant("ST-GCN", {"encoder.architecture": "st_gcn", "encoder.without": ["bone"]})
    with pytest.raises(InputError, match="only the pose graph transformer has switches"):
        run_study(settings_of(config, Variant("all"), other), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "path", sorted((REPO / "configs" / "studies").glob("*.py")), ids=lambda p: p.stem
)
def test_every_variant_of_a_shipped_study_can_be_built(path, monkeypatch):
    monkeypatch.chdir(REPO)
    settings = read_settings(StudySettings, load_config(path), path.name)
    configs = [variant_config(settings, variant) for variant in settings.variants]
    for config in configs:
        skeleton = SKELETONS[config.data.skeleton]
        config.encoder.build(skeleton, config.data.clip.frames)
    assert not configs[0].encoder.without  # the others are compared with the whole


def rows_of(values):
    """variant -> (seeds,) as rows of one fold."""
    return [
        StudyRow(name, seed, "fold", "top-1", value, f"{name}{seed}")
        for name, each in values.items()
        for seed, value in enumerate(each)
    ]


def test_the_difference_is_paired():
    values = {"all": (0.2, 0.6, 0.9), "less": (0.1, 0.4, 0.8)}
    line = format_study(rows_of(values)).splitlines()[-1]
    less = np.array(values["less"]) - values["all"]
    error = less.std(ddof=1) / math.sqrt(3)
    assert line == f"| less | 3 | 43.3 | {100 * less.mean():+.1f} ± {100 * error:.1f} |"


def test_rows_of_other_settings_are_kept(tmp_path):
    path = tmp_path / "rows.csv"
    old, new = rows_of({"old": (0.125,)}), rows_of({"new": (1 / 3,), "more": (0.5,)})
    write_rows(path, old, {})
    write_rows(path, new, {row.key: row for row in read_rows(path)})
    assert read_rows(path) == [*new, *old]
    assert read_rows(tmp_path / "none.csv") == []


def test_a_power_law_is_found_again():
    law = PowerLaw(2.5, 0.2)
    points = [ScalePoint("a", n, float(law.score(n))) for n in (1000, 3000, 10_000)]
    found = fit_power_law(points)
    assert found.scale == pytest.approx(2.5)
    assert found.exponent == pytest.approx(0.2)
    assert draw_scaling(points, "linear probe").startswith(b"\x89PNG")
    for bad in (points[:1], [*points, ScalePoint("a", 5, 1.0)]):
        with pytest.raises(ValueError, match="a power law needs"):
            fit_power_law(bad)
