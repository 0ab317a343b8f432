"""The mathematics of paillier-dgk as pure functions; section numbers are of `protocols/paillier-dgk/spec.md`.

Comparison after Damgard, Geisler, Kroigaard 2007 and Veugen 2012, on windows of a masked, packed sum.
"""

from collections.abc import Sequence

from privcredit.channels.interface import Kept
from privcredit.crypto.dgk import (
    DgkCiphertext,
    DgkEncryptor,
    DgkPublicKey,
    FreshDgkCiphertext,
    InvalidDgkCiphertextError,
    negate_all,
)
from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.crypto.packing import Layout
from privcredit.crypto.randomness import Randomness, below, shuffle
from privcredit.errors import InvalidProofError


class Operand(Kept):
    """One side of one slot's comparison: the top bit of its window and the l' bits below, lowest first. Secret."""

    __slots__ = ("low_bits", "top_bit")

    def __init__(self, value: int, width: int) -> None:
        """Split `value` modulo 2^(width + 1); width is l'."""
        self.low_bits = tuple(value >> place & 1 for place in range(width))
        self.top_bit = value >> width & 1


def opened_operands(layout: Layout, opened: int) -> list[Operand]:
    """Return u_j for every slot of the opened masked sum z (section 2.3); run by evaluator 2."""
    return [Operand(layout.window(opened, slot), layout.compare_bits) for slot in range(layout.slots)]


def threshold_operands(layout: Layout, mask: int, thresholds: Sequence[int]) -> list[Operand]:
    """Return y_j = rho_j + 2 T_j for every slot (section 2.3); run by evaluator 1, who knows R."""
    comparands = [layout.comparand(mask, slot, threshold) for slot, threshold in enumerate(thresholds)]
    return [Operand(comparand, layout.compare_bits) for comparand in comparands]


def encrypt_bits(encryptor: DgkEncryptor, operand: Operand) -> list[FreshDgkCiphertext]:
    """Return the l' encrypted bits of beta, lowest first (section 2.4); run by evaluator 2."""
    return [encryptor.encrypt(bit) for bit in operand.low_bits]


def differences(bits: Sequence[DgkCiphertext], operand: Operand, delta: int) -> list[DgkCiphertext]:
    """Return encrypted c_(l'-1) ... c_0 and c_last of one slot (section 2.5), neither blinded nor re-randomised.

    c_i = s + alpha_i - beta_i + 3 sum_(j > i) (alpha_j ^ beta_j), s = 1 - 2 delta; c_last = delta + sum_j of the same.
    At most one of them is zero; with delta = 0 one is if and only if alpha <= beta, with delta = 1 iff alpha > beta.
    """
    sign = 1 - 2 * delta
    higher: DgkCiphertext | None = None
    values = []
    for bit, negated, alpha in zip(reversed(bits), reversed(negate_all(bits)), reversed(operand.low_bits), strict=True):
        value = negated.plus_small(sign + alpha)
        values.append(value if higher is None else value + higher * 3)
        unequal = (bit, negated.plus_small(1))[alpha]
        higher = unequal if higher is None else higher + unequal
    return [*values, *(() if higher is None else (higher.plus_small(delta),))]


def blinder(randomness: Randomness, u: int) -> int:
    """Return a uniform unit of Z_u: it keeps zero zero and makes every other value uniform. 0 would hide the answer."""
    return 1 + below(randomness, u - 1)


def blind_differences(
    bits: Sequence[DgkCiphertext], operand: Operand, delta: int, encryptor: DgkEncryptor, randomness: Randomness
) -> list[FreshDgkCiphertext]:
    """Return the l' + 1 values of one slot blinded, re-randomised and shuffled (section 2.5); run by evaluator 1.

    To the key's owner they show whether one of them is zero, and nothing else: blinding hides how far the others are
    from zero, re-randomisation what they were computed from, shuffling at which bit alpha and beta differ.
    """
    key = encryptor.key
    blinded = [value * blinder(randomness, key.u) for value in differences(bits, operand, delta)]
    hidden = [encryptor.rerandomise(value) for value in blinded]
    shuffle(randomness, hidden)
    return hidden


def contains_zero(private: DgkPrivateKey, values: Sequence[DgkCiphertext]) -> int:
    """Return delta_B: 1 if one of the values encrypts zero (section 2.6); run by evaluator 2.

    Every value is tested, also after a zero was found. More than one zero raises nothing: an abort that depends on
    decrypted values would tell a dishonest evaluator 1 about beta.
    """
    found = [private.is_zero(value) for value in values]
    return int(any(found))


def choose_deltas(operands: Sequence[Operand], output_bits: Sequence[int]) -> list[int]:
    """Return delta_A = s_1 ^ y[l'] for every slot (section 2.5): evaluator 1's output share is fixed beforehand.

    The share is uniform and independent of R, so delta_A is as uniform as if it were drawn here.
    """
    return [bit ^ operand.top_bit for operand, bit in zip(operands, output_bits, strict=True)]


def encode_slots(slots: Sequence[Sequence[FreshDgkCiphertext]]) -> tuple[tuple[bytes, ...], ...]:
    """Return the ciphertexts as a message carries them; only fresh ones have an encoder (C10)."""
    return tuple(tuple(ciphertext.to_bytes() for ciphertext in slot) for slot in slots)


def read_slots(
    key: DgkPublicKey, slots: Sequence[Sequence[bytes]], *, count: int, width: int, culprit: str, step: str
) -> list[list[DgkCiphertext]]:
    """Return `count` slots of `width` ciphertexts each, checked; raises InvalidProofError naming `culprit` (W1, W2).

    Shape and length are checked before any arithmetic, and one gcd serves all ciphertexts.
    """
    if len(slots) != count or any(len(slot) != width for slot in slots):
        raise InvalidProofError(culprit, step, f"it must send {count} slots of {width} ciphertexts each")
    try:
        flat = key.ciphertexts([data for slot in slots for data in slot])
    except InvalidDgkCiphertextError as error:
        raise InvalidProofError(culprit, step, str(error)) from error
    return [flat[at : at + width] for at in range(0, len(flat), width)]
