import re

import torch


def test_the_sketch_in_the_readme_runs_and_learns(repo, monkeypatch, capsys):
    monkeypatch.chdir(repo)
    torch.manual_seed(0)
    (sketch,) = re.findall(r"```python\n(.*?)```", (repo / "README.md").read_text(), re.DOTALL)
    assert len(sketch.splitlines()) <= 24
    names: dict = {}
    exec(compile(sketch.replace("range(20)", "range(1)"), "README.md", "exec"), names)
    first = names["loss"].item()
    exec(compile(sketch, "README.md", "exec"), names)
    assert names["loss"].item() < first
    assert "sign_" in capsys.readouterr().out
