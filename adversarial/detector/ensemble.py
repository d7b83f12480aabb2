"""Several autoencoders in one detector: the score of the ensemble and its vote (Eq. 10 and 11).

The members are checkpoints of one training run, autoencoders of different architecture, or both.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from adversarial.errors import ModelError

TOLERANCE = 1e-9
VOTE_DIGITS = 9
"""Decimal places of a vote: sums of weights that differ by less are a tie."""


def check_weights(weights: Sequence[float] | None, n_autoencoders: int) -> tuple[float, ...]:
    """Return the autoencoders' weights w_j, each 1/m when not given.

    Raises
    ------
    ModelError
        Unless there is one weight per autoencoder, each above 0, and their sum is at most 1: the
        classifier's own vote has the weight 1 − Σ w_j (Eq. 11).
    """
    result = tuple(weights) if weights is not None else (1 / n_autoencoders,) * n_autoencoders
    is_sound = all(weight > 0 for weight in result) and sum(result) <= 1 + TOLERANCE
    if len(result) != n_autoencoders or not is_sound:
        raise ModelError(
            f"the ensemble's weights are {', '.join(f'{w:g}' for w in result)}: expected "
            f"{n_autoencoders}, one per autoencoder, each above 0, and their sum at most 1; the "
            "classifier's own prediction gets the rest"
        )
    return result


def combine_scores(scores: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
    """Return the ensemble's score: the mean of its members' scores, weighted by w_j / Σ w.

    The mean keeps the unit and the range of a single score, so that a threshold keeps its meaning;
    a row scores high if the members agree that its prediction does not survive reconstruction. The
    classifier itself has no part in it: its own divergence from M(x) is zero.

    Parameters
    ----------
    scores : (n, m) array
        S_j(x) = D_KL(M(x) ‖ M(AE_j(x))) of each member, in nats.
    weights : sequence of m numbers
        w_j.

    Returns
    -------
    (n,) array
        In nats.

    Examples
    --------
    >>> combine_scores(np.array([[1.0, 3.0], [0.0, 0.0]]), (0.6, 0.2))
    array([1.5, 0. ])
    """
    combined: NDArray[np.float64] = scores @ normalise_weights(weights)
    return combined


def normalise_weights(weights: Sequence[float], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return the shares w_j / Σ w of the members in a mean.

    Parameters
    ----------
    weights : sequence of m numbers
        w_j.
    dtype : data type
        Type that the shares are computed in.

    Returns
    -------
    (m,) array
        Their sum is 1.

    Examples
    --------
    >>> normalise_weights((0.6, 0.2))
    array([0.75, 0.25])
    """
    values = np.asarray(weights, dtype)
    shares: NDArray[Any] = values / values.dtype.type(sum(weights))
    return shares


def vote(
    probabilities: NDArray[np.float32],
    corrected: NDArray[np.float32],
    weights: Sequence[float],
) -> NDArray[np.int64]:
    """Return the class with the most votes: w_j for the class of M(AE_j(x)), 1 − Σ w_j for M(x)'s.

    Eq. 10 and 11. Ties go to the class with the greatest weighted mean probability.

    Parameters
    ----------
    probabilities : (n, n_classes) array
        M(x).
    corrected : (n, m, n_classes) array
        M(AE_j(x)).
    weights : sequence of m numbers
        w_j.

    Returns
    -------
    (n,) int64
        Classes.

    Examples
    --------
    >>> m = np.array([[0.9, 0.1, 0.0]])
    >>> corrected = np.array([[[0.1, 0.8, 0.1], [0.2, 0.7, 0.1]]])
    >>> vote(m, corrected, (0.3, 0.3))  # 0.6 for class 1, the classifier's 0.4 for class 0
    array([1])
    """
    shares = np.array([*weights, max(0.0, 1 - sum(weights))])
    most = int(shares.argmax())
    if shares[most] > 0.5 + 10.0**-VOTE_DIGITS:  # the others cannot outvote it together
        voter = probabilities if most == len(weights) else corrected[:, most]
        alone: NDArray[np.int64] = voter.argmax(axis=-1)
        return alone
    voters = np.concatenate([corrected, probabilities[:, None]], axis=1)
    ballots = np.eye(probabilities.shape[-1])[voters.argmax(axis=-1)]
    votes = np.einsum("j,njk->nk", shares, ballots).round(VOTE_DIGITS)
    means = np.einsum("j,njk->nk", shares, voters)
    tied = votes == votes.max(axis=-1, keepdims=True)
    winners: NDArray[np.int64] = np.where(tied, means, -1.0).argmax(axis=-1)
    return winners
