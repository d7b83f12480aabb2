"""Rows in memory are scored and judged as the job scores and judges the same rows in files."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adversarial import AdversarialDetector, InputSpec, Scorer, load_scorer
from adversarial.errors import ModelError
from drift_monitor import Policy, judge, load_monitor, read_scores, run_interval, score
from drift_monitor.errors import BatchError, ConfigError
from tests.conftest import MakeMonitor
from tests.support.animals import make_images, png, write_batch

DAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def detector(bundle: Path, request: pytest.FixtureRequest) -> Scorer:
    runtime = request.config.getoption("--runtime")
    return load_scorer(bundle, runtime=runtime, precision="float32")


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    return write_batch(tmp_path / "batches" / f"{DAY}.parquet", *make_images(300, seed=4))


def damaged_frame() -> pd.DataFrame:
    """Six rows called a to f, of which b and e hold no image."""
    cells: list[bytes | None] = [png(image) for image in make_images(6, seed=6)[0]]
    cells[1], cells[4] = None, b"GIF89a..."
    return pd.DataFrame({"image": cells}, index=list("abcdef"))


def test_a_frame_is_scored_and_judged_as_the_job_does(
    make_monitor: MakeMonitor, batch: Path, detector: Scorer
) -> None:
    monitor = load_monitor(make_monitor())
    expected = run_interval(monitor, monitor.interval(DAY))
    frame = pd.read_parquet(batch)
    columns: dict[str, Any] = {"row_id": "id", "label": "label", "segments": ["site"]}

    report = judge(detector, frame, when=DAY, name="animals", **columns)
    assert report.data == []
    own = {"data", "config", "files"}
    commands = {"verdict": {"commands"}}
    assert report.model_dump(exclude=own | commands.keys()) == expected.model_dump(
        exclude=own | commands.keys()
    )
    assert report.verdict == expected.verdict.model_copy(update={"commands": []})
    assert report._repr_html_()

    scores = score(detector, frame, **columns)
    assert scores.pop("rejected").isna().all()
    committed = read_scores(monitor.directory / f"{DAY}").drop(columns="outcome")
    pd.testing.assert_frame_equal(scores.astype({"flagged": bool, "novel": bool}), committed)


def test_rows_in_a_table_and_in_files_give_the_same_scores(batch: Path, detector: Scorer) -> None:
    expected = score(detector, pd.read_parquet(batch))
    pd.testing.assert_frame_equal(score(detector, pq.read_table(batch)), expected)
    second = write_batch(batch.with_name("second.parquet"), *make_images(5, seed=5))
    of_files = score(detector, batch.parent / "*.parquet")
    assert of_files["file"].tolist() == [str(batch)] * 300 + [str(second)] * 5
    assert of_files["row"].tolist() == [*range(300), *range(5)]
    pd.testing.assert_frame_equal(of_files.drop(columns=["file", "row"]).head(300), expected)
    report = judge(detector, str(batch))
    assert [file.path for file in report.data] == [str(batch)]


def test_a_bundle_s_path_is_as_good_as_a_loaded_detector(bundle: Path, batch: Path) -> None:
    frame, detector = pd.read_parquet(batch).head(20), load_scorer(bundle)
    pd.testing.assert_frame_equal(score(str(bundle), frame), score(detector, frame))


def test_rows_that_cannot_be_scored_come_back_with_the_reason(
    detector: Scorer, tmp_path: Path
) -> None:
    frame = damaged_frame()
    scores = score(detector, frame)
    assert scores.index.tolist() == list("abcdef")
    assert scores["rejected"].dropna().to_dict() == {
        "b": "image is null or empty",
        "e": "image cannot be decoded: not a PNG or JPEG file",
    }
    assert scores[scores["rejected"].notna()].drop(columns="rejected").isna().all(axis=None)
    whole = scores[scores["rejected"].isna()].drop(columns="rejected")
    assert whole.notna().all(axis=None)
    rest = score(detector, frame.drop(index=["b", "e"])).drop(columns="rejected")
    pd.testing.assert_frame_equal(whole, rest)
    assert [str(frame["flagged"].dtype) for frame in (scores, rest)] == ["boolean", "boolean"]

    write_batch(tmp_path / "a.parquet", make_images(3, seed=1)[0])
    frame.to_parquet(tmp_path / "b.parquet")
    rejected = score(detector, tmp_path).dropna(subset="rejected")
    assert rejected["file"].tolist() == [str(tmp_path / "b.parquet")] * 2
    assert rejected["row"].tolist() == [1, 4]

    report = judge(detector, frame, policy=Policy(min_rows=2))
    assert (report.counts.read, report.counts.rejected) == (6, 2)
    assert report.verdict.verdict == "insufficient_data"


def test_arrays_of_pixels_are_scored_as_the_images_are(detector: Scorer) -> None:
    images = make_images(20, seed=3)[0]
    expected = score(detector, pd.DataFrame({"image": [png(image) for image in images]}))
    pixels = list(images[..., None])
    pd.testing.assert_frame_equal(score(detector, pd.DataFrame({"image": pixels})), expected)
    values = [array.astype(np.float32) / 255 for array in pixels]
    of_values = score(detector, pd.DataFrame({"x": [*values, None]}), input="x")
    assert of_values["rejected"].tolist()[-1] == "input is null"
    np.testing.assert_allclose(
        of_values["adversarial_score"].head(20), expected["adversarial_score"], atol=1e-6
    )


def test_harm_is_judged_as_it_is_asked_for(detector: Scorer, batch: Path) -> None:
    frame = pd.read_parquet(batch)
    frame["label"] = (frame["label"] + 1) % 3
    report = judge(detector, frame, label="label")
    assert (report.harm.by, report.verdict.verdict) == ("labels", "harmful_drift")
    assert judge(detector, frame, label="label", harm_by="detector").harm.by == "detector"
    policy = Policy(harm_by="detector", min_rows=301)
    report = judge(detector, frame, label="label", policy=policy)
    assert (report.harm.by, report.verdict.verdict) == ("detector", "insufficient_data")


def test_nothing_is_written(
    detector: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = damaged_frame()
    score(detector, frame)
    judge(detector, frame, policy=Policy(min_rows=2))
    assert list(tmp_path.iterdir()) == []


IMAGES = [png(image) for image in make_images(3, seed=1)[0]]


@pytest.mark.parametrize(
    ("frame", "options", "error", "message"),
    [
        ({"picture": IMAGES}, {}, BatchError, "no column 'image'; it has picture"),
        ({"image": IMAGES}, {"label": "truth"}, BatchError, "no column 'truth'; it has image"),
        ({"image": [1, 2, 3]}, {}, BatchError, "detector takes rows of shape"),
        ({"image": ["a", "b", "c"]}, {}, BatchError, "expected PNG or JPEG files"),
        ({"image": []}, {}, BatchError, "has no rows"),
        ({"image": IMAGES[:0]}, {"input": []}, ConfigError, "input"),
        ({"image": [*IMAGES[:2], {1, 2}]}, {}, BatchError, "'image' of the DataFrame cannot be"),
        (
            {"image": [np.zeros((8, 8, 1)), np.zeros((4, 4, 1))]},
            {},
            BatchError,
            r"arrays of the shapes \(4, 4, 1\), \(8, 8, 1\)",
        ),
        ({"image": IMAGES}, {"lable": "image"}, ConfigError, "lable: there is no such option"),
        ({"image": IMAGES}, {"harm_by": "labels"}, ConfigError, "needs labels"),
        ({"image": IMAGES, "y": [0, 9, 1]}, {"label": "y"}, BatchError, "row 1: column 'y' is 9"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_the_reason(
    detector: Scorer,
    frame: dict[str, list[Any]],
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        judge(detector, pd.DataFrame(frame), **options)


def test_a_frame_with_a_column_twice_is_refused(detector: Scorer) -> None:
    frame = pd.DataFrame({"image": IMAGES})
    with pytest.raises(BatchError, match="several columns 'image'"):
        score(detector, pd.concat([frame, frame], axis=1))


def test_a_detector_that_was_never_saved_scores_but_cannot_judge(bundle: Path) -> None:
    detector = AdversarialDetector.load(bundle)
    made = AdversarialDetector(
        detector.classifier, detector.autoencoders, input_spec=detector.input_spec
    )
    frame = pd.DataFrame({"image": IMAGES})
    assert not score(made, frame)["flagged"].any()
    with pytest.raises(ModelError, match="not loaded from a bundle"):
        judge(made, frame)


def test_only_rows_can_be_scored(detector: Scorer) -> None:
    with pytest.raises(TypeError, match="not a list"):
        score(detector, [IMAGES])


def test_columns_that_are_not_needed_do_not_matter(detector: Scorer) -> None:
    frame = pd.DataFrame({"image": IMAGES, "what": [object(), {1}, 2]})
    assert len(score(detector, frame)) == 3


def test_a_flat_detector_takes_the_columns_that_it_was_fitted_on() -> None:
    import keras

    names = ("height", "width")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
    mirror = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    flat = AdversarialDetector(model, mirror, input_spec=InputSpec(shape=(2,), feature_names=names))
    rows = pd.DataFrame({"width": [1.0, None, 3.0], "height": [1, 2, 3], "unit": ["m"] * 3})
    scores = score(flat, rows)
    assert scores["rejected"].dropna().to_dict() == {1: "width is missing or not finite"}
    table = pa.Table.from_pandas(rows, preserve_index=False)
    pd.testing.assert_frame_equal(score(flat, table), scores)
