"""Proof that a partial decryption was made with the registered share (protocols/threshold-paillier/spec.md, section 4).

Shoup 2000, section 2.2, over Z_(n^2): log_(c^4)(c_i^2) = log_v(v_i) = Delta s_i, made non-interactive with a 128-bit
challenge. Many ciphertexts opened at once share one proof over random combinations. Verification raises; the challenge
is always recomputed, and v and v_i come from the pinned threshold key, never from the message (threats.md A2, W2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.fixed_base import FixedBase
from privcredit.crypto.integers import powmod_public, powmod_secret
from privcredit.crypto.paillier import Ciphertext, PublicKey
from privcredit.crypto.products import product_of_powers
from privcredit.crypto.randomness import Randomness, RepeatGuard
from privcredit.crypto.threshold import (
    DELTA,
    KeyShare,
    PartialDecryption,
    ThresholdKey,
    check_belongs,
    check_partial,
    check_unit,
    checked_index,
    modulus_bytes,
    partial_decrypt,
)
from privcredit.crypto.transcript import CHALLENGE_BITS, challenge, expand, int_bytes
from privcredit.errors import InvalidProofError, UsageError

MASK_SURPLUS_BITS = 256
"""128 bits for the challenge and 128 for hiding: the response is within 2^-128 of independent of the share."""

COEFFICIENT_BITS = 128
"""A batch with a wrong member passes with probability 2^-128 over its coefficient."""

MAX_BATCH = 1 << 16
"""Partials under one proof; more would hold a verifier for minutes on one message."""

CHALLENGE_BYTES = CHALLENGE_BITS // 8
COUNT_BYTES = 4

CHALLENGE_DOMAIN = "privcredit threshold share proof"
COEFFICIENT_DOMAIN = "privcredit threshold share coefficients"

VERIFY = "verify share proof"
CHECK_SHARE = "check key share"

KEY_TABLES = (10, 8)
"""Window and number of the tables of v, prepared once for each process: 4 to 6 MB."""

SHARE_TABLES = (8, 2)
"""Window and number of the tables of v_i, whose exponent is a challenge."""

CIPHERTEXT_TABLES = (8, 2)
"""Of c^4, prepared for one question: costs about one exponentiation, saves 4/5 of one."""

Many = Ciphertext | Sequence[Ciphertext]
ManyPartials = PartialDecryption | Sequence[PartialDecryption]


def exponent_bits(key: PublicKey) -> int:
    """Return A = 2 |n| + 1, a public bound: Delta s_i < 6 n^2 / 4 < 2^A."""
    return 2 * key.bits + 1


def mask_bits(key: PublicKey) -> int:
    """Return the length of the mask r, A + 256 bits."""
    return exponent_bits(key) + MASK_SURPLUS_BITS


def response_bound(key: PublicKey) -> int:
    """Return the bound that every honest response stays below: 2^(A+256) + 2^(A+128)."""
    return (1 << mask_bits(key)) + (1 << exponent_bits(key) + CHALLENGE_BITS)


def response_bits(key: PublicKey) -> int:
    """Return the length of the longest response."""
    return response_bound(key).bit_length()


def response_bytes(key: PublicKey) -> int:
    """Return the length of an encoded response."""
    return modulus_bytes(response_bits(key))


@dataclass(frozen=True, slots=True)
class ShareProof:
    """challenge: e, 128 bits. response: z = r + e Delta s_i over the integers. Public to whoever sees the partials."""

    challenge: int
    response: int

    def to_bytes(self, key: PublicKey) -> bytes:
        """Return e and z, each of fixed length, big-endian."""
        return int_bytes(self.challenge, CHALLENGE_BYTES) + int_bytes(self.response, response_bytes(key))

    @classmethod
    def from_bytes(cls, data: bytes, key: PublicKey, culprit: str) -> ShareProof:
        """Return the received proof; raises InvalidProofError naming `culprit` for a wrong length or range."""
        if type(data) is not bytes or len(data) != CHALLENGE_BYTES + response_bytes(key):
            raise InvalidProofError(culprit, VERIFY, "a share proof has the wrong length")
        proof = cls(int.from_bytes(data[:CHALLENGE_BYTES], "big"), int.from_bytes(data[CHALLENGE_BYTES:], "big"))
        check_bounds(proof, key, culprit)
        return proof


def check_bounds(proof: ShareProof, key: PublicKey, culprit: str) -> None:
    """Raise InvalidProofError unless e and z are integers in range; runs before any exponentiation (threats.md W5)."""
    numbers = (proof.challenge, proof.response)
    if any(type(number) is not int for number in numbers):
        raise InvalidProofError(culprit, VERIFY, "a share proof holds something other than integers")
    if not (0 <= proof.challenge < 1 << CHALLENGE_BITS and 0 <= proof.response < response_bound(key)):
        raise InvalidProofError(culprit, VERIFY, "a share proof is out of range")


class _Statement:
    """What one proof is about, and the two elements that it is about after combination (spec.md 4.2, 4.3)."""

    def __init__(
        self,
        threshold_key: ThresholdKey,
        index: int,
        ciphertexts: Sequence[Ciphertext],
        partials: Sequence[PartialDecryption],
        context: bytes,
    ) -> None:
        self.key = threshold_key.key
        self.v = threshold_key.v
        self.index = checked_index(index)
        self.v_i = threshold_key.verification[index - 1]
        self._values = [ciphertext.value for ciphertext in ciphertexts]
        self._partials = [partial.value for partial in partials]
        self._fields = self._transcript(threshold_key, index, context)

    def _transcript(self, threshold_key: ThresholdKey, index: int, context: bytes) -> list[bytes]:
        size = self.key.ciphertext_bytes
        numbers = (self.key.n, self.v, *threshold_key.verification)
        return [
            context,
            *(int_bytes(number, size) for number in numbers),
            bytes([index]),
            len(self._values).to_bytes(COUNT_BYTES, "big"),
            *(int_bytes(value, size) for value in self._values),
            *(int_bytes(value, size) for value in self._partials),
        ]

    @cached_property
    def coefficients(self) -> list[int]:
        """(1) for one ciphertext; else 128 bits each, fixed by everything, so chosen after the partials were."""
        if len(self._values) == 1:
            return [1]
        width = COEFFICIENT_BITS // 8
        drawn = expand(COEFFICIENT_DOMAIN, *self._fields, length=width * len(self._values))
        return [int.from_bytes(drawn[start : start + width], "big") for start in range(0, len(drawn), width)]

    def base(self) -> mpz:
        """Return C = prod c_j^(4 e_j) mod n^2."""
        return powmod_public(self._combination(self._values), 4, self.key.n_squared)

    def image(self) -> mpz:
        """Return D = prod c_(i,j)^(2 e_j) mod n^2, which must be C^(Delta s_i)."""
        return powmod_public(self._combination(self._partials), 2, self.key.n_squared)

    def _combination(self, values: Sequence[mpz]) -> mpz:
        if len(values) == 1:
            return values[0]
        return product_of_powers(values, self.coefficients, self.key.n_squared, COEFFICIENT_BITS)

    def challenge(self, over_ciphertext: mpz, over_v: mpz) -> int:
        """Return e from the statement and the commitments C^r and v^r."""
        size = self.key.ciphertext_bytes
        commitments = (int_bytes(over_ciphertext, size), int_bytes(over_v, size))
        return challenge(CHALLENGE_DOMAIN, *self._fields, *commitments)


class ShareProver:
    """An authority's side: opens ciphertexts with its share and proves it. Keeps a stock of (r, v^r) made ahead.

    Each mask r serves one proof and is forgotten: two proofs with one mask give the share away. The stock lives in
    memory only. Threads may share a prover.
    """

    def __init__(self, threshold_key: ThresholdKey, share: KeyShare, randomness: Randomness) -> None:
        """Take a share that belongs to `threshold_key`; raises UsageError for another key's."""
        check_belongs(share, threshold_key.key)
        self._threshold_key = threshold_key
        self._share = share
        self._randomness = randomness
        self._guard = RepeatGuard()
        self._stock: deque[tuple[mpz, mpz]] = deque()

    def __repr__(self) -> str:
        return f"<ShareProver of authority {self._share.index}, stock {self.stock}, redacted>"

    @property
    def stock(self) -> int:
        """How many proofs the stock lasts for."""
        return len(self._stock)

    def refill(self, target: int) -> None:
        """Make masks until the stock holds `target`; one secret exponentiation each, so do it when idle."""
        while self.stock < target:
            self._stock.append(self._mask())

    def partial_decrypt(self, ciphertext: Ciphertext) -> PartialDecryption:
        """Return this authority's partial decryption; see `threshold.partial_decrypt`."""
        return partial_decrypt(self._share, ciphertext)

    def prove(self, ciphertexts: Many, partials: ManyPartials, context: bytes) -> ShareProof:
        """Return one proof for the partials of `ciphertexts`; one secret exponentiation, and a second without stock.

        context: session, epoch, policy hash, prover and recipient, already length-prefixed; both sides pass the same.
        """
        many, parts = _paired(self._threshold_key.key, ciphertexts, partials)
        statement = _Statement(self._threshold_key, self._share.index, many, parts, context)
        mask, over_v = self._take()
        return self._respond(statement, mask, self._commit(statement.base(), mask), over_v)

    def open(
        self, ciphertext: Ciphertext, context: bytes, executor: Executor | None = None
    ) -> tuple[PartialDecryption, ShareProof]:
        """Return the partial decryption of one ciphertext and its proof.

        executor: a thread pool that takes one of the two secret exponentiations, halving the time on two cores.
        """
        check_belongs(self._share, ciphertext.key)
        check_unit(ciphertext)
        mask, over_v = self._take()
        base = powmod_public(ciphertext.value, 4, ciphertext.key.n_squared)
        if executor is None:
            partial, over_ciphertext = self.partial_decrypt(ciphertext), self._commit(base, mask)
        else:
            beside = executor.submit(self._commit, base, mask)
            partial, over_ciphertext = self.partial_decrypt(ciphertext), beside.result()
        statement = _Statement(self._threshold_key, self._share.index, [ciphertext], [partial], context)
        return partial, self._respond(statement, mask, over_ciphertext, over_v)

    def _commit(self, base: mpz, mask: mpz) -> mpz:
        return powmod_secret(base, mask, self._threshold_key.key.n_squared)

    def _respond(self, statement: _Statement, mask: mpz, over_ciphertext: mpz, over_v: mpz) -> ShareProof:
        drawn = statement.challenge(over_ciphertext, over_v)
        return ShareProof(drawn, int(mask + drawn * DELTA * self._share.secret))

    def _take(self) -> tuple[mpz, mpz]:
        try:
            return self._stock.popleft()
        except IndexError:
            return self._mask()

    def _mask(self) -> tuple[mpz, mpz]:
        """Draw r uniform below 2^(A+256). A generator that repeats itself is refused (threats.md H3)."""
        width = mask_bits(self._threshold_key.key)
        drawn = self._guard.check(self._randomness.bytes(modulus_bytes(width)))
        mask = mpz.from_bytes(drawn, "big") >> -width % 8
        if mask < 1 << width - CHALLENGE_BITS:  # probability 2^-128
            raise UsageError("The random generator gave a mask that hides nothing; check its entropy source.")
        return mask, self._commit(self._threshold_key.v, mask)


def prove_share(
    threshold_key: ThresholdKey,
    share: KeyShare,
    ciphertexts: Many,
    partials: ManyPartials,
    context: bytes,
    randomness: Randomness,
) -> ShareProof:
    """Return one proof for this share's partials of `ciphertexts`, without a stock; see `ShareProver.prove`."""
    return ShareProver(threshold_key, share, randomness).prove(ciphertexts, partials, context)


@dataclass(frozen=True, slots=True, repr=False)
class PreparedCiphertext:
    """Powers of c^4 that a verifier makes while it waits for the peer's partial decryption of c. Public."""

    value: mpz
    powers: FixedBase


def prepare_verification(ciphertext: Ciphertext) -> PreparedCiphertext:
    """Prepare to verify one proof about `ciphertext`; costs about one exponentiation, at no urgent moment."""
    key = ciphertext.key
    base = powmod_public(ciphertext.value, 4, key.n_squared)
    return PreparedCiphertext(ciphertext.value, _tables(base, key, response_bits(key), *CIPHERTEXT_TABLES))


def _tables(base: mpz, key: PublicKey, exponent_bits: int, window: int, count: int) -> FixedBase:
    return FixedBase(base, key.n_squared, exponent_bits, window, span=-(-exponent_bits // (window * count)))


class ShareVerifier:
    """The side that checks others' partials; keeps powers of v, so it is made once for each threshold key."""

    def __init__(self, threshold_key: ThresholdKey) -> None:
        key = threshold_key.key
        self._threshold_key = threshold_key
        self._powers_of_v = _tables(threshold_key.v, key, response_bits(key), *KEY_TABLES)
        inverses = (gmpy2.invert(value, key.n_squared) for value in threshold_key.verification)
        self._inverse_powers = [_tables(inverse, key, CHALLENGE_BITS, *SHARE_TABLES) for inverse in inverses]

    def verify(
        self,
        ciphertexts: Many,
        partials: ManyPartials,
        proof: ShareProof,
        context: bytes,
        culprit: str,
        prepared: PreparedCiphertext | None = None,
    ) -> None:
        """Return if every partial was made with the share registered under its index, else raise InvalidProofError.

        prepared: from `prepare_verification` of the one ciphertext; it is used only if it belongs to it.
        """
        _verify(self._threshold_key, ciphertexts, partials, proof, context, culprit, self._over_v, prepared)

    def _over_v(self, statement: _Statement, proof: ShareProof) -> mpz:
        cancelled = self._inverse_powers[statement.index - 1].power(proof.challenge)
        return self._powers_of_v.power(proof.response) * cancelled % self._threshold_key.key.n_squared


def verify_share(
    threshold_key: ThresholdKey,
    ciphertexts: Many,
    partials: ManyPartials,
    proof: ShareProof,
    context: bytes,
    culprit: str,
) -> None:
    """Return if every partial was made with the registered share, else raise InvalidProofError naming `culprit`.

    Two exponentiations with public exponents; a `ShareVerifier` prepares most of that. Public inputs only.
    Raises UsageError for an empty or uneven batch.
    """
    _verify(threshold_key, ciphertexts, partials, proof, context, culprit, _over_v, None)


def _over_v(statement: _Statement, proof: ShareProof) -> mpz:
    raised = powmod_public(statement.v, proof.response, statement.key.n_squared)
    return _commitment(raised, statement.v_i, proof, statement.key)


def _verify(
    threshold_key: ThresholdKey,
    ciphertexts: Many,
    partials: ManyPartials,
    proof: ShareProof,
    context: bytes,
    culprit: str,
    over_v: Callable[[_Statement, ShareProof], mpz],
    prepared: PreparedCiphertext | None,
) -> None:
    check_bounds(proof, threshold_key.key, culprit)
    many, parts = _paired(threshold_key.key, ciphertexts, partials)
    for partial in parts:
        check_partial(partial, threshold_key.key, culprit)
    statement = _Statement(threshold_key, parts[0].index, many, parts, context)
    if prepared and [prepared.value] == [ciphertext.value for ciphertext in many]:
        raised = prepared.powers.power(proof.response)
    else:
        raised = powmod_public(statement.base(), proof.response, threshold_key.key.n_squared)
    over_ciphertext = _commitment(raised, statement.image(), proof, threshold_key.key)
    if statement.challenge(over_ciphertext, over_v(statement, proof)) != proof.challenge:
        raise InvalidProofError(culprit, VERIFY, "a partial decryption was not made with the registered key share")


def _commitment(raised: mpz, image: mpz, proof: ShareProof, key: PublicKey) -> mpz:
    """Return base^z image^(-e) mod n^2 for raised = base^z, which is base^r if the proof is right."""
    square = key.n_squared
    return raised * powmod_public(gmpy2.invert(image, square), proof.challenge, square) % square


def _paired(
    key: PublicKey, ciphertexts: Many, partials: ManyPartials
) -> tuple[Sequence[Ciphertext], Sequence[PartialDecryption]]:
    """Return both as sequences; raise UsageError unless they pair up under `key` and one index."""
    many = [ciphertexts] if isinstance(ciphertexts, Ciphertext) else ciphertexts
    parts = [partials] if isinstance(partials, PartialDecryption) else partials
    if not 1 <= len(many) == len(parts) <= MAX_BATCH:
        raise UsageError(f"A share proof covers 1 to {MAX_BATCH} ciphertexts with one partial decryption each.")
    if any(ciphertext.key != key for ciphertext in many):
        raise UsageError("A share proof covers ciphertexts under its own key only; use the key that is pinned.")
    if any(partial.index != parts[0].index for partial in parts):
        raise UsageError("A share proof covers the partial decryptions of one authority; split the batch.")
    for ciphertext in many:
        check_unit(ciphertext)
    return many, parts


def check_share(threshold_key: ThresholdKey, share: KeyShare) -> None:
    """Check v^(Delta s_i) = v_i mod n^2: the share is the registered one (threats.md A6). One secret exponentiation.

    Raises UsageError for another key's share, InvalidProofError with culprit "dealer" for a wrong one.
    """
    check_belongs(share, threshold_key.key)
    power = powmod_secret(threshold_key.v, DELTA * share.secret, threshold_key.key.n_squared)
    if power != threshold_key.verification[share.index - 1]:
        raise InvalidProofError("dealer", CHECK_SHARE, "a key share does not match its verification value")
