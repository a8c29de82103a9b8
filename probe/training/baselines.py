"""N-gram models of the training tokens: what a trained model must beat to have learned more than counts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each token (`single`) and each pair of neighbours (`pair[left, right]`) occurs in the training text."""

    single: Float[np.ndarray, " vocabulary"]
    pair: Float[np.ndarray, "vocabulary vocabulary"]

    @classmethod
    def of(cls, tokens: Integer[np.ndarray, " count"], vocabulary: int) -> "Counts":
        """Counts a token array. Cost: one pass, and 8 vocabulary^2 bytes."""
        tokens = tokens.astype(np.int64)
        pairs = np.bincount(tokens[:-1] * vocabulary + tokens[1:], minlength=vocabulary**2)
        return cls(
            np.bincount(tokens, minlength=vocabulary).astype(float),
            pairs.reshape(vocabulary, vocabulary).astype(float),
        )

    def unigram(self) -> Float[np.ndarray, " vocabulary"]:
        """p(w) = (c(w) + 1) / (N + V)."""
        return (self.single + 1) / (self.single.sum() + self.single.size)

    def bigram(self, weight: float) -> Float[np.ndarray, "vocabulary vocabulary"]:
        """p(w | v) = (c(v w) + weight p(w)) / (c(v) + weight): pairs interpolated with the unigram model.

        weight: pseudo-count of the unigram model, above 0. Row v sums to 1.
        """
        followed = self.pair.sum(axis=1, keepdims=True)
        return (self.pair + weight * self.unigram()[None, :]) / (followed + weight)


def surprisal(
    probabilities: Float[np.ndarray, "asked vocabulary"], truth: Integer[np.ndarray, " asked"]
) -> float:
    """Mean of -ln p(truth), in nats."""
    return float(-np.log(probabilities[np.arange(truth.size), truth]).mean())


def from_left(
    single: Float[np.ndarray, " vocabulary"],
    pair: Float[np.ndarray, "vocabulary vocabulary"],
    left: Integer[np.ndarray, " asked"],
) -> Float[np.ndarray, "asked vocabulary"]:
    """p(w | left neighbour), and p(w) where the left neighbour is hidden itself (given as -1)."""
    return np.where((left < 0)[:, None], single[None, :], pair[left])


def from_both(
    single: Float[np.ndarray, " vocabulary"],
    pair: Float[np.ndarray, "vocabulary vocabulary"],
    left: Integer[np.ndarray, " asked"],
    right: Integer[np.ndarray, " asked"],
) -> Float[np.ndarray, "asked vocabulary"]:
    """p(w | left, right) of the Markov chain: proportional to p(w | left) p(right | w).

    A hidden neighbour (-1) gives p(w) on the left and no factor on the right.
    """
    joint = from_left(single, pair, left) * np.where((right < 0)[:, None], 1.0, pair[:, right].T)
    return joint / joint.sum(axis=1, keepdims=True)
