"""Configs: every file loads into typed settings; a mistyped one ends in one line."""

import copy
import gc
from dataclasses import replace

import pytest

from mgpose.data.folds import UNLABELLED
from mgpose.data.protocols import protocol_by_name
from mgpose.engine.model_files import load_model
from mgpose.engine.options import parse_options
from mgpose.engine.settings import PretrainSettings, load_config, read_settings
from mgpose.evaluation.published import published_numbers
from mgpose.models import SIZES
from mgpose.models.pose_graph_transformer import INGREDIENTS
from mgpose.structures import SKELETONS, InputError
from mgpose.tasks.difficulty import DifficultySettings
from mgpose.tasks.evaluate import RUNNERS, EvaluateSettings
from mgpose.tasks.study import StudySettings, variant_config


def files(repo, kind):
    found = sorted((repo / "configs" / kind).glob("*.py"))
    assert found
    return found


def check_data(data):
    if data.protocol != UNLABELLED:
        assert protocol_by_name(data.protocol).name == data.protocol
    assert data.skeleton in SKELETONS
    assert SKELETONS[data.skeleton].parts
    assert data.store.startswith(("data/", "work_dirs/"))
    if data.published:
        assert published_numbers(data.published)
    assert data.synthetic == (data.protocol == "synthetic")


def test_pretrain_configs(repo):
    for path in files(repo, "pretrain"):
        settings = read_settings(PretrainSettings, load_config(path))
        check_data(settings.data)
        assert settings.encoder.size in SIZES
        assert f"_{settings.encoder.size}_" in path.stem
        assert settings.data.clip.frames % settings.encoder.patch == 0


def test_the_quickstart_draws_two_views_and_no_more(repo):
    """It is to stay the cheapest way through the whole library."""
    path = repo / "configs/pretrain/contrastive_tiny_quickstart.py"
    settings = read_settings(PretrainSettings, load_config(path))
    assert settings.views.local == 0
    assert settings.objective.mixed == 0


def test_further_sets_are_read_like_the_first(repo):
    path = repo / "configs/pretrain/contrastive_small_ksl13.py"
    config = load_config(path)
    config["further"] = [{"name": "more", "store": "data/more", "protocol": "unlabelled"}]
    config["encoder"] |= {"without": ["bone"]}
    settings = read_settings(PretrainSettings, config)
    assert [data.store for data in settings.further] == ["data/more"]
    assert settings.encoder.without == ("bone",)
    config["further"][0]["stroe"] = "x"
    with pytest.raises(InputError, match=r"config.further\[0\]: unknown key 'stroe'"):
        read_settings(PretrainSettings, config)


def test_task_configs_fit_their_pretraining(repo):
    pretraining = {
        path.stem.split("_", 2)[2]: read_settings(PretrainSettings, load_config(path))
        for path in files(repo, "pretrain")
    }
    for path in files(repo, "tasks"):
        settings = read_settings(EvaluateSettings, load_config(path))
        check_data(settings.data)
        if path.stem.startswith("frozen_joint_"):
            joint = pretraining["joint"]
            assert settings.data in (joint.data, *joint.further)
            continue
        if path.stem.startswith("long_tail_"):  # goes on from the shipped model
            card = load_model("small-signs").card
            assert settings.data.skeleton == card.skeleton
            assert (settings.data.clip.frames, settings.data.clip.rate) == (
                card.clip["frames"],
                card.clip["rate"],
            )
            assert settings.tasks.recognition_supervised.long_tail.retraining_epochs
            continue
        task = next((name for name in RUNNERS if path.stem.startswith(name)), "all")
        given = {name for name in RUNNERS if getattr(settings.tasks, name) is not None}
        if task == "emotion":
            # Its split may be one of its own; then the encoder is one of that split, or of the same
            # people: the run refuses one that saw a test video.
            name = path.stem.removeprefix("emotion_")
            variant, _, release = name.rpartition("_")
            before = (pretraining.get(name) or pretraining[f"{release}_{variant}"]).data
            assert settings.data == replace(before, protocol=settings.data.protocol)
            assert settings.data.protocol.startswith(before.protocol.split("_")[0])
        else:
            assert settings.data == pretraining[path.stem.removeprefix(f"{task}_")].data
        if task != "all":
            assert given == {task}
        else:  # Emotion has labels in synthetic data only.
            assert given == set(RUNNERS) - (set() if settings.data.synthetic else {"emotion"})


def test_releases_have_one_config_a_task(repo):
    stems = {path.stem for path in files(repo, "tasks")}
    for release in ("imigue", "smg", "ma52"):
        # Emotions of whole videos are labelled in iMiGUE only.
        tasks = set(RUNNERS) - ({"emotion"} if release != "imigue" else set())
        assert {f"{task}_{release}" for task in tasks} <= stems


def test_difficulty_configs(repo):
    for path in files(repo, "difficulty"):
        settings = read_settings(DifficultySettings, load_config(path))
        check_data(settings.data)
        assert settings.encoder.size in SIZES
        assert settings.data.clip.frames % settings.encoder.patch == 0
        assert settings.data.store.endswith(path.stem)


def test_study_configs(repo, monkeypatch):
    monkeypatch.chdir(repo)
    for path in files(repo, "studies"):
        settings = read_settings(StudySettings, load_config(path))
        for variant in settings.variants:
            config = variant_config(settings, variant)
            check_data(config.data)
            # Constants are chosen inside train, or on people whom the README names.
            inside = config.data.tuning or config.data.synthetic
            assert inside or settings.folds == ("p04", "p08")


def test_every_ingredient_of_the_encoder_is_in_the_ablation(repo):
    settings = read_settings(
        StudySettings, load_config(repo / "configs/studies/encoder_nw_ucla.py")
    )
    left_out = [
        v.options["encoder.without"] for v in settings.variants if "encoder.without" in v.options
    ]
    assert sorted(map(tuple, left_out)) == sorted((name,) for name in INGREDIENTS)


def one_line(kind, values):
    with pytest.raises(InputError) as caught:
        read_settings(kind, values)
    message = str(caught.value)
    assert "\n" not in message
    return message


def changed(values, dotted, value):
    """The values with one more or another one."""
    values = copy.deepcopy(values)
    *way, last = dotted.split(".")
    section = values
    for key in way:
        section = section.setdefault(key, {})
    section[last] = value
    return values


@pytest.mark.parametrize(
    ("dotted", "nearest"),
    [
        ("encodr", "encoder"),
        ("data.stroe", "store"),
        ("data.clip.frame", "frames"),
        ("encoder.sise", "size"),
        ("schedule.epoch", "epochs"),
        ("objective.temprature", "temperature"),
        ("objective.maskd", "masked"),
        ("views.locl", "local"),
        ("augment.miror", "mirror"),
        ("monitor.intervall", "interval"),
        ("sampling.qualty", "quality"),
    ],
)
def test_mistyped_pretrain_key(tiny_config, dotted, nearest):
    message = one_line(PretrainSettings, changed(tiny_config, dotted, 1))
    *section, key = dotted.split(".")
    assert message.startswith(".".join(["config", *section]) + ":")
    assert f"{key!r}; did you mean {nearest!r}?" in message


@pytest.mark.parametrize(
    ("dotted", "nearest"),
    [
        ("task", "tasks"),
        ("tasks.retreival", "retrieval"),
        ("tasks.emotion.positiv", "positive"),
        ("tasks.recognition_semi_supervised.fraction", "fractions"),
        ("tasks.recognition_supervised.finetune.epoch", "epochs"),
        ("tasks.recognition_supervised.finetune.augment.sheer", "shear"),
    ],
)
def test_mistyped_task_key(tiny_config, dotted, nearest):
    values = changed({"data": tiny_config["data"]}, dotted, 1)
    assert f"did you mean {nearest!r}?" in one_line(EvaluateSettings, values)


@pytest.mark.parametrize(
    ("dotted", "value", "expected"),
    [
        ("seed", "three", "expected int"),
        ("seed", True, "expected int"),
        ("schedule.epochs", 2.5, "expected int"),
        ("schedule.learning_rate", "fast", "expected float"),
        ("schedule", 3, "expected a section"),
        ("schedule", None, "expected a section"),
        ("data.clip", [1], "expected a section"),
        ("data.store", 5, "expected str"),
        ("sampling.quality", 1, "expected bool"),
        ("data.clip.frames", 1, "frames >= 2"),
        ("schedule.epochs", 0, "epochs >= 1"),
        ("schedule.batch_size", 1, "batch_size >= 2"),
        ("schedule.checkpoint_interval", 0, "checkpoint_interval >= 1"),
        ("schedule.layer_decay", 0.0, "layer_decay must lie in"),
        ("schedule.start_from", 3, "expected str"),
        ("augment.crop", 0.0, "0 < crop <= crop_most"),
        ("objective.soft", 1.0, "soft and mask_share must lie in"),
        ("objective.clip", 0.0, "clip > 0"),
        ("views.local", -1, "local >= 0"),
        ("views.local_crop", 0.8, "local_crop <= local_crop_most"),
        ("encoder.without", "bone", "expected a list"),
        ("encoder.without", [3], "expected str"),
        ("further", [3], "expected a section"),
        ("augment.mirror", 2, "must be a probability"),
    ],
)
def test_wrong_pretrain_values(tiny_config, dotted, value, expected):
    assert expected in one_line(PretrainSettings, changed(tiny_config, dotted, value))


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        ("recognition_unsupervised.neighbours", 5),
        ("recognition_unsupervised.neighbours", [1, "many"]),
        ("recognition_unsupervised.neighbours", "15"),
        ("recognition_unsupervised.neighbours", [0, 1]),
        ("recognition_unsupervised.map", "yes"),
        ("recognition_semi_supervised.fractions", 0.1),
        ("recognition_semi_supervised.fractions", [0.1, 0.01]),
        ("recognition_semi_supervised.fractions", [0.0, 0.5]),
        ("recognition_semi_supervised.fractions", []),
        ("recognition_semi_supervised.draws", 0),
        ("retrieval.ranks", [1.5]),
        ("retrieval.ranks", []),
        ("retrieval.ranks", [0]),
        ("retrieval", 3),
    ],
)
def test_wrong_task_values(tiny_config, dotted, value):
    """What would end a run after an hour is refused before it starts."""
    values = changed({"data": tiny_config["data"]}, f"tasks.{dotted}", value)
    assert one_line(EvaluateSettings, values).startswith("config.tasks")


def test_a_missing_required_key(tiny_config):
    values = changed(tiny_config, "seed", 1)
    del values["data"]["protocol"]
    assert "protocol" in one_line(PretrainSettings, values)
    del values["data"]
    assert "data" in one_line(PretrainSettings, values)


def test_values_arrive(tiny_config):
    tasks = {
        "recognition_unsupervised": {"neighbours": [1, 3]},
        "recognition_semi_supervised": {"fractions": [0.5, 1]},
        "emotion": None,
    }
    settings = read_settings(EvaluateSettings, {"data": tiny_config["data"], "tasks": tasks})
    assert settings.tasks.recognition_unsupervised.neighbours == (1, 3)
    assert settings.tasks.recognition_semi_supervised.fractions == (0.5, 1.0)
    assert settings.tasks.emotion is None
    assert settings.data.clip.rate == 5.0
    assert settings.data.clip.max_gap == 5


def test_options():
    given = ["a=1", "a.b=2.5", "c=x=y", "d=[1, 2]", "e=False", "f=None", "g=", "h=p01", "i='7'"]
    assert parse_options(given) == {
        "a": 1,
        "a.b": 2.5,
        "c": "x=y",
        "d": [1, 2],
        "e": False,
        "f": None,
        "g": "",
        "h": "p01",
        "i": "7",
    }
    for bad in ("seed", "=3", ""):
        with pytest.raises(InputError, match="KEY=VALUE"):
            parse_options([bad])


def test_options_override_a_file(repo):
    path = repo / "configs/pretrain/contrastive_tiny_quickstart.py"
    plain = read_settings(PretrainSettings, load_config(path))
    options = parse_options(["schedule.epochs=1", "data.clip.frames=16", "seed=7"])
    settings = read_settings(PretrainSettings, load_config(path, options))
    assert (settings.schedule.epochs, settings.data.clip.frames, settings.seed) == (1, 16, 7)
    assert settings.schedule.batch_size == plain.schedule.batch_size
    assert settings.data.protocol == plain.data.protocol
    for bad, word in (("schedule.epoch=1", "epochs"), ("seed.x=1", "expected int")):
        with pytest.raises(InputError, match=word):
            read_settings(PretrainSettings, load_config(path, parse_options([bad])))


# MMEngine leaves its temporary copy of a file that it cannot run to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*FileIO:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("text", ["data = dict(", "1 / 0", "\x00"])
def test_a_file_that_is_no_config(tmp_path, text):
    path = tmp_path / "config.py"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    del caught
    gc.collect()


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="found nothing"):
        load_config(tmp_path / "other.py")
