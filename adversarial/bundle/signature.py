"""Signed bundles: whose detector it is, which the SHA-256 in it cannot tell.

A signature is a file of its own, made with anybody's tools: the 64 bytes of Ed25519 (RFC 8032) over
`detector.json`, which holds the SHA-256 of every other file.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from adversarial.bundle.manifest import SIGNATURE, BundleError
from adversarial.extras import require_signing

if TYPE_CHECKING:
    from adversarial.bundle.read import Bundle

HOW = "openssl pkeyutl -sign -rawin -inkey KEY -in detector.json -out detector.json.sig"
"""How a bundle is signed."""


def require_signature(bundle: "Bundle", key: str | Path) -> None:
    """Raise BundleError unless a bundle was signed with the private half of a key.

    Parameters
    ----------
    bundle : Bundle
        A bundle whose files have been verified.
    key : str or Path
        File with the public key, Ed25519 in PEM.

    Raises
    ------
    BundleError
        If the key cannot be read, or the signature is missing or not by this key.
    MissingExtraError
        If the package that verifies signatures is not installed.
    """
    require_signing("a monitor with a detector_key")
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    expected = "expected a public key of Ed25519 in PEM (openssl pkey -in KEY -pubout)"
    try:
        public = load_pem_public_key(Path(key).read_bytes())
    except OSError as error:
        raise BundleError(f"{key} cannot be read: {error.strerror}; {expected}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BundleError(f"{key} is no public key: {expected}") from None
    if not isinstance(public, Ed25519PublicKey):
        raise BundleError(f"{key} is a key of another kind: {expected}")
    signature = bundle.signature()
    if signature is None:
        raise BundleError(
            f"detector bundle {bundle.place} is not signed, and the monitor asks for it: sign what "
            f"you trust ({HOW})"
        )
    try:
        public.verify(signature, bundle.manifest.to_json().encode())
    except InvalidSignature:
        raise BundleError(
            f"detector bundle {bundle.place} is not signed with the key that belongs to "
            f"{key}: {SIGNATURE} is of another bundle or by another key; do not use it "
            "unless you know where it comes from"
        ) from None
