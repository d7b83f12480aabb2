import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from adversarial.cli.main import app
from adversarial.evaluation.experiment import Experiment
from adversarial.storage.opening import open_folder
from tests.support.evaluation_run import select
from tests.support.s3_server import s3_server

QUICKSTART = Path("examples/fashion_mnist")
BOTH = ["--detector", f"a={QUICKSTART}/detector", "--detector", f"b={QUICKSTART}/detector"]


def test_the_quickstart_alone_is_enough(tmp_path: Path) -> None:
    options = ["--dataset", "fashion_mnist", "--limit", "64", "--cache-dir", str(tmp_path / "none")]
    program = str(Path(sys.executable).with_name("adversarial"))
    found = subprocess.run(
        [program, "evaluate", *options, "--output", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    records = pq.read_table(tmp_path / "run" / "metrics.parquet").to_pylist()
    for attack in ("cw", "slide"):
        [undefended] = select(records, attack=attack, metric="accuracy_attacked")
        assert undefended["value"] <= 0.02
        [defended] = select(records, attack=attack, metric="accuracy_defended", fpr=0.05)
        assert defended["value"] > 0.65
        [area] = select(records, attack=attack, metric="auc")
        assert area["value"] > 0.93
    assert "cw grey-box" in found.stdout
    assert "n = 64" in found.stdout
    words = [line.split()[0] for line in found.stdout.splitlines() if line.strip()]
    assert set(words[:2]) == {"metric", "─" * len(words[1])}
    assert set(words[2:-2]) == {*Experiment.attacks, "strongest"}
    files = [f"{tmp_path / 'run' / name}:" for name in ("metrics.parquet", "report.html")]
    assert words[-2:] == files
    assert "64 test images" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    figures = {path.name for path in (tmp_path / "run" / "figures").iterdir()}
    assert {"roc-cw-grey-box.svg", "grid-slide-grey-box.webp"} <= figures


def test_an_evaluation_goes_to_a_store_and_is_drawn_again_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    local, options = tmp_path / "run", ["--dataset", "fashion_mnist", "--limit", "8"]
    options += ["--attack", "fgsm-0.1"]
    with s3_server() as bucket:
        url = f"{bucket}/evaluations/run"
        for output in (str(local), url, url):  # the second time, its attacks are there already
            found = CliRunner().invoke(app, ["evaluate", *options, "--output", output])
            assert found.exit_code == 0, found.output + str(found.exception)
        assert f"{url}/report.html: the same as a page" in found.output
        store = open_folder(url)
        for name in ("metrics.json", "rows.parquet", "config.json"):
            assert store.read(name) == (local / name).read_bytes()
        names = {path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file()}
        assert set(store.names()) == {name for name in names if not name.startswith(".")}
        store.remove("report.html")
        found = CliRunner().invoke(app, ["report", url])
        assert found.output == f"{url}/report.html\n"
        assert store.exists("report.html")
        found = CliRunner().invoke(app, ["evaluate", *options, "--seed", "1", "--output", url])
        assert f"{url} holds an evaluation with other settings" in str(found.exception)
        assert "seed 0, now 1): give another --output" in str(found.exception)
    assert not list((tmp_path / "cache" / "drift-monitor" / "evaluations").iterdir())
    assert not Path(urlsplit(url).scheme + ":").exists()


def test_evaluation_without_a_detector_says_how_to_get_one(tmp_path: Path) -> None:
    command = ["evaluate", "--dataset", "mnist", "--cache-dir", str(tmp_path)]
    found = CliRunner().invoke(app, command)
    assert "adversarial train --dataset mnist --model cnn" in str(found.exception)
    found = CliRunner().invoke(app, [*command, "--detector", "only-a-path"])
    assert found.exit_code == 2
    assert "'only-a-path' is not a name" in found.output
    quickstart = ["--detector", f"a={QUICKSTART}/detector", "--ensemble", "both=a+b"]
    found = CliRunner().invoke(app, [*command, *quickstart])
    assert found.exit_code == 2
    assert "both=a+b" in found.output


def test_corruptions_can_be_evaluated_alone(tmp_path: Path) -> None:
    options = ["--dataset", "fashion_mnist", "--limit", "20", "--cache-dir", str(tmp_path / "none")]
    found = CliRunner().invoke(
        app, ["evaluate", *options, "--corruption", "fog", "--output", str(tmp_path / "run")]
    )
    assert found.exit_code == 0, found.output + str(found.exception)
    records = pq.read_table(tmp_path / "run" / "metrics.parquet").to_pylist()
    assert {record["corruption"] for record in records} == {"fog", "all"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "banana"], "no model 'banana' for fashion_mnist"),
        (["--detector", "a=x", "--detector", "a=y"], "two detectors have one name"),
        (["--detector", "a|b=x"], "is not a name"),
        (["--corruption", "all", "--corruption", "fogg"], "no corruption 'fogg'"),
        ([*BOTH, "--ensemble", "e=a+b", "--ensemble", "e=b+a"], r"e=b\+a: expected a new"),
        ([*BOTH, "--ensemble", "e=a+a"], r"e=a\+a: expected a new"),
        (["--dataset", "mnist", *BOTH], "'a' has the classes T-shirt/top, .* not those of mnist"),
    ],
)
def test_what_is_wrong_with_the_options_is_said_before_anything_is_loaded(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adversarial.paper.datasets.draw_images", lambda *_: pytest.fail("loaded"))
    found = CliRunner().invoke(app, ["evaluate", "--dataset", "fashion_mnist", *options])
    assert re.search(message, found.output + str(found.exception))
