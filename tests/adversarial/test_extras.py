import pytest

from adversarial.errors import MissingExtraError
from adversarial.extras import require_keras


def test_training_asks_for_the_backend_that_keras_is_to_run_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adversarial.extras.is_training_installed", lambda: False)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    require_keras("adversarial train")
    monkeypatch.setenv("KERAS_BACKEND", "no_such_backend")
    with pytest.raises(MissingExtraError, match=r"needs Keras and.* no_such_backend"):
        require_keras("adversarial train")
    monkeypatch.delenv("KERAS_BACKEND")
    with pytest.raises(MissingExtraError, match="adversarial train needs TensorFlow and Keras"):
        require_keras("adversarial train")
