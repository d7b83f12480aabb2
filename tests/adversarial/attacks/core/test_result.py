import numpy as np

from adversarial.attacks import AttackResult
from adversarial.attacks.core.result import strongest


def result(success: list[bool], l2: list[float], value: float) -> AttackResult:
    n = len(success)
    norms = np.array(l2)
    return AttackResult(
        x_adv=np.full((n, 2), value, np.float32),
        success=np.array(success),
        success_rounded=np.array(success),
        l1=2 * norms,
        l2=norms,
        linf=norms / 2,
        queries=np.full(n, 5),
        seconds=1.5,
    )


def test_of_each_row_the_smallest_success_is_taken() -> None:
    first = result([True, True, False, False], [1.0, 3.0, 0.1, 0.0], 0.1)
    second = result([True, True, True, False], [2.0, 2.0, 9.0, 0.0], 0.2)
    found = strongest([first, second])
    assert found.x_adv[:, 0].round(1).tolist() == [
        np.float32(v).round(1) for v in (0.1, 0.2, 0.2, 0.1)
    ]
    assert found.success.tolist() == [True, True, True, False]
    assert found.l2.tolist() == [1, 2, 9, 0]
    assert found.l1.tolist() == [2, 4, 18, 0]
    assert found.queries.tolist() == [10] * 4
    assert found.seconds == 3
