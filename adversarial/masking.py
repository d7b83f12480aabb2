"""Secrets in texts: passwords in URLs, and signatures and tokens in their queries, are masked."""

import re
from typing import Any

MASK = "***"

_USER_INFO = re.compile(r"(?<=://)[^/\s'\"<>]*(?=@)")
"""`user:password` of `scheme://user:password@host`, up to the last `@` before the path."""

_SECRET_WORDS = (
    *("sig", "token", "key", "secret", "pass", "pwd", "cred", "auth", "sas", "jwt", "hmac"),
    *("policy", "code", "session"),
)
_QUERY_VALUE = re.compile(
    rf"(?i)([?&;][^=&;\s]*(?:{'|'.join(_SECRET_WORDS)})[^=&;\s]*=)[^&;\s'\"<>)]+"
)
"""A query parameter whose name says that its value is one: `X-Amz-Signature`, `sig`, `token`."""


def mask_secrets(text: str) -> str:
    """Return a text in which no URL carries a password, a signature or a token.

    Examples
    --------
    >>> mask_secrets("sftp://me:hunter2@host/a.parquet cannot be reached")
    'sftp://***@host/a.parquet cannot be reached'
    >>> mask_secrets("https://store/a.parquet?X-Amz-Expires=60&X-Amz-Signature=f00d")
    'https://store/a.parquet?X-Amz-Expires=60&X-Amz-Signature=***'
    """
    return _QUERY_VALUE.sub(rf"\g<1>{MASK}", _USER_INFO.sub(MASK, text))


def mask_all(value: Any) -> Any:
    """Return what JSON can hold with every text in it masked."""
    if isinstance(value, str):
        return mask_secrets(value)
    if isinstance(value, dict):
        return {key: mask_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_all(item) for item in value]
    return value
