"""Labels against predictions."""

import numpy as np
import pyarrow as pa

from drift_monitor.pages.confusion import summarise

NAMES = ("cat", "dog", "owl")


def table(label: list[str | None], said: list[str], **columns: list[str | None]) -> pa.Table:
    return pa.table({"label": label, "prediction": said, **columns})


def test_a_matrix_counts_each_pair_and_its_share_of_the_label() -> None:
    found = summarise(
        table(
            ["cat", "cat", "cat", "cat", "owl", None], ["cat", "cat", "cat", "dog", "owl", "dog"]
        ),
        NAMES,
    )
    assert found is not None
    assert found.rows is not None
    assert found.columns == ["cat", "dog", "owl"]
    assert [(row.label, row.n) for row in found.rows] == [("cat", 4), ("owl", 1)]
    assert [(cell.n, cell.share) for cell in found.rows[0].cells] == [(3, 0.75), (1, 0.25), (0, 0)]
    assert [cell.right for cell in found.rows[1].cells] == [False, False, True]
    assert found.labelled == 5


def test_the_prediction_is_the_one_that_was_served_where_it_is_known() -> None:
    found = summarise(table(["cat", "cat"], ["cat", "cat"], logged_prediction=["dog", None]), NAMES)
    assert found is not None
    assert found.served
    assert [(m.label, m.prediction, m.n, m.share) for m in found.mistakes] == [
        ("cat", "dog", 1, 0.5)
    ]


def test_with_many_classes_there_are_the_most_frequent_mistakes() -> None:
    names = [f"class {i}" for i in range(200)]
    rng = np.random.default_rng(0)
    label, said = rng.integers(0, 200, (2, 5_000))
    found = summarise(table([names[i] for i in label], [names[i] for i in said]), names)
    assert found is not None
    assert found.rows is None
    counts = [mistake.n for mistake in found.mistakes]
    assert counts == sorted(counts, reverse=True)
    wrong = label != said
    pairs = len({*zip(label[wrong].tolist(), said[wrong].tolist(), strict=True)})
    assert len(found.mistakes) + found.others == pairs


def test_without_labels_there_is_nothing_to_show() -> None:
    assert summarise(pa.table({"prediction": ["cat"]}), NAMES) is None
    empty = pa.table({"label": pa.array([None], pa.string()), "prediction": ["cat"]})
    assert summarise(empty, NAMES) is None
