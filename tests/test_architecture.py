"""The floors of DESIGN.md, read off the source: each rule, and proof that its checker can fail."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOORS = {
    "structures": 1,
    "io": 2,
    "extraction": 3,
    "data": 3,
    "models": 3,
    "objectives": 3,
    "evaluation": 4,
    "engine": 5,
    "tasks": 6,
}
MOST_LINES = {"mgpose": 400, "tools": 59}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that the source imports, wherever the import stands; relative ones as dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if base == "mgpose")
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            argument = node.args[0]
            if called.endswith(("import_module", "__import__")):
                assert isinstance(argument, ast.Constant), f"cannot follow {ast.unparse(node)}"
                yield str(argument.value)


def import_fault(folder: str, module: str) -> str | None:
    """What is wrong when a file of ``folder`` of mgpose (or tools) imports ``module``."""
    if module.startswith("."):
        return f"relative import of {module}"
    if module.split(".")[0] == "mmengine" and folder != "engine":
        return "mmengine outside mgpose/engine"
    if not module.startswith("mgpose.") or module == "mgpose.__version__":
        return None
    other = module.split(".")[1]
    if folder in (other, "tools", "mgpose"):
        return None
    if folder not in FLOORS or FLOORS.get(other, 99) >= FLOORS[folder]:
        return f"{folder} imports {other}"
    return None


def eager(tree: ast.Module) -> list[str]:
    """Parts of mgpose that importing a file of the root imports: it is the users' door, no more."""
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return [m for node in top for m in imported(node) if m.startswith("mgpose.")]


def faults(root: Path) -> list[str]:
    """Every breach of a rule under ``root``, as ``file: what``."""
    found = []
    for top, most in MOST_LINES.items():
        for path in sorted((root / top).rglob("*.py")):
            name = path.relative_to(root)
            folder = name.parts[1] if top == "mgpose" and len(name.parts) > 2 else top
            text = path.read_text(encoding="utf-8")
            if len(text.splitlines()) > most:
                found.append(f"{name}: more than {most} lines")
            if any(part.removesuffix(".py").strip("_") in ("utils", "util") for part in name.parts):
                found.append(f"{name}: a helper lives with its noun, not in utils")
            if folder != top and folder not in FLOORS:
                found.append(f"{name}: {folder} stands on no floor")
            tree = ast.parse(text)
            wrong = {import_fault(folder, module) for module in imported(tree)}
            if folder == "mgpose":
                wrong |= {f"imports {module} before it is called" for module in eager(tree)}
            found += [f"{name}: {what}" for what in sorted(w for w in wrong if w)]
    return found


def test_the_project_keeps_its_floors(repo):
    assert len(list((repo / "mgpose").rglob("*.py"))) > 50
    assert set(FLOORS) == {p.parent.name for p in (repo / "mgpose").glob("*/__init__.py")}
    assert not faults(repo)


def test_no_module_of_configs_or_tests_is_called_utils(repo):
    for top in ("configs", "tests"):
        assert not [p for p in (repo / top).rglob("*") if p.stem in ("utils", "util")]


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("mgpose/structures/a.py", "from mgpose.io import PoseStore", "structures imports io"),
        ("mgpose/io/a.py", "import mgpose.data.clips", "io imports data"),
        ("mgpose/data/a.py", "from mgpose.models import SIZES", "data imports models"),
        ("mgpose/models/a.py", "from mgpose import objectives", "models imports objectives"),
        ("mgpose/objectives/a.py", "def f():\n    from mgpose.data import b", "objectives imports"),
        ("mgpose/extraction/a.py", "import mgpose.evaluation", "extraction imports evaluation"),
        ("mgpose/evaluation/a.py", "from mgpose.engine import x", "evaluation imports engine"),
        ("mgpose/engine/a.py", "import torch\nimport mgpose.tasks.x", "engine imports tasks"),
        ("mgpose/io/a.py", 'import_module("mgpose.data")', "io imports data"),
        ("mgpose/data/a.py", "from .clips import Span", "relative import"),
        ("mgpose/data/a.py", "from . import clips", "relative import"),
        ("mgpose/tasks/a.py", "def f():\n    import mmengine.config as c", "mmengine outside"),
        ("tools/a.py", "from mmengine import Config", "mmengine outside"),
        ("mgpose/data/a.py", "x = 1\n" * 401, "more than 400 lines"),
        ("tools/a.py", "x = 1\n" * 60, "more than 59 lines"),
        ("mgpose/data/utils.py", "", "not in utils"),
        ("mgpose/io/utils/a.py", "", "not in utils"),
        ("mgpose/attic/a.py", "", "stands on no floor"),
        ("mgpose/__init__.py", "from mgpose.engine import x", "before it is called"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, file, text, fault):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    (found,) = faults(tmp_path)
    assert fault in found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("mgpose/tasks/a.py", "from mgpose.engine import x\nimport mgpose.structures"),
        ("mgpose/engine/a.py", "from mmengine.runner import Runner\nimport numpy"),
        ("mgpose/data/a.py", "from mgpose.data.clips import Span\n" * 400),
        ("tools/a.py", "from mgpose.tasks import x\n" * 59),
        ("mgpose/__init__.py", "def f():\n    from mgpose.engine import x"),
    ],
)
def test_what_is_allowed_passes(tmp_path, file, text):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert not faults(tmp_path)
