import subprocess
import sys
from importlib.metadata import version

import pytest

import drift_monitor


def test_importing_the_package_imports_no_library_that_takes_time() -> None:
    slow = (
        "{'airflow', 'jinja2', 'keras', 'matplotlib', 'numpy', 'pandas', 'pyarrow', 'tensorflow'}"
    )
    code = f"import sys, drift_monitor; sys.exit(bool({slow} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", drift_monitor.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(drift_monitor, name).__name__ == name


def test_the_version_is_that_of_the_distribution() -> None:
    assert drift_monitor.__version__ == version("drift-monitor")


def test_a_prompt_completes_the_public_names_and_no_others() -> None:
    assert {name for name in dir(drift_monitor) if not name.startswith("_")} == set(
        drift_monitor.__all__
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = drift_monitor.nothing
