import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import pytest

STUDIES = Path("studies").resolve()

STAND_IN = """
import sys, time
from pathlib import Path

print(*sys.argv[1:], flush=True)
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
bundle = Path(sys.argv[sys.argv.index("--cache-dir") + 1]) / (
    options["--dataset"] + "-" + options["--model"]
) / options["--name"]
time.sleep(60 if options["--name"] == Path(__file__).stem else 0)
bundle.mkdir(parents=True)
(bundle / "detector.json").touch()
"""


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(STUDIES)
    sys.modules.pop("runs", None)
    return runpy.run_path(str(STUDIES / "train_next.py"))


def train(
    names: dict[str, Any], directory: Path, slow: str, minutes: float | None
) -> list[list[str]]:
    """Run the list with a command that leaves an empty bundle; return what was asked of it."""
    command = directory / f"{slow}.py"
    command.write_text(STAND_IN)
    log = directory / "log"
    with log.open("w") as out:
        names["run"].__globals__["COMMAND"] = [sys.executable, str(command)]
        popen = names["run"].__globals__["subprocess"].Popen
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "subprocess.Popen", lambda *args, **rest: popen(*args, **rest, stdout=out)
            )
            names["run"](Path("data"), directory / "models", minutes)
    return [line.split() for line in log.read_text().splitlines()]


def test_the_list_is_trained_in_its_order_and_what_is_done_is_left(
    names: dict[str, Any], tmp_path: Path
) -> None:
    done = tmp_path / "models" / "cifar10-cnn" / "kl-t"
    done.mkdir(parents=True)
    (done / "detector.json").touch()
    asked = train(names, tmp_path, "none", None)
    trained = [(line[4], line[line.index("--name") + 1]) for line in asked]
    expected = [(models.model, name) for models, name in names["ORDER"]]
    assert trained == [key for key in expected if key != ("cnn", "kl-t")]
    assert {key[0] for key in expected} == {"cnn", "resnet56"}
    assert all("--resume" in line for line in asked)
    assert train(names, tmp_path, "none", None) == []


def test_it_stops_by_itself_when_the_time_is_up(names: dict[str, Any], tmp_path: Path) -> None:
    started = time.monotonic()
    asked = train(names, tmp_path, "kl-t", 0.05)
    assert time.monotonic() - started < 30
    assert len(asked) <= 2
    assert not (tmp_path / "models" / "cifar10-cnn" / "kl-t").exists()


def test_an_error_ends_the_list(names: dict[str, Any], tmp_path: Path) -> None:
    names["run"].__globals__["COMMAND"] = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(SystemExit, match="3"):
        names["run"](Path("data"), tmp_path, None)


def test_the_status_says_how_far_each_is(names: dict[str, Any], tmp_path: Path) -> None:
    directory = tmp_path / "cifar10-cnn"
    (directory / "kl").mkdir(parents=True)
    (directory / "kl" / "detector.json").touch()
    (directory / "classifier.json").write_text(json.dumps({"accuracy": 0.8}))
    (directory / "kl-t.training" / "0").mkdir(parents=True)
    history = {"val_loss": [0.5, 0.25], "seconds": [1.0, 2.0]}
    state = directory / "kl-t.training" / "0" / "state.json"
    state.write_text(json.dumps({"history": history}))
    assert list(names["status"](tmp_path))[:4] == [
        "cifar10-cnn: done, 0.8000 on test images",
        "cifar10-cnn kl: done",
        "cifar10-cnn kl-t: 2 epochs in 3 s, val_loss 0.2500",
        "cifar10-cnn kl-hl1: not begun",
    ]
