"""A mask is a number that evaluator 1 knows (spec.md 2.1, 2.2); without its proof a question about the sum becomes one
about a single holder.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from privcredit.channels.recording import Recording
from privcredit.crypto import knowledge
from privcredit.crypto.knowledge import KnowledgeProof, provable_bits, prove_knowledge
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Ciphertext, Encryptor, Opening
from privcredit.errors import InvalidProofError, UsageError
from privcredit.protocols.paillier_dgk import opening, programs
from privcredit.protocols.paillier_dgk.masks import Mask, mask_context, prepare_mask, prove_mask
from support.dgk import Bench, full_bench, toy_bench
from support.keys import toy_dealing
from support.seeded import SeededRandomness

SHAPE = Layout(40, 3, 1, sigma=6, minimum_sigma=6)
THRESHOLD = 4
R = 321
HOLDERS = [(5, 2), (2, 5), (3, 1), (4, 3)]

Attack = Callable[[Bench, Ciphertext], Mask]


def refusal(bench: Bench, mask: Mask, session: Any = None, **knobs: Any) -> InvalidProofError:
    outcomes = bench.settle(session or bench.session(SHAPE, [THRESHOLD]), bench.encrypt(SHAPE, [3]), mask, [0], **knobs)
    error = outcomes["authority-2"].error
    assert isinstance(error, InvalidProofError)
    return error


def context_of(bench: Bench, layout: Layout = SHAPE, maker: str = "authority-1") -> bytes:
    return mask_context(bench.encryptor.key, layout, maker)


def with_the_proof_of_r(bench: Bench, other: Ciphertext) -> Mask:
    """Take `other` out of the sum, under a mask whose own proof is honest."""
    hidden = bench.mask(SHAPE, R)
    return Mask(R, bench.encryptor.rerandomise(hidden.ciphertext + other * -1), hidden.proof, hidden.context)


def with_a_proof_by_a_wrong_opening(bench: Bench, other: Ciphertext) -> Mask:
    """As above, with a proof for the very ciphertext, made with all that evaluator 1 knows of it."""
    hidden, known = bench.encryptor.encrypt_with_opening(R)
    ciphertext = bench.encryptor.rerandomise(hidden + other * -1)
    proof = prove_knowledge(
        bench.encryptor, ciphertext, Opening(R, known.exponent), context_of(bench), bench.randomness, SHAPE.mask_bits
    )
    return Mask(R, ciphertext, proof.to_bytes(), context_of(bench))


ATTACKS = [with_the_proof_of_r, with_a_proof_by_a_wrong_opening]


def ask_about_the_first(bench: Bench, attack: Attack, first: int, second: int, **knobs: Any) -> Any:
    one, other = (bench.encrypt(SHAPE, [points]) for points in (first, second))
    return bench.settle(bench.session(SHAPE, [THRESHOLD]), one + other, attack(bench, other), [0], **knobs)


@pytest.mark.parametrize("threads", [0, 1, 2])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a1_a_mask_made_of_contributions_is_refused_and_nothing_is_sent(attack: Attack, threads: int) -> None:
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for first, second in HOLDERS:
            recording = Recording()
            knobs = {"wrap": recording.wrap, "executor": pool if threads else None}
            error = ask_about_the_first(toy_bench(), attack, first, second, **knobs)["authority-2"].error
            assert isinstance(error, InvalidProofError)
            assert (error.culprit, error.step) == ("authority-1", "verify plaintext knowledge")
            assert recording.received_by("authority-1") == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_a1_without_the_proof_the_answer_would_be_about_one_holder(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "verify_mask", lambda *_: None)
    for first, second in HOLDERS:
        one, two = (outcome.result() for outcome in ask_about_the_first(toy_bench(), attack, first, second).values())
        assert one.shares.bits[0] ^ two.shares.bits[0] == int(first >= THRESHOLD)


@pytest.mark.parametrize("threads", [False, True])
def test_a1_the_mask_is_verified_before_the_two_parts_are_combined(
    threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    verify, combine = programs.verify_mask, opening.combine
    monkeypatch.setattr(programs, "verify_mask", lambda *args: (verify(*args), events.append("verified"))[0])
    monkeypatch.setattr(opening, "combine", lambda *args: (events.append("combined"), combine(*args))[1])
    bench = toy_bench()
    with ThreadPoolExecutor(2) as pool:
        knobs = {"executor": pool} if threads else {}
        bench.compare(bench.session(SHAPE, [THRESHOLD]), bench.encrypt(SHAPE, [3]), bench.mask(SHAPE), [0], **knobs)
    assert events == ["verified", "combined"]


OTHERS: dict[str, Callable[[Bench], Mask]] = {
    "another authority's": lambda bench: prepare_mask(bench.encryptor, SHAPE, "authority-3", bench.randomness),
    "one for another score width": lambda bench: bench.mask(Layout(40, 4, 1, sigma=5, minimum_sigma=5)),
    "one for another sigma": lambda bench: bench.mask(Layout(40, 3, 1, sigma=7, minimum_sigma=6)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_w4_a_mask_made_for_something_else_is_refused_on_both_sides(name: str) -> None:
    bench = toy_bench()
    mask = OTHERS[name](bench)
    with pytest.raises(UsageError, match="prepared for another layout, key or authority"):
        bench.compare(bench.session(SHAPE, [THRESHOLD]), bench.encrypt(SHAPE, [3]), mask, [0])
    moved = Mask(mask.consume(), mask.ciphertext, mask.proof, context_of(bench))
    error = refusal(bench, moved)
    assert (error.culprit, error.step) == ("authority-1", "verify plaintext knowledge")


def test_w3_the_context_binds_every_part() -> None:
    key, other = toy_bench().encryptor.key, toy_dealing(64).threshold_key.key
    wide = Layout(64, 3, 1, sigma=6, minimum_sigma=6)
    contexts = {
        mask_context(key, SHAPE, "authority-1"),
        mask_context(other, wide, "authority-1"),
        mask_context(key, SHAPE, "authority-2"),
        mask_context(key, Layout(40, 3, 2, sigma=6, minimum_sigma=6), "authority-1"),
        mask_context(key, Layout(40, 1, 2, sigma=6, minimum_sigma=6), "authority-1"),
        mask_context(key, Layout(40, 3, 1, sigma=7, minimum_sigma=6), "authority-1"),
    }
    assert len(contexts) == 6
    assert {len(context) for context in contexts} == {32}


@pytest.mark.parametrize("proof", [b"\0", b"\0\x0a", bytes(200), b"\xff" * 60])
def test_w2_a_mask_proof_of_the_wrong_length_is_refused(proof: bytes) -> None:
    bench = toy_bench()
    mask = bench.mask(SHAPE)
    assert "wrong length" in refusal(bench, Mask(1, mask.ciphertext, proof, mask.context)).sentence


def test_w2_every_flipped_bit_of_a_mask_proof_is_refused() -> None:
    bench = toy_bench()
    mask = bench.mask(SHAPE)
    mask.consume()
    for place in range(0, 8 * len(mask.proof), 5):
        changed = bytearray(mask.proof)
        changed[place // 8] ^= 1 << place % 8
        assert refusal(bench, Mask(1, mask.ciphertext, bytes(changed), mask.context)).culprit == "authority-1"


def test_w5_numbers_out_of_bounds_are_refused_before_any_exponentiation(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = toy_bench()
    mask = bench.mask(SHAPE)
    wide = mask.proof[:23] + b"\xff" * (len(mask.proof) - 23)
    assert len(KnowledgeProof.from_bytes(bench.encryptor.key, mask.proof, "a").to_bytes()) == len(wide)
    monkeypatch.setattr(knowledge, "_encryption", None)
    monkeypatch.setattr(knowledge, "powmod_public", None)
    assert "out of its bounds" in refusal(bench, Mask(1, mask.ciphertext, wide, mask.context)).sentence


def test_an_encryptor_under_another_key_is_our_own_mistake() -> None:
    bench, other = toy_bench(), toy_dealing(64).threshold_key.key
    mask = bench.mask(SHAPE)
    bench.encryptor = Encryptor(other, SeededRandomness("other"))
    outcomes = bench.settle(
        bench.session(SHAPE, [THRESHOLD]), bench.encryptor.encrypt(1), mask, [0], product_2=mask.ciphertext
    )
    assert isinstance(outcomes["authority-2"].error, UsageError)
    assert "encryptor is under another key" in str(outcomes["authority-2"].error)


def test_at_2048_bits_the_widest_provable_packing_compares_and_a_wider_one_is_refused() -> None:
    """The most slots of the widest score; a policy with more is refused before (test_policy.py)."""
    bench, slots = full_bench(2048), 35
    shape = Layout(2048, 49, slots, sigma=64 + (provable_bits(2048) - 64) % 50)
    assert shape.mask_bits == provable_bits(2048)
    mask = bench.mask(shape)
    bench.encryptor.key.ciphertext(mask.ciphertext.to_bytes())
    programs.verify_mask(bench.encryptor, mask.ciphertext, mask.proof, shape, "authority-1")
    wider = Layout(2048, 49, slots, sigma=shape.sigma + 1)
    with pytest.raises(UsageError, match=r"A proof of knowledge for 1846 bits does not fit the key; use at most 1845"):
        prove_mask(bench.encryptor, wider, "authority-1", 1, bench.randomness)
    with pytest.raises(UsageError, match="1846 bits does not fit"):
        bench.session(wider, [0] * slots)
