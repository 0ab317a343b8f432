"""paillier-dgk: two authorities compare an encrypted sum with public thresholds, without a dealer.

Names for users; `protocols/paillier-dgk/spec.md` is normative.
"""

from privcredit.protocols.paillier_dgk.costs import PredictedCost, predicted_cost
from privcredit.protocols.paillier_dgk.masks import Mask, prepare_mask
from privcredit.protocols.paillier_dgk.programs import compare_as_evaluator_1, compare_as_evaluator_2
from privcredit.protocols.paillier_dgk.session import (
    ComparisonOutcome,
    ComparisonSession,
    Evaluator,
    OutputShares,
)

__all__ = [
    "ComparisonOutcome",
    "ComparisonSession",
    "Evaluator",
    "Mask",
    "OutputShares",
    "PredictedCost",
    "compare_as_evaluator_1",
    "compare_as_evaluator_2",
    "predicted_cost",
    "prepare_mask",
]
