import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from adversarial.attacks import PGD, Attack, AttackError, Misclassified
from tests.support.attack_cases import make_rows


def test_a_killed_run_goes_on_where_it_stopped(
    classifier: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = make_rows(40)
    attack = PGD(0.05, batch_size=10)
    whole = attack.run(classifier, x, y)
    batch, calls = Attack._batch, 0

    def killed(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return batch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Attack, "_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            attack.run(classifier, x, y, directory=tmp_path / "run")
    assert len(list((tmp_path / "run").glob("*.npz"))) == 2

    recorded: list[int] = []
    prepare = PGD.prepare

    def watched(self: PGD, victim: Any) -> Any:
        perturb = prepare(self, victim)

        def noted(x: Any, y: Any, rows: Any) -> Any:
            recorded.append(int(rows[0]))
            return perturb(x, y, rows)

        return noted

    monkeypatch.setattr(PGD, "prepare", watched)
    resumed = attack.run(classifier, x, y, directory=tmp_path / "run")
    assert recorded == [20, 30]
    np.testing.assert_array_equal(resumed.x_adv, whole.x_adv)
    np.testing.assert_array_equal(resumed.queries, whole.queries)

    with pytest.raises(AttackError, match=r"epsilon 0.05, now 0.07.*another directory"):
        replace(attack, epsilon=0.07).run(classifier, x, y, directory=tmp_path / "run")
    with pytest.raises(AttackError, match="rows"):
        attack.run(classifier, x[::-1], y[::-1], directory=tmp_path / "run")
    sure = Misclassified(classifier, confidence=5.0)
    with pytest.raises(AttackError, match="another model or criterion"):
        attack.run(sure, x, y, directory=tmp_path / "run")
    batch_file = tmp_path / "run" / "0000010.npz"
    whole_file = batch_file.read_bytes()
    middle = len(whole_file) // 3
    flipped = whole_file[:middle] + bytes(40) + whole_file[middle + 40 :]
    other, bare = io.BytesIO(), io.BytesIO()
    np.savez(other, x_adv=x)
    np.save(bare, x)
    for damage in (whole_file[:100], flipped, other.getvalue(), bare.getvalue(), b""):
        batch_file.write_bytes(damage)
        with pytest.raises(AttackError, match=r"0000010.npz is damaged .*remove it"):
            attack.run(classifier, x, y, directory=tmp_path / "run")
    (tmp_path / "run" / "attack.json").write_text('{"settings": 3}')
    with pytest.raises(AttackError, match=r"attack.json is damaged"):
        attack.run(classifier, x, y, directory=tmp_path / "run")
