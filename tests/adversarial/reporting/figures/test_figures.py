import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from scipy import stats
from sklearn.metrics import roc_curve

from adversarial.evaluation.drift_metrics import by_severity
from adversarial.evaluation.read import (
    Case,
    Results,
    read_images,
    read_results,
    read_rows,
)
from adversarial.reporting.figures import draw_figures, redraw_plots
from adversarial.reporting.figures.detection import (
    TOLERANCE,
    entropies,
    entropy_table,
    roc_curves,
    roc_table,
    score_table,
    scores,
)
from adversarial.reporting.figures.drift import (
    RATIO_LINES,
    heatmap,
    heatmap_table,
    severity_lines,
    severity_table,
)
from adversarial.reporting.figures.grids import image_grid, to_display
from adversarial.reporting.figures.svg import to_svg
from adversarial.reporting.page import write_report
from tests.support.evaluation_run import ATTACKS, FPRS, K, N, write_run

GREY_BOX = Case("cw", "grey-box")
CLASSES = ("cat", "$dog$", "<b>owl</b>")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    directory = write_run(tmp_path_factory.mktemp("evaluation") / "run", class_names=CLASSES)
    return read_results(directory)


def table_of(run: Results, **place: object) -> pd.DataFrame:
    rows: pd.DataFrame = pq.read_table(run.directory / "rows.parquet").to_pandas()
    for name, value in place.items():
        rows = rows[rows[name] == value]
    return rows.sort_values("row")


def texts(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(to_svg(figure))  # noqa: S314 - our own
    return [
        "".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def test_roc_is_that_of_scikit_learn_and_marks_the_thresholds(run: Results) -> None:
    table = roc_table(read_rows(run)[GREY_BOX])
    counts = {
        defence: np.array(
            [
                [row["originals"], row["attacked"]]
                for row in table.to_pylist()
                if row["defence"] == defence
            ]
        )
        for defence in ("kl", "mse")
    }
    figure = roc_curves(run, GREY_BOX, table)
    [axes] = figure.axes
    lines = {str(line.get_label()): np.asarray(line.get_xydata()) for line in axes.lines}
    for defence in ("kl", "mse"):
        rows = table_of(run, attack="cw", defence=defence)
        truth = np.repeat([0, 1], N)
        score = np.concatenate([rows["score_clean"], rows["score"]])
        fpr, tpr, _ = roc_curve(truth, score, drop_intermediate=False)
        [(label, drawn)] = [item for item in lines.items() if item[0].startswith(f"{defence}:")]
        np.testing.assert_array_equal(drawn[0], [0, 0])
        whole = np.column_stack([fpr, tpr])
        assert distance_from(drawn, whole) < 1e-12
        corners = {(round(N * x), round(N * y)) for x, y in whole}
        np.testing.assert_array_equal(counts[defence], np.rint(N * drawn))
        assert set(map(tuple, counts[defence].tolist())) <= corners | {(0, 0)}
        area = run.find(GREY_BOX, "auc", defence=defence)
        assert area is not None
        assert f"AUC {area['value']:.4f} ({area['low']:.4f} to {area['high']:.4f})" in label
        assert area["value"] == pytest.approx(np.trapezoid(tpr, fpr))
        for epsilon in FPRS:
            point = [
                found["value"]
                for metric in ("flagged_clean", "detection_rate")
                if (found := run.find(GREY_BOX, metric, defence=defence, fpr=epsilon))
            ]
            assert any(len(xy) == 1 and list(xy[0]) == point for xy in map(_points, axes.lines))
    assert "threshold at ε_FPR 1 %" in texts(figure)
    assert "threshold at ε_FPR 5 %" in texts(figure)


def test_a_drawn_roc_is_within_the_tolerance_of_every_point(run: Results) -> None:
    rng = np.random.default_rng(0)
    n = 2_000
    rows = {"kl": {"score_clean": rng.exponential(1, n), "score": rng.exponential(2, n)}}
    whole = replace(run, config={**run.config, "n": n})
    [axes] = roc_curves(whole, GREY_BOX, roc_table(rows)).axes
    [drawn] = [_points(line) for line in axes.lines if str(line.get_label()).startswith("kl:")]
    scores_of_both = np.concatenate([rows["kl"]["score_clean"], rows["kl"]["score"]])
    fpr, tpr, _ = roc_curve(np.repeat([0, 1], n), scores_of_both, drop_intermediate=False)
    assert len(drawn) < len(fpr) / 8
    assert 0 < distance_from(drawn, np.column_stack([fpr, tpr])) <= TOLERANCE + 1e-12


def distance_from(line: np.ndarray, points: np.ndarray) -> float:
    """Return how far the farthest of the points is from a polyline."""
    starts, along = line[:-1], np.diff(line, axis=0)
    farthest = 0.0
    for point in points:
        share = ((point - starts) * along).sum(axis=1) / (along**2).sum(axis=1)
        nearest = starts + np.clip(share, 0, 1)[:, None] * along
        farthest = max(farthest, float(np.hypot(*(nearest - point).T).min()))
    return farthest


def _points(line: object) -> np.ndarray:
    return np.asarray(line.get_xydata())  # type: ignore[attr-defined]


def test_a_grid_says_what_is_seen_and_marks_right_and_wrong_by_a_symbol(run: Results) -> None:
    images, rows = read_images(run, GREY_BOX), read_rows(run)[GREY_BOX]
    figure = image_grid(images, rows, CLASSES)
    seen = texts(figure)
    assert seen[:6] == ["original", "x", "kl", "AE(x)", "mse", "AE(x)"]
    assert seen[6:12] == ["attacked", "x'", "kl", "AE(x')", "mse", "AE(x')"]
    tables = {defence: table_of(run, attack="cw", defence=defence) for defence in ("kl", "mse")}
    expected = []
    for row in range(K):
        label = int(tables["kl"]["label"].iloc[row])
        expected.append(CLASSES[label])
        for suffix in ("_clean", ""):
            expected.append(_under(int(tables["kl"][f"prediction{suffix}"].iloc[row]), label))
            for table in tables.values():
                given = int(table[f"reconstruction_prediction{suffix}"].iloc[row])
                expected.append(_under(given, label))
                expected.append(f"S = {table[f'score{suffix}'].iloc[row]:.3g}")
    assert seen[12:] == expected
    drawn = [np.asarray(image.get_array()) for image in figure.axes[0].images]
    assert len(drawn) == 6 * K
    np.testing.assert_array_equal(drawn[6], images["original"][1, ..., 0])
    np.testing.assert_array_equal(drawn[9], images["attacked"][1, ..., 0])
    np.testing.assert_array_equal(drawn[7], images["reconstruction_clean-kl"][1, ..., 0])
    np.testing.assert_array_equal(drawn[11], to_display(images["reconstruction-mse"][1])[..., 0])


def _under(given: int, label: int) -> str:
    return f"{'✓' if given == label else '✗'} {CLASSES[given]}"


def test_an_image_is_stretched_only_where_it_leaves_the_range() -> None:
    inside = np.full((2, 2, 1), 0.25, np.float32)
    inside[0, 0] = 0.75
    np.testing.assert_array_equal(to_display(inside), inside)
    outside = np.array([-1.0, 0.0, 1.0, 3.0], np.float32).reshape(2, 2, 1)
    np.testing.assert_allclose(to_display(outside).ravel(), [0, 0.25, 0.5, 1])
    assert to_display(np.full((2, 2, 1), 7.0, np.float32)).max() == 0


def test_the_caption_says_where_images_are_stretched(run: Results, tmp_path: Path) -> None:
    shutil.copytree(run.directory, tmp_path / "run")
    for file in (tmp_path / "run" / "images").glob("*.npz"):
        with np.load(file) as arrays:
            np.savez(file, **{name: arrays[name].clip(0, 1) for name in arrays})
    for results, is_said in ((run, True), (read_results(tmp_path / "run"), False)):
        captions = [
            drawing.caption
            for drawing in draw_figures(results, {GREY_BOX: read_rows(results)[GREY_BOX]}, [])
            if drawing.kind == "grid"
        ]
        assert captions
        assert all(("stretched" in caption) is is_said for caption in captions)


def test_histograms_hold_every_row(run: Results) -> None:
    columns = read_rows(run)[GREY_BOX]["kl"]
    tables = entropy_table(columns), score_table(columns)
    for figure, table, name in zip(
        (entropies(run, GREY_BOX, tables[0]), scores(run, GREY_BOX, "kl", tables[1])),
        tables,
        ("entropy", "score"),
        strict=True,
    ):
        [axes] = figure.axes
        edges = [*table["low"].to_pylist(), table["high"][-1].as_py()]
        kinds = (("originals", f"{name}_clean"), ("attacked", name))
        for patch, (kind, column) in zip(axes.patches, kinds, strict=True):
            assert isinstance(patch, StepPatch)
            expected, _ = np.histogram(columns[column], edges)
            np.testing.assert_array_equal(table[kind], expected)
            assert expected.sum() == N
            heights, drawn_edges, _ = patch.get_data()
            np.testing.assert_allclose(np.asarray(heights), expected / N)
            np.testing.assert_array_equal(np.asarray(drawn_edges), edges)
        assert f"originals ({N})" in texts(figure)
    assert [_points(line)[:, 0].tolist() for line in axes.lines] == [[2.0, 2.0], [1.0, 1.0]]


def test_drift_is_summarised_over_corruptions_and_images_are_drawn(run: Results) -> None:
    rows = read_rows(run)
    found = {(summary.defence, summary.severity): summary for summary in by_severity(rows)}
    assert sorted(found) == [(name, severity) for name in ("kl", "mse") for severity in (0, 1, 2)]
    table = table_of(run, severity=2, defence="mse")
    harmful = table[(table.prediction_clean == table.label) & (table.prediction != table.label)]
    harmless = table[table.prediction_clean == table.prediction]
    summary = found["mse", 2]
    assert summary.corruptions == 2
    assert summary.accuracy.value == pytest.approx((table.prediction == table.label).mean())
    assert summary.accuracy.n == 2 * N
    right = (table.reconstruction_prediction == table.label).mean()
    assert summary.accuracy_reconstructed.value == pytest.approx(right)
    assert summary.score_harmful.value == pytest.approx(harmful.score.mean())
    assert summary.score_harmful.n == len(harmful)
    assert summary.score_harmless.value == pytest.approx(harmless.score.mean())
    assert summary.ratio.value == pytest.approx(harmful.score.mean() / harmless.score.mean())
    assert summary.ks == stats.ks_2samp(harmful.score, harmless.score).statistic
    for estimate in (summary.accuracy, summary.score_harmful, summary.ratio):
        assert estimate.low < estimate.value < estimate.high
    originals = found["mse", 0]
    assert originals.score.value == pytest.approx(table.score_clean.mean())
    assert originals.score.n == N
    assert originals.accuracy.value == (table.prediction_clean == table.label).mean()
    assert originals.score_harmful.n == originals.score_harmless.n == 0

    # The same corruption by another name is no second sample of images.
    once = {case: value for case, value in rows.items() if case.corruption == "fog"}
    twice = once | {replace(case, corruption="mist"): value for case, value in once.items()}
    for single, double in zip(by_severity(once), by_severity(twice), strict=True):
        assert double.score_harmful[:3] == pytest.approx(single.score_harmful[:3], nan_ok=True)
        assert double.accuracy[:3] == pytest.approx(single.accuracy[:3])


def test_lines_and_heat_maps_show_the_numbers(run: Results) -> None:
    summaries = by_severity(read_rows(run))
    figure = severity_lines(severity_table(summaries, RATIO_LINES), "ratio")
    drawn = [container.lines[0].get_ydata()[1:] for container in figure.axes[0].containers]  # type: ignore[attr-defined]
    expected = [[s.ratio.value for s in summaries if s.defence == d][1:] for d in ("kl", "mse")]
    np.testing.assert_array_equal(drawn, expected)

    figure = heatmap(heatmap_table(run, "accuracy_drifted", "kl"), "accuracy")
    values = np.asarray(figure.axes[0].images[0].get_array())
    for row, corruption in enumerate(("fog", "snow")):
        for column, severity in enumerate((1, 2)):
            rows = table_of(run, corruption=corruption, severity=severity, defence="kl")
            assert values[row, column] == (rows.prediction == rows.label).mean()
            assert f"{values[row, column]:.2f}" in texts(figure)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        write_run(tmp_path / name, attacks=ATTACKS[:1], corruptions=("fog",)) for name in "ab"
    )
    for directory in (first, second):
        write_report(directory)
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert {path.suffix for path in files} >= {".webp", ".svg", ".html"}
    names = {path.name for path in files}
    assert {"roc-cw-grey-box.svg", "roc-cw-grey-box.parquet", "grid-fog-2.webp"} <= names
    for file in files:
        if "images" not in file.parts and file.name not in {"metrics.parquet", "rows.parquet"}:
            assert (first / file).read_bytes() == (second / file).read_bytes(), file


def test_plots_are_drawn_again_from_their_arrays_alone(run: Results, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    shutil.copytree(run.directory, directory)
    write_report(directory)
    (directory / "rows.parquet").unlink()
    shutil.rmtree(directory / "images")
    before = {file: file.read_bytes() for file in (directory / "figures").glob("*.svg")}
    kinds = {file.name.partition("-")[0] for file in before}
    assert kinds == {"roc", "entropy", "score", "drift", "heatmap"}
    for file in before:
        file.unlink()
    assert set(redraw_plots(directory)) == before.keys()
    assert {file: file.read_bytes() for file in before} == before
    (directory / "figures" / "roc-cw-grey-box.parquet").unlink()
    assert directory / "figures" / "roc-cw-grey-box.svg" not in redraw_plots(directory)
