"""The dealer's ceremony and an authority's checks (threats.md A6)."""

import gc
from pathlib import Path
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from privcredit.crypto import ceremony, threshold
from privcredit.crypto.ceremony import CONTEXT, Dealing, check_dealing, deal, deal_from_primes
from privcredit.crypto.modulus_proof import prove_modulus
from privcredit.crypto.paillier import Ciphertext, Encryptor, PublicKey
from privcredit.crypto.primes import safe_prime
from privcredit.crypto.threshold import DELTA, KeyShare, PartialDecryption, ThresholdKey, combine, partial_decrypt
from privcredit.errors import InvalidProofError, PrivcreditError, UsageError
from support.keys import TOY_MINIMUM_BITS, dealing_2048, dealing_3072, toy_dealing, toy_primes
from support.seeded import SeededRandomness, StuckRandomness

BITS = 64
P, Q = toy_primes(BITS)
DEALT = toy_dealing(BITS)
KEY = DEALT.threshold_key
ORDER = mpz(P // 2 * (Q // 2))
D = ORDER * gmpy2.invert(ORDER, P * Q)


def check(dealing: Dealing, share: KeyShare, index: int) -> None:
    check_dealing(dealing.threshold_key, dealing.modulus_proof, share, index, TOY_MINIMUM_BITS)


def blamed(key: ThresholdKey, share: KeyShare, index: int = 1, proof: Any = DEALT.modulus_proof) -> str:
    with pytest.raises(InvalidProofError) as caught:
        check_dealing(key, proof, share, index, TOY_MINIMUM_BITS)
    assert caught.value.culprit == "dealer"
    return caught.value.sentence


def line(secret: int, slope: int) -> tuple[tuple[mpz, ...], list[KeyShare]]:
    """Verification values and shares of any line, also a wrong one."""
    secrets = [(secret + slope * index) % (P * Q * ORDER) for index in (1, 2, 3)]
    values = tuple(gmpy2.powmod(KEY.v, DELTA * value, KEY.key.n_squared) for value in secrets)
    return values, [KeyShare(index, KEY.key.fingerprint, value) for index, value in enumerate(secrets, start=1)]


def unchecked_key(monkeypatch: pytest.MonkeyPatch, values: tuple[mpz, ...]) -> ThresholdKey:
    with monkeypatch.context() as patch:
        patch.setattr(threshold, "check_verification_values", lambda *_: None)
        return ThresholdKey(KEY.key, values)


# --- honest dealings ---


@pytest.mark.parametrize("bits", [11, 12, 14, 16, 32, 64, 128])
def test_honest_dealing_is_accepted_by_all(bits: int) -> None:
    dealing = toy_dealing(bits)
    for share in dealing.shares:
        check(dealing, share, share.index)


def test_honest_dealing_2048() -> None:
    dealing = dealing_2048()
    check_dealing(dealing.threshold_key, dealing.modulus_proof, dealing.shares[2], 3)


def test_fixture_3072_is_of_that_length() -> None:
    assert dealing_3072().threshold_key.key.bits == 3072


def test_deal_makes_the_length_it_was_asked_for() -> None:
    for bits in (64, 96, 130):
        dealing = deal(bits, SeededRandomness(f"deal {bits}"), workers=1, minimum_bits=TOY_MINIMUM_BITS)
        assert dealing.threshold_key.key.bits == bits
        check(dealing, dealing.shares[0], 1)


def test_one_worker_is_deterministic() -> None:
    first, second = (deal(64, SeededRandomness("same"), workers=1, minimum_bits=8) for _ in range(2))
    assert first.threshold_key == second.threshold_key
    assert [share.secret for share in first.shares] == [share.secret for share in second.shares]


def test_progress_names_every_step() -> None:
    heard: list[tuple[str, int, int]] = []
    deal(64, SeededRandomness("progress"), lambda *step: heard.append(step), minimum_bits=TOY_MINIMUM_BITS)
    steps = list(dict.fromkeys(step for step, _, _ in heard))
    assert steps == ["find safe primes", "share key", "prove modulus"]
    assert [step for step in heard if step[0] == "share key"] == [("share key", done, 3) for done in (1, 2, 3)]
    assert [done for step, done, _ in heard if step == "find safe primes"][:2] == [1, 2]
    assert heard[-1] == ("prove modulus", 128, 128)


def test_primes_by_the_caller() -> None:
    asked = []

    def make_prime(bits: int, *_: Any) -> int:
        asked.append(bits)
        return toy_primes(64)[len(asked) - 1]

    dealing = deal(64, SeededRandomness("p"), make_prime=make_prime, workers=1, minimum_bits=TOY_MINIMUM_BITS)
    assert asked == [32, 32]
    assert dealing.threshold_key.key.n == P * Q


def test_shares_lie_on_a_random_line() -> None:
    slopes = set()
    for seed in range(5):
        shares = deal_from_primes(P, Q, SeededRandomness(seed), minimum_bits=TOY_MINIMUM_BITS).shares
        first, second, third = (share.secret for share in shares)
        assert (first + third - 2 * second) % (P * Q * ORDER) == 0
        assert (2 * first - second - D) % (P * Q * ORDER) == 0
        slopes.add((second - first) % (P * Q * ORDER))
    assert len(slopes) == 5


# --- what a dealer is refused ---


@pytest.mark.parametrize(
    ("p", "q", "problem"),
    [
        (P, P, "equal or too close"),
        (23, 47, "twice the other"),
        (47, 23, "twice the other"),
        (P, 2**31 - 1, "safe primes"),
        (13, P, "safe primes"),
        (7, P, "safe primes above 7"),
        (5, P, "safe primes above 7"),
        (P, Q + 2, "safe primes"),
        (1, P, "safe primes"),
    ],
)
def test_dealer_needs_safe_primes(p: int, q: int, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        deal_from_primes(p, q, SeededRandomness(0), minimum_bits=TOY_MINIMUM_BITS)


def test_close_primes() -> None:
    """The next safe prime after p is too close at any length that counts; Fermat's method would find both at once."""
    p = mpz(safe_prime(256, SeededRandomness("close")))
    q = p + 2
    while not (q % 12 == 11 and gmpy2.is_prime(q) and gmpy2.is_prime(q // 2)):
        q += 2
    with pytest.raises(UsageError, match="too close"):
        deal_from_primes(int(p), int(q), SeededRandomness(0), minimum_bits=TOY_MINIMUM_BITS)
    middle = gmpy2.isqrt(p * q) + 1
    assert gmpy2.is_square(middle**2 - p * q)  # the first step of Fermat's method factors n


def test_twice_plus_one_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the guard there is no d: p'q' and n share the factor p."""
    monkeypatch.setattr(ceremony, "_check_primes", lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        deal_from_primes(23, 47, SeededRandomness(0), minimum_bits=TOY_MINIMUM_BITS)


@pytest.mark.parametrize("bits", [2047, 1024, 16, 0, -2, 3071])
def test_production_length(bits: int) -> None:
    with pytest.raises(UsageError, match="2048"):
        deal(bits, SeededRandomness(0))


def test_production_refuses_toy_primes() -> None:
    with pytest.raises(UsageError):
        deal_from_primes(P, Q, SeededRandomness(0))


def test_primes_of_another_length() -> None:
    with pytest.raises(UsageError, match="modulus of 70 bits"):
        deal(70, SeededRandomness(0), make_prime=lambda *_: P, workers=1, minimum_bits=TOY_MINIMUM_BITS)


def test_h3_stuck_generator() -> None:
    for byte in (0, 0xFF):
        with pytest.raises(UsageError):
            deal_from_primes(P, Q, StuckRandomness(byte), minimum_bits=TOY_MINIMUM_BITS)
    with pytest.raises(UsageError):
        deal(64, StuckRandomness(0x5A), minimum_bits=TOY_MINIMUM_BITS)


# --- A6: what an authority refuses ---


def test_a6_share_that_does_not_match() -> None:
    for change in (1, -1, int(ORDER)):
        wrong = KeyShare(1, KEY.key.fingerprint, DEALT.shares[0].secret + change)
        assert "does not match" in blamed(KEY, wrong)


def test_a6_share_of_another_authority() -> None:
    assert "is for authority 2, not 1" in blamed(KEY, DEALT.shares[1])
    relabelled = KeyShare(1, KEY.key.fingerprint, DEALT.shares[1].secret)
    assert "does not match" in blamed(KEY, relabelled)


def test_a6_share_of_another_key() -> None:
    with pytest.raises(UsageError, match="another key"):
        check_dealing(KEY, DEALT.modulus_proof, toy_dealing(128).shares[0], 1, TOY_MINIMUM_BITS)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a6_values_off_the_line(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = list(KEY.verification)
    values[place] = values[place] * KEY.v % KEY.key.n_squared
    with pytest.raises(InvalidProofError, match=r"line|open") as caught:
        ThresholdKey(KEY.key, tuple(values))
    assert caught.value.culprit == "dealer"
    untouched = next(share for share in DEALT.shares if share.index != place + 1)
    bad = unchecked_key(monkeypatch, tuple(values))
    blamed(bad, untouched, untouched.index)  # also by the authority whose own share fits its value


def test_a6_inconsistent_third_share_would_open_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack behind the line check: shares 1 and 2 work, 3 fits its value, and every pair with 3 opens wrongly."""
    slope = DEALT.shares[1].secret - DEALT.shares[0].secret
    values, shares = line(int(D), int(slope))
    bad_share = KeyShare(3, KEY.key.fingerprint, shares[2].secret + ORDER)
    bad_value = gmpy2.powmod(KEY.v, DELTA * bad_share.secret, KEY.key.n_squared)
    bad = unchecked_key(monkeypatch, (*values[:2], bad_value))
    ciphertext = Encryptor(KEY.key, SeededRandomness("a6"), table=False).encrypt(5)
    partials = {1: partial_decrypt(shares[0], ciphertext), 3: partial_decrypt(bad_share, ciphertext)}
    assert combine(bad, partials) != 5
    blamed(bad, shares[0])


@pytest.mark.parametrize("factor", [0, 2, 3, -1])
def test_a6_line_through_another_secret(factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """D = 0 or 2 d: one line, each share fits, v_1^2 / v_2 = 1 mod n; yet x opens as factor times x."""
    n, square = KEY.key.n, KEY.key.n_squared
    values, shares = line(int(factor * D), 987654321)
    bad = unchecked_key(monkeypatch, values)
    assert values[0] * values[2] % square == values[1] ** 2 % square
    assert values[0] ** 2 * gmpy2.invert(values[1], square) % n == 1  # all that a v of unknown plaintext could show
    ciphertext = Encryptor(KEY.key, SeededRandomness("a6"), table=False).encrypt(11)
    assert combine(bad, {index: partial_decrypt(shares[index - 1], ciphertext) for index in (1, 3)}) == factor * 11 % n
    assert "do not open to the decryption key" in blamed(bad, shares[0])


def test_a6_level_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """All shares are d: everything verifies, and one authority decrypts alone."""
    values, shares = line(int(D), 0)
    bad = unchecked_key(monkeypatch, values)
    ciphertext = Encryptor(KEY.key, SeededRandomness("level"), table=False).encrypt(77)
    own = partial_decrypt(shares[0], ciphertext).value
    assert combine(bad, {1: PartialDecryption(1, int(own)), 2: PartialDecryption(2, int(own))}) == 77
    assert "alone could decrypt" in blamed(bad, shares[0])


def test_a6_modulus_proof_of_another_key_or_purpose() -> None:
    share = DEALT.shares[0]
    assert blamed(KEY, share, proof=prove_modulus(P, Q, b"another purpose"))
    p, q = toy_primes(62)
    assert blamed(KEY, share, proof=prove_modulus(p, q, CONTEXT))


def test_a6_toy_modulus_in_production() -> None:
    with pytest.raises(InvalidProofError, match="2048"):
        check_dealing(KEY, DEALT.modulus_proof, DEALT.shares[0], 1)


def test_a6_every_check_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a check taken out, what it is there for is installed."""
    values, shares = line(0, 987654321)
    bad = unchecked_key(monkeypatch, values)
    monkeypatch.setattr(ceremony, "check_verification_values", lambda *_: None)
    check_dealing(bad, DEALT.modulus_proof, shares[0], 1, TOY_MINIMUM_BITS)
    monkeypatch.undo()
    wrong = KeyShare(1, KEY.key.fingerprint, 12345)
    monkeypatch.setattr(ceremony, "check_share", lambda *_: None)
    check_dealing(KEY, DEALT.modulus_proof, wrong, 1, TOY_MINIMUM_BITS)


# --- nothing of p, q and d is left ---


def reachable_numbers(root: object) -> set[int]:
    seen: set[int] = set()
    numbers: set[int] = set()
    stack = [root]
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, type):
            continue
        seen.add(id(item))
        if isinstance(item, int | type(mpz())):
            numbers.add(int(item))
        stack += [getattr(item, name) for name in getattr(type(item), "__slots__", ()) if hasattr(item, name)]
        stack += gc.get_referents(item) if isinstance(item, tuple | list | dict) else []
    return numbers


def test_a6_dealing_does_not_hold_the_factors() -> None:
    dealing = deal_from_primes(P, Q, SeededRandomness("forget"), minimum_bits=TOY_MINIMUM_BITS)
    kept = reachable_numbers(dealing)
    assert {int(share.secret) for share in dealing.shares} <= kept
    secret = {P, Q, P // 2, Q // 2, int(ORDER), 2 * int(ORDER), (P - 1) * (Q - 1), int(D)}
    assert not kept & secret


def test_a6_nothing_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.open", never)
    deal(64, SeededRandomness("disk"), minimum_bits=TOY_MINIMUM_BITS)
    assert not list(tmp_path.iterdir())


def never(*_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize(("p", "q"), [(P, P), (23, 47), (P, Q + 2)])
def test_a8_refusals_hold_no_prime(p: int, q: int) -> None:
    with pytest.raises(PrivcreditError) as caught:
        deal_from_primes(p, q, SeededRandomness(0), minimum_bits=TOY_MINIMUM_BITS)
    assert str(P) not in str(caught.value)
    assert str(Q) not in str(caught.value)


def test_never_share_the_order_itself() -> None:
    """P'q' as a decryption exponent: one partial decryption of a known plaintext reveals it, and n factors."""
    n = mpz(P * Q)
    known = Ciphertext(PublicKey.from_modulus(int(n), minimum_bits=8), 1 + 5 * n)
    opened = gmpy2.powmod(known.value, 2 * ORDER, n * n)
    found = (opened - 1) // n * gmpy2.invert(10, n) % n
    assert found == ORDER
    total = n + 1 - 4 * found  # p + q
    root = gmpy2.isqrt(total**2 - 4 * n)
    assert {int((total + root) // 2), int((total - root) // 2)} == {P, Q}
