"""Libraries that are imported without pandas, and pandas afterwards."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest

from adversarial.without_pandas import without_pandas

LEARNER = """
import sys
import numpy as np
from adversarial.support.learner import compare

rows = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
compare(rows, rows, np.full(60, 1 / 60))
assert "sklearn" in sys.modules
assert "pandas" not in sys.modules

import pandas as pd
from sklearn.preprocessing import StandardScaler

frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, None]})
scaled = StandardScaler().set_output(transform="pandas").fit_transform(frame)
print(type(scaled).__name__, *scaled.columns)
"""


def test_the_learner_imports_no_pandas_and_scikit_learn_takes_data_frames_afterwards() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEARNER], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["DataFrame", "a", "b"]


def test_only_the_thread_that_asked_finds_no_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    before = list(sys.meta_path)
    with without_pandas(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(ModuleNotFoundError, match="pandas"):
            find_spec("pandas")
        assert pool.submit(find_spec, "pandas").result() is not None
    assert find_spec("pandas") is not None
    assert sys.meta_path == before


def test_pandas_is_found_again_after_an_import_that_failed() -> None:
    with pytest.raises(ImportError, match="no_such_module"), without_pandas():
        __import__("no_such_module")
    assert find_spec("pandas") is not None
