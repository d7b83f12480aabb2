"""`drift-monitor fit`: every way of training, killed and resumed, ensembles through the job."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from adversarial import AdversarialDetector, read_bundle
from adversarial.training.checkpoints import checkpoint_dir
from drift_monitor.cli.main import app
from drift_monitor.config import load_monitor
from drift_monitor.job.run import run_interval
from tests.conftest import MakeMonitor
from tests.support.animals import CLASSES, make_images, write_batch


@pytest.fixture(scope="module")
def training_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_batch(tmp_path_factory.mktemp("rows") / "train.parquet", *make_images(400, seed=1))


def words(classifier: Path, data: Path, output: Path, *options: object) -> list[str]:
    named = {"classifier": classifier, "data": data, "output": output, "label": "label"}
    named |= {"class-names": ",".join(CLASSES), "autoencoder": "dense"}
    fit = ["fit", *(str(w) for name, value in named.items() for w in (f"--{name}", value))]
    return [*fit, "--precision", "float32", "--no-accuracy", *map(str, options)]


def fit(classifier: Path, data: Path, output: Path, *options: object) -> AdversarialDetector:
    found = CliRunner().invoke(app, words(classifier, data, output, *options))
    assert found.exit_code == 0, found.output + str(found.exception)
    return AdversarialDetector.load(output)


def test_labels_give_an_accuracy_estimator_and_no_labels_a_line_that_says_so(
    classifier_file: Path, training_rows: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = words(classifier_file, training_rows, tmp_path / "with", "--epochs", 1)
    command.remove("--no-accuracy")
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    fitted = read_bundle(tmp_path / "with").accuracy_estimator()
    assert fitted is not None
    assert fitted.class_names == CLASSES
    assert "by an estimator fitted on 80 labelled rows" in found.output

    at = command.index("--label")
    del command[at : at + 2]
    command[command.index(str(tmp_path / "with"))] = str(tmp_path / "without")
    assert CliRunner().invoke(app, command).exit_code == 0
    without = read_bundle(tmp_path / "without")
    assert without.accuracy_estimator() is None
    assert without.manifest.reference_created is not None
    assert "estimated accuracy needs labels" in caplog.text


def test_no_map_is_fitted_where_none_is_wanted(
    classifier_file: Path, training_rows: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    detector = fit(classifier_file, training_rows, tmp_path / "d", "--epochs", 1)
    assert detector.calibration.accuracy_estimator is None
    assert "estimated accuracy" not in caplog.text
    assert "Accuracy estimator" not in caplog.text


def weights(detector: AdversarialDetector) -> list[np.ndarray]:
    return [w for member in detector.autoencoders for w in member.get_weights()]


def test_rows_that_cannot_be_used_are_counted_and_the_first_is_named(
    classifier_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = write_batch(tmp_path / "rows.parquet", *make_images(200, seed=1))
    table = pq.read_table(data)
    images = table["image"].to_pylist()
    images[7] = images[90] = b"no image"
    at = table.schema.get_field_index("image")
    pq.write_table(table.set_column(at, "image", pa.array(images)), data)
    fit(classifier_file, data, tmp_path / "detector", "--epochs", 1)
    assert "2 of 200 rows cannot be used and are left out; the first is row 7 of" in caplog.text


def test_a_killed_fit_resumes_to_the_bundle_of_an_unkilled_one(
    classifier_file: Path, training_rows: Path, tmp_path: Path
) -> None:
    options = ("--epochs", 12, "--batch-size", 4, "--snapshots", 2)
    program = Path(sys.executable).with_name("drift-monitor")
    whole = tmp_path / "whole"
    fitted = subprocess.run(
        [program, *words(classifier_file, training_rows, whole, *options)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert fitted.stderr == ""

    output = tmp_path / "killed"
    command = words(classifier_file, training_rows, output, *options)
    process = subprocess.Popen(
        [program, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    state = checkpoint_dir(output) / "0" / "state.json"
    deadline = time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it had ended before it could be killed"
    assert not output.exists()
    done = len(json.loads(state.read_text())["history"]["loss"])
    assert 1 <= done < 12

    subprocess.run([program, *command, "--resume"], capture_output=True, check=True)
    unkilled, resumed = (AdversarialDetector.load(path) for path in (whole, output))
    for a, b in zip(weights(unkilled), weights(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    assert resumed.threshold == unkilled.threshold
    assert len(resumed.provenance.training["loss"]) == 12
    assert not checkpoint_dir(output).exists()


def test_other_settings_do_not_resume(
    classifier_file: Path, training_rows: Path, tmp_path: Path
) -> None:
    from adversarial.training.checkpoints import Checkpoints

    Checkpoints(checkpoint_dir(tmp_path / "d") / "0", {"seed": 7})
    state = checkpoint_dir(tmp_path / "d") / "0" / "state.json"
    state.write_text(json.dumps({"settings": {"seed": 7}, "history": {"loss": [1.0]}}))
    command = words(classifier_file, training_rows, tmp_path / "d", "--epochs", 1, "--resume")
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 1
    assert "seed 7, now 0" in str(found.exception)
    assert state.exists()


def test_a_batch_is_scored_and_voted_on_by_an_ensemble(
    classifier_file: Path, training_rows: Path, tmp_path: Path, make_monitor: MakeMonitor
) -> None:
    options = ("--epochs", 2, "--autoencoder", "image", "--snapshots", 2)
    shares = ("--weights", "0.3,0.2,0.2,0.1")
    detector = fit(classifier_file, training_rows, tmp_path / "detector", *options, *shares)
    assert detector.weights == (0.3, 0.2, 0.2, 0.1)
    names = [member.name for member in detector.autoencoders]
    assert names == ["dense_autoencoder"] * 2 + ["image_autoencoder"] * 2

    images, labels = make_images(150, seed=3)
    write_batch(tmp_path / "batches" / "2026-11-20.parquet", images, labels)
    monitor = load_monitor(make_monitor(detector=str(tmp_path / "detector")))
    report = run_interval(monitor, monitor.interval(datetime(2026, 11, 20, tzinfo=UTC)))
    assert report.counts.scored == 150
    scores = pq.read_table(monitor.directory / "2026-11-20" / "scores.parquet")
    found = detector.predict((images[..., None] / 255).astype(np.float32))
    np.testing.assert_allclose(scores["adversarial_score"].to_numpy(), found.score, atol=1e-6)
    expected = [CLASSES[c] for c in found.reconstruction_prediction]
    assert scores["reconstruction_prediction"].to_pylist() == expected


def test_every_objective_is_within_reach(
    classifier_file: Path, training_rows: Path, tmp_path: Path
) -> None:
    options = ("--hidden-layer", "hidden:5:0.5", "--projection", "trained", "--mse", 0.1)
    found = fit(
        classifier_file,
        training_rows,
        tmp_path / "d",
        *(
            "--epochs",
            3,
            "--patience",
            2,
            "--schedule",
            "cosine",
            "--temperature",
            "auto",
            "--latent-dim",
            3,
            "--shift",
            1,
            "--flip",
            *options,
        ),
    )
    summary = read_bundle(tmp_path / "d").manifest.training
    assert {"kl", "mse", "hidden", "val_hidden", "corrected_by_temperature"} <= summary.keys()
    assert summary["augmentation"] == {"shift": 1, "flip": True, "fill": 0.0}
    assert found.provenance.temperature in (0.2, 0.5, 1.0)
    assert found.autoencoders[0].get_layer("latent").units == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--temperature", "hot"), "'hot' is not a number"),
        (("--temperature", "0"), "temperature is 0.0"),
        (("--weights", "0.5,x"), "'0.5,x' is not a number"),
        (("--weights", "0.5,0.2"), "expected 1, one per autoencoder"),
        (("--hidden-layer", "hidden:many"), "not a layer such as dense:20:0.5"),
        (("--hidden-layer", "a:1:2:3"), "not a layer such as dense:20:0.5"),
        (("--hidden-layer", "conv9"), "no layer 'conv9'"),
        (("--hidden-layer", "hidden:0"), "expected a dimension of 2 or more"),
        (("--autoencoder", "conv"), "no autoencoder 'conv'"),
        (("--snapshots", "3", "--epochs", "2"), "3 snapshots of 2 epochs"),
        (("--learning-rate", "-1"), "learning rate is -1"),
        (("--shift", "-1"), "shift"),
        (("--patience", "0"), "patience"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_the_training(
    classifier_file: Path,
    training_rows: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def trained(*_: Any, **__: Any) -> None:
        raise AssertionError("it was trained all the same")

    monkeypatch.setattr(keras.Model, "fit", trained)
    found = CliRunner().invoke(
        app, words(classifier_file, training_rows, tmp_path / "d", *options), env={"COLUMNS": "200"}
    )
    assert found.exit_code in (1, 2)
    assert message in found.output + str(found.exception)
    assert not (tmp_path / "d").exists()


def test_the_environment_can_turn_onednn_off() -> None:
    code = "import adversarial, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    clean = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    for given, expected in (({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")):
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, env=clean | given, capture_output=True, check=True)
        assert found.stdout.decode().strip() == expected


def test_a_classifier_of_bytes_is_fitted_in_its_own_value_range(
    classifier_file: Path, training_rows: Path, tmp_path: Path
) -> None:
    layers = [keras.layers.Rescaling(1 / 255), keras.saving.load_model(classifier_file)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    model.save(tmp_path / "bytes.keras")
    command = words(tmp_path / "bytes.keras", training_rows, tmp_path / "d", "--epochs", 3)
    found = CliRunner().invoke(app, [*command, "--shift", "1"])
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    assert lines[0].startswith("Bytes become values of [0, 255], chosen by accuracy")
    assert lines[1].startswith("The classifier: accuracy 100.0% on 80 labelled reference rows")
    assert any(line.startswith("Training: ") and "2 epochs" in line for line in lines)
    manifest = read_bundle(tmp_path / "d").manifest
    assert manifest.input.value_range == (0.0, 255.0)
    assert manifest.training["loss"][-1] < 0.7 * manifest.training["loss"][0]


def test_a_classifier_that_does_not_fit_the_labels_stops_the_fit_unless_forced(
    classifier_file: Path, training_rows: Path, tmp_path: Path
) -> None:
    command = words(classifier_file, training_rows, tmp_path / "d", "--epochs", 1)
    numbers = pq.read_table(training_rows)
    names = pa.array([CLASSES[i] for i in numbers["label"].to_pylist()])
    place = numbers.column_names.index("label")
    pq.write_table(numbers.set_column(place, "label", names), tmp_path / "named.parquet")
    command[command.index(str(training_rows))] = str(tmp_path / "named.parquet")
    command[command.index(",".join(CLASSES))] = "owl,cat,dog"
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 1
    assert "with --class-names cat,dog,owl accuracy would be 100.0%" in str(found.exception)
    assert not (tmp_path / "d").exists()
    assert CliRunner().invoke(app, [*command, "--force"]).exit_code == 0
