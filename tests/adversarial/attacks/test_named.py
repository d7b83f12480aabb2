import pytest

from adversarial.attacks import DDN, FGSM, PGD, SLIDE, AttackError, CarliniWagner, UniformNoise
from adversarial.attacks.named import make_attack


@pytest.mark.parametrize(
    ("name", "attack"),
    [
        ("cw", CarliniWagner.paper()),
        ("slide", SLIDE.paper()),
        ("ddn", DDN()),
        ("ddn-selective", DDN()),
        ("fgsm-0.1", FGSM(0.1)),
        ("fgsm-.25-smallest", FGSM(0.25, steps=1_000)),
        ("pgd-linf-8/255", PGD(8 / 255, steps=100, schedule="cosine")),
        ("pgd-l2-1", PGD(1.0, norm="l2", steps=100, schedule="cosine")),
        ("noise-0.3-selective", UniformNoise(0.3)),
    ],
)
def test_an_attack_is_made_by_name(name: str, attack: object) -> None:
    assert make_attack(name) == attack


@pytest.mark.parametrize(
    "name", ["fgsm", "pgd-linf-", "pgd-linf-x", "fgsm-1/0", "fgsm-0", "fgsm--1", "cwx"]
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(AttackError, match=r"no attack .*fgsm-E-smallest.*8/255"):
        make_attack(name)
