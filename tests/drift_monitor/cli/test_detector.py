"""The commands about detectors: what they write, print and refuse."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from adversarial import read_bundle
from drift_monitor.config import DataConfig
from drift_monitor.detectors.fit import ClassifierFile
from drift_monitor.errors import ConfigError
from drift_monitor.results.report import read_report
from tests.conftest import Invoke, MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch
from tests.support.job.monitors import write_day

DAY = "2026-11-20"


def test_fit_writes_a_bundle_that_run_can_use(
    invoke: Invoke,
    make_monitor: MakeMonitor,
    classifier_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drift_monitor.cli.progress.SECONDS_PER_LINE", 0)
    train = write_batch(tmp_path / "train.parquet", *make_images(400, seed=1))
    reference = write_batch(tmp_path / "reference.parquet", *make_images(200, seed=2))
    code, out, err = invoke(
        *("fit", "--classifier", classifier_file, "--data", train),
        *("--reference-data", reference, "--label", "label", "--segments", "site"),
        *("--class-names", ",".join(CLASSES), "--output", tmp_path / "detector"),
        *("--epochs", 2, "--latent-dim", 4, "--fpr", 0.1, "--temperature", 0.8, "--seed", 3),
        *("--precision", "float32", "--score-temperature", 0.5),
    )
    assert code == 0, err
    told = re.findall(
        r"^Changed rows for the estimate of accuracy: ([\d,]+) of ([\d,]+) rows, about .+ left$",
        err,
        re.MULTILINE,
    )
    assert len(told) > 50
    assert told[-1][0] == told[-1][1]
    assert str(tmp_path / "detector") in out
    assert "ε_FPR 0.1: flags 20 of 200 normal rows; 6.62% to 15.02% of new ones" in out
    found = read_bundle(tmp_path / "detector")
    assert (found.manifest.fpr, found.manifest.temperature) == (0.1, 0.8)
    assert found.manifest.score_temperature == 0.5
    assert found.manifest.class_names == CLASSES
    assert found.manifest.training["seed"] == 3
    table = found.reference()
    assert len(table) == 200
    assert sum(table["flagged"].to_pylist()) == 20
    assert {"label", "site", "adversarial_score"} <= set(table.column_names)

    monitor = make_monitor()
    monitor.write_text(re.sub(r"detector: .*", "detector: detector", monitor.read_text()))
    write_day(monitor)
    assert invoke("run", monitor, "--date", DAY)[0] == 0
    report = read_report(tmp_path / "reports" / "animals" / DAY / "report.json")
    assert report.detector.score_temperature == 0.5


def test_a_saved_model_is_fitted_validated_and_run_with_its_opt_in(
    invoke: Invoke, make_monitor: MakeMonitor, classifier_file: Path, tmp_path: Path
) -> None:
    import keras

    model = keras.saving.load_model(classifier_file)
    keras.Model(model.inputs, model.layers[-1].output).export(tmp_path / "saved", verbose=False)
    train = write_batch(tmp_path / "train.parquet", *make_images(200, seed=1))
    words = (
        *("fit", "--classifier", tmp_path / "saved", "--data", train, "--epochs", 1),
        *("--class-names", ",".join(CLASSES), "--output", tmp_path / "detector"),
        *("--precision", "float32"),
    )
    code, _, err = invoke(*words, "--output-kind", "logits")
    assert code == 1
    assert "declared as logits, but it ends in softmax" in err
    code, out, err = invoke(*words, "--output-kind", "softmax")
    assert code == 0, err
    assert "needs trust: [SavedModel]" in out

    monitor = make_monitor(runtime="openvino")
    monitor.write_text(re.sub(r"detector: .*", "detector: detector", monitor.read_text()))
    write_day(monitor)
    # The scoring graph runs no code of the classifier's: only TensorFlow needs the opt-in.
    assert invoke("validate", monitor)[0] == 0
    monitor.write_text(monitor.read_text().replace("runtime: openvino", "runtime: tensorflow"))
    for command in (("validate", monitor), ("run", monitor, "--date", DAY)):
        code, _, err = invoke(*command)
        assert code == 1
        assert "trust: [SavedModel]" in err
    monitor.write_text(monitor.read_text() + "trust: [SavedModel]\n")
    assert invoke("validate", monitor)[0] == 0
    assert invoke("run", monitor, "--date", DAY)[0] == 0
    code, _, err = invoke("backfill", monitor, "--start", DAY, "--end", DAY, "--overwrite")
    assert code == 0, err


def test_without_reference_data_a_part_of_the_training_rows_is_held_out(
    invoke: Invoke, classifier_file: Path, tmp_path: Path
) -> None:
    from adversarial import read_bundle

    train = write_batch(tmp_path / "train.parquet", *make_images(400, seed=1))
    words = ("fit", "--classifier", classifier_file, "--data", train, "--epochs", 1)
    exact = ("--precision", "float32")
    assert invoke(*words, *exact, "--output", tmp_path / "detector")[0] == 0
    training = read_bundle(tmp_path / "detector").manifest.training
    assert (training["rows"], training["reference_rows"]) == (320, 80)


@pytest.mark.parametrize(
    ("text", "names"),
    [("a, b,,c", ["a", "b", "c"]), ("@names.txt", ["a", " b, in mm", "c"])],
)
def test_names_are_given_by_commas_or_in_a_file(
    invoke: Invoke,
    text: str,
    names: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "names.txt").write_text("a\r\n b, in mm\n\nc", encoding="utf-8-sig")
    asked: dict[str, object] = {}

    def fit(classifier: ClassifierFile, data: DataConfig, output: Path, **_: object) -> Path:
        asked.update(input=data.input, segments=data.segments, classes=classifier.class_names)
        return output

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("drift_monitor.detectors.fit.fit", fit)
    invoke(
        *("fit", "--classifier", "c", "--data", "d", "--output", "o"),
        *("--input", text, "--segments", text, "--class-names", text),
    )
    assert asked == {"input": names, "segments": names, "classes": names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--classifier": "nothing.keras"}, "nothing.keras"),
        ({"--data": "nothing.parquet"}, "nothing.parquet"),
        ({"--input": "picture"}, "'picture'"),
        ({"--label": "truth"}, "'truth'"),
        ({"--class-names": "a,b"}, "2 class names"),
        ({"--class-names": "a,b,a"}, "several classes have the name 'a'"),
        ({"--reference-data": "nothing.parquet"}, "nothing.parquet"),
        ({"--segments": "place,region"}, "no column 'place', 'region'"),
        ({"--label": "site"}, "pass --class-names"),
        ({"--fpr": "0.0001"}, "10000 normal rows"),
    ],
)
def test_a_fit_that_cannot_be_done_says_why_and_writes_nothing(
    invoke: Invoke, classifier_file: Path, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    train = write_batch(tmp_path / "train.parquet", *make_images(100, seed=1))
    options = {
        "--classifier": str(classifier_file),
        "--data": str(train),
        "--output": str(tmp_path / "detector"),
        "--epochs": "1",
    } | change
    code, _, err = invoke("fit", *(word for pair in options.items() for word in pair))
    assert code == 1
    assert message in err
    assert [p.name for p in tmp_path.iterdir()] == ["train.parquet"]


def test_adversarial_inspect_describes_a_bundle(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from adversarial.cli.main import main as adversarial

    monkeypatch.setattr(sys, "argv", ["adversarial", "inspect", str(bundle)])
    with pytest.raises(SystemExit) as stopped:
        adversarial()
    out = capsys.readouterr().out
    assert not stopped.value.code
    assert read_bundle(bundle).fingerprint in out
    assert "cat, dog, owl" in out
    assert "(ε_FPR 0.05: flags 8 of 160 normal rows; 2.60% to 9.61% of new ones, 95%" in out


def test_reference_reads_the_columns_that_the_bundle_was_fitted_on(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SimpleNamespace(feature_names=("income", "age, in years"))
    manifest = SimpleNamespace(input=spec)
    monkeypatch.setattr(
        "adversarial.bundle.read.read_bundle", lambda *_: SimpleNamespace(manifest=manifest)
    )
    asked: list[list[str]] = []

    def renew(_bundle: Path, rows: DataConfig, *_: object, **__: object) -> Path:
        asked.append(rows.input_columns)
        raise ConfigError("seen")

    monkeypatch.setattr("drift_monitor.detectors.reference.renew_reference", renew)
    words = ("reference", tmp_path, "--data", "new.parquet")
    assert invoke(*words)[0] == 1
    assert invoke(*words, "--input", "a,b")[0] == 1
    assert asked == [["income", "age, in years"], ["a", "b"]]


def test_reference_says_what_the_new_window_gives(
    invoke: Invoke, bundle: Path, tmp_path: Path
) -> None:
    data = write_batch(tmp_path / "new.parquet", *make_images(100, seed=8))
    code, out, err = invoke(
        *("reference", bundle, "--data", data, "--label", "label", "--segments", "site"),
        *("--fpr", "0.1", "--output", tmp_path / "renewed", "--score-temperature", "0.5"),
    )
    assert code == 0, err
    assert read_bundle(tmp_path / "renewed").manifest.score_temperature == 0.5
    assert f"Wrote the detector bundle {tmp_path / 'renewed'}" in out
    assert "flags 10 of 100 normal rows" in out
    assert "by an estimator fitted on 100 labelled rows" in out


@pytest.mark.parametrize("command", ["fit", "reference"])
def test_a_temperature_that_is_none_is_refused_at_once(
    invoke: Invoke, tmp_path: Path, command: str
) -> None:
    arguments = {
        "fit": ("--classifier", "no.keras", "--output", tmp_path / "new"),
        "reference": (tmp_path,),
    }[command]
    code, _, err = invoke(command, *arguments, "--data", "x", "--score-temperature", "0")
    assert code == 2
    assert "--score-temperature" in err
    assert "0.0 is not a number from 0.05 to 20" in err
