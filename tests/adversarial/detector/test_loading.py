"""Which runtime a bundle is scored with, and what is said where it is not the fastest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adversarial import AdversarialDetector, load_scorer, read_bundle
from adversarial.bundle.manifest import RUNTIME_SAMPLE, SCORING_GRAPH, SCORING_GRAPH_WEIGHTS
from adversarial.bundle.write import rewrite_bundle
from adversarial.detector import guard_record, loading
from adversarial.detector.guard import measure
from adversarial.errors import MissingExtraError, ModelError
from adversarial.runtimes.guard_figures import GuardFigures
from adversarial.runtimes.names import Precision
from adversarial.runtimes.openvino_runtime import OpenVINORuntime
from adversarial.runtimes.runtime import Outputs
from tests.support.animals import make_inputs

GRAPH = frozenset({SCORING_GRAPH, SCORING_GRAPH_WEIGHTS})


class Unsteady(OpenVINORuntime):
    """Computes in float32 whatever it is asked for, and adds noise in place of rounding."""

    noise = 0.0

    def __init__(self, graph: Path, precision: Precision) -> None:
        super().__init__(graph, "float32")
        self._scale = self.noise if precision == "bfloat16" else 0.0

    def __call__(self, x: np.ndarray) -> Outputs:
        found = super().__call__(x)
        noise = np.random.default_rng(0).random(found.probabilities.shape, np.float32)
        p = found.probabilities + self._scale * noise
        return found._replace(probabilities=p / p.sum(axis=1, keepdims=True))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(guard_record, "cache_directory", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "runtimes"


@pytest.fixture(autouse=True)
def whole_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything to choose from, also where `--runtime` leaves only one."""
    monkeypatch.setattr(loading, "FASTEST_FIRST", ("bfloat16", "float32"))


@pytest.fixture
def with_noise(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that has bfloat16, on every processor, with so much noise."""

    def use(noise: float) -> None:
        monkeypatch.setattr(loading, "supports_bfloat16", lambda: True)
        monkeypatch.setattr(loading, "OpenVINORuntime", Unsteady)
        monkeypatch.setattr(Unsteady, "noise", noise)

    return use


def without(bundle: Path, names: frozenset[str], output: Path) -> Path:
    rewrite_bundle(read_bundle(bundle), output, replaced=names)
    return output


def test_the_fastest_is_taken_and_its_figures_are_kept(
    bundle: Path, with_noise: Callable[[float], None]
) -> None:
    with_noise(1e-5)
    scored_by = load_scorer(bundle).scored_by
    assert (scored_by.runtime, scored_by.precision) == ("openvino", "bfloat16")
    assert not scored_by.notes
    assert scored_by.guard is not None
    assert 0 < scored_by.guard.largest_score_change < 0.01


def test_bfloat16_whose_scores_fail_is_not_taken_and_is_said(
    bundle: Path, with_noise: Callable[[float], None]
) -> None:
    with_noise(0.5)
    scorer = load_scorer(bundle)
    assert scorer.scored_by.precision == "float32"
    [note] = scorer.scored_by.notes
    assert "in bfloat16, OpenVINO's results are not TensorFlow's" in note
    x = make_inputs(40, seed=9)
    expected = AdversarialDetector.load(bundle).score(x)
    np.testing.assert_allclose(scorer.score(x), expected, rtol=0, atol=1e-5)
    with pytest.raises(ModelError, match=r"precision bfloat16: in bfloat16.*Set both to auto"):
        load_scorer(bundle, precision="bfloat16")


def test_what_was_measured_is_remembered_and_a_damaged_record_is_made_again(
    bundle: Path,
    cache: Path,
    with_noise: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_noise(0.5)
    measured: list[str] = []

    def count(*of: Any) -> GuardFigures:
        measured.append("once more")
        return measure(*of)

    monkeypatch.setattr(loading, "measure", count)
    first = load_scorer(bundle).scored_by
    assert len(measured) == 2
    assert load_scorer(bundle).scored_by == first
    assert len(measured) == 2
    [record] = cache.iterdir()
    for damage in (b"", b'{"figures": 1}', record.read_bytes().replace(b'"fingerprint"', b'"x"')):
        record.write_bytes(damage)
        assert load_scorer(bundle).scored_by == first
    assert len(measured) == 8


def test_another_processor_has_a_record_of_its_own(
    bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_scorer(bundle)
    monkeypatch.setattr(loading, "describe_machine", lambda: {"processor": "another"})
    load_scorer(bundle)
    assert len(list(cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written_stops_nothing(bundle: Path, cache: Path) -> None:
    cache.parent.write_text("a file where the directory would be")
    assert load_scorer(bundle).scored_by.runtime == "openvino"


def test_a_bundle_without_a_sample_is_scored_in_float32(
    bundle: Path, tmp_path: Path, with_noise: Callable[[float], None]
) -> None:
    with_noise(0.5)
    found = load_scorer(without(bundle, frozenset({RUNTIME_SAMPLE}), tmp_path / "b")).scored_by
    assert (found.runtime, found.precision, found.guard) == ("openvino", "float32", None)
    assert found.notes == [loading.NO_SAMPLE]


def test_a_bundle_without_a_graph_is_scored_by_tensorflow(bundle: Path, tmp_path: Path) -> None:
    path = without(bundle, GRAPH, tmp_path / "b")
    scorer = load_scorer(path)
    assert (scorer.scored_by.runtime, scorer.scored_by.notes) == ("tensorflow", [loading.NO_GRAPH])
    x = make_inputs(40, seed=9)
    np.testing.assert_array_equal(scorer.score(x), AdversarialDetector.load(bundle).score(x))
    with pytest.raises(ModelError, match="no scoring graph"):
        load_scorer(path, runtime="openvino")


def test_without_tensorflow_such_a_bundle_names_the_extra(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adversarial.extras.is_training_installed", lambda: False)
    path = without(bundle, GRAPH, tmp_path / "b")
    with pytest.raises(MissingExtraError, match=r"drift-monitor\[train\].*no scoring graph"):
        load_scorer(path)
    assert load_scorer(bundle).scored_by.runtime == "openvino"


def test_tensorflow_computes_in_float32(bundle: Path) -> None:
    assert load_scorer(bundle, runtime="tensorflow").scored_by.runtime == "tensorflow"
    with pytest.raises(ModelError, match="TensorFlow computes in float32"):
        load_scorer(bundle, runtime="tensorflow", precision="bfloat16")


def test_what_openvino_cannot_convert_is_said_and_tensorflow_scores(
    bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import keras

    from tests.support.models.custom_layers import Beta

    made = AdversarialDetector.load(bundle)
    x = keras.Input(made.input_spec.shape)
    odd = AdversarialDetector(
        keras.Model(x, made.classifier(Beta()(x))), made.autoencoders, class_names=made.class_names
    )
    rows = make_inputs(60, seed=9)
    odd.calibrated(rows, fpr=0.1).save(tmp_path / "b")
    assert "cannot convert the operation Betainc" in caplog.text
    trust = ["tests.support.models.custom_layers:Beta"]
    scorer = load_scorer(tmp_path / "b", trust)
    assert scorer.scored_by.runtime == "tensorflow"
    np.testing.assert_allclose(scorer.score(rows), odd.score(rows), atol=1e-6)


@pytest.mark.parametrize("kept", [frozenset[str](), frozenset({RUNTIME_SAMPLE})])
def test_a_graph_that_openvino_cannot_read_is_said_in_a_line(
    bundle: Path, tmp_path: Path, kept: frozenset[str], caplog: pytest.LogCaptureFixture
) -> None:
    def truncate(directory: Path) -> None:
        graph = (bundle / SCORING_GRAPH).read_bytes()
        (directory / SCORING_GRAPH).write_bytes(graph[: len(graph) // 2])

    path = tmp_path / "bundle"
    replaced = frozenset({SCORING_GRAPH}) | kept
    rewrite_bundle(read_bundle(bundle), path, replaced=replaced, fill=truncate)
    with pytest.raises(ModelError, match="OpenVINO cannot run the scoring graph") as raised:
        load_scorer(path, runtime="openvino", precision="float32")
    assert "\n" not in str(raised.value)
    assert "reference makes it anew" in str(raised.value)
    assert not caplog.text
    assert load_scorer(path).scored_by.runtime == "tensorflow"
    assert f"{path} is scored by TensorFlow: " in caplog.text
    assert "OpenVINO cannot run the scoring graph" in caplog.text
