import subprocess
import sys

import pytest

import adversarial


def test_importing_the_package_and_reading_bundles_imports_no_tensorflow() -> None:
    code = (
        "import sys, adversarial, adversarial.bundle.read, adversarial.cli.main; "
        "adversarial.read_bundle; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", adversarial.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(adversarial, name).__name__ == name


def test_a_prompt_completes_the_public_names_and_no_others() -> None:
    assert {name for name in dir(adversarial) if not name.startswith("_")} == set(
        adversarial.__all__
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = adversarial.nothing
