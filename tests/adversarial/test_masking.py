"""Secrets in texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adversarial.errors import DriftMonitorError
from adversarial.masking import mask_all, mask_secrets

SECRET = "hUnter2-s3cr3t"  # noqa: S105 - the one that must not be shown
CARRIERS = [
    f"sftp://user:{SECRET}@host/a.parquet",
    f"simplecache::ftp://user:p@{SECRET}@host:21/a",
    f"https://{SECRET}@host/a",
    f"https://store/a?X-Amz-Credential={SECRET}%2F20261120&X-Amz-Signature={SECRET}&x=1",
    f"https://store/a?X-Goog-Signature={SECRET}",
    f"https://account.blob/a?sv=2024&se=2026-11-20T00%3A00Z&sig={SECRET}",
    f"https://d.cloudfront.net/a?Policy={SECRET}&Key-Pair-Id={SECRET}",
    f"https://host/a?access_token={SECRET}",
]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_secrets_of_a_url_are_masked_wherever_the_url_stands(carrier: str) -> None:
    for text in (carrier, f"[Errno 5] '{carrier}'", f"url='{carrier}', status 503", f"({carrier})"):
        masked = mask_secrets(text)
        assert SECRET not in masked
        assert "***" in masked
        assert SECRET not in str(DriftMonitorError(text))
    assert SECRET not in repr(mask_all({"data": {"path": carrier, "more": [carrier, 1, None]}}))


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/day=2026-11-20/a.parquet cannot be read",
        "write to someone@example.org, or see https://host/page?page=2&size=10",
        "memory_limit=5, sig=4 (no URL)",
    ],
)
def test_other_texts_are_left_as_they_are(text: str) -> None:
    assert mask_secrets(text) == text


@given(st.text())
def test_masking_twice_masks_no_more(text: str) -> None:
    assert mask_secrets(mask_secrets(text)) == mask_secrets(text)
