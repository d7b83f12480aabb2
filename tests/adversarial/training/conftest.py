from pathlib import Path

import keras
import pytest


@pytest.fixture
def classifier(classifier_file: Path) -> keras.Model:
    return keras.saving.load_model(classifier_file)
