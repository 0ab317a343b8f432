"""Each guard against a known trap: refused with it, and shown to fail without it."""

from itertools import product
from typing import Any

import pytest

from privcredit.channels.recording import Recording
from privcredit.crypto.dgk import DgkEncryptor, FreshDgkCiphertext
from privcredit.crypto.packing import Layout
from privcredit.crypto.share_proof import ShareVerifier
from privcredit.errors import InvalidProofError, UsageError
from privcredit.protocols.paillier_dgk import ComparisonSession, programs, session, steps
from privcredit.protocols.paillier_dgk.masks import Mask
from support.dgk import Bench, toy_bench, toy_dgk
from support.keys import toy_dealing, toy_private_key
from support.seeded import SeededRandomness

SHAPE = Layout(40, 3, 1, sigma=6, minimum_sigma=6)


def wrong_answers(bench: Bench, shape: Layout = SHAPE) -> int:
    """How many of all scores and thresholds get a wrong answer."""
    top, wrong = 1 << shape.score_bits, 0
    for total, threshold in product(range(top), range(top + 1)):
        answer = bench.compare(
            bench.session(shape, [threshold]), bench.encrypt(shape, [total]), bench.mask(shape), [total & 1]
        )
        wrong += answer != [int(total >= threshold)]
    return wrong


def test_c8_the_grid_of_this_file_has_no_wrong_answer() -> None:
    assert wrong_answers(toy_bench()) == 0


def without_equality(bits: Any, operand: Any, delta: int, _original: Any = steps.differences) -> Any:
    """c_last replaced by a constant that is never zero."""
    values = _original(bits, operand, delta)
    return [*values[:-1], steps.DgkCiphertext(values[0].key, values[0].key.g)]


def without_higher_bits(bits: Any, operand: Any, delta: int) -> Any:
    """c_i without the sum over the bits above."""
    sign = 1 - 2 * delta
    values = [(-bit).plus_small(sign + alpha) for bit, alpha in zip(bits, operand.low_bits, strict=True)]
    return [*values, steps.DgkCiphertext(values[0].key, values[0].key.g)]


@pytest.mark.parametrize(
    "broken", [without_equality, without_higher_bits, pytest.param(None, id="least significant bit first")]
)
def test_c8_without_a_correction_answers_are_wrong(monkeypatch: pytest.MonkeyPatch, broken: Any) -> None:
    original = steps.differences

    def reversed_order(bits: Any, operand: Any, delta: int) -> Any:
        flipped = steps.Operand(0, 1)
        flipped.low_bits, flipped.top_bit = operand.low_bits[::-1], operand.top_bit
        return original(bits[::-1], flipped, delta)

    monkeypatch.setattr(steps, "differences", broken or reversed_order)
    assert wrong_answers(toy_bench()) > 0


def test_c8_equality_answers_yes_and_a_strict_comparison_fails_exactly_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """`<` instead of `<=` between alpha and beta: wrong where they are equal, that is where 8 divides S - T."""
    original = steps.differences

    def strict(bits: Any, operand: Any, delta: int) -> Any:
        values = original(bits, operand, delta)
        return [*values[:-1], values[-1].plus_small(1 - 2 * delta)]

    bench = toy_bench()
    for total in range(8):
        assert bench.compare(bench.session(SHAPE, [total]), bench.encrypt(SHAPE, [total]), bench.mask(SHAPE), [0]) == [
            1
        ]
    monkeypatch.setattr(steps, "differences", strict)
    wrong = [
        (total, threshold)
        for total, threshold in product(range(8), range(9))
        if bench.compare(bench.session(SHAPE, [threshold]), bench.encrypt(SHAPE, [total]), bench.mask(SHAPE), [0])
        != [int(total >= threshold)]
    ]
    assert wrong == [(0, 0), (0, 8), *((total, total) for total in range(1, 8))]


def test_c8_without_the_guard_bit_below_the_window_answers_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The carry from the slot below would then fall on the score itself."""
    shape = Layout(40, 2, 2, sigma=6, minimum_sigma=6)

    def slot_only(self: Layout, number: Any, slot: int) -> Any:
        return (int(number) >> (self.slot_bits * slot)) << 1 & ((1 << (self.slot_bits + 1)) - 1)

    def wrong() -> Any:
        bench, count = toy_bench(), 0
        for low, high, threshold in product(range(4), range(4), range(5)):
            answer = bench.compare(
                bench.session(shape, [0, threshold]), bench.encrypt(shape, [low, high]), bench.mask(shape), [0, 0]
            )
            count += answer != [1, int(high >= threshold)]
        return count

    assert wrong() == 0
    monkeypatch.setattr(Layout, "window", slot_only)
    assert wrong() > 0


def test_thresholds_0_and_2_to_the_l_answer_always_and_never() -> None:
    bench = toy_bench()
    for total in range(8):
        product_ = bench.encrypt(SHAPE, [total])
        assert bench.compare(bench.session(SHAPE, [0]), product_, bench.mask(SHAPE), [1]) == [1]
        assert bench.compare(bench.session(SHAPE, [8]), product_, bench.mask(SHAPE), [1]) == [0]
    for outside in (-1, 9):
        with pytest.raises(UsageError, match="lies outside"):
            bench.session(SHAPE, [outside])


def test_zero_blinders_are_never_drawn_and_would_spoil_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    randomness = SeededRandomness("blinders")
    assert {steps.blinder(randomness, 7) for _ in range(500)} == set(range(1, 7))
    monkeypatch.setattr(steps, "blinder", lambda _randomness, u: u)
    assert wrong_answers(toy_bench()) > 0


def decrypted(private: Any, values: Any) -> Any:
    """The plaintexts of DGK values, by search."""
    p, v_p = int(private._p), int(private._v_p)
    table = {pow(pow(int(private.public.g), v_p, p), m, p): m for m in range(private.public.u)}
    return [table[pow(int(value.value), v_p, p)] for value in values]


def replies(alpha: int, beta: int, delta: int, width: int = 3, runs: int = 60) -> Any:
    private = toy_dgk(width)
    owner = private.encryptor(SeededRandomness("owner"))
    peer, randomness = private.public.encryptor(SeededRandomness("peer")), SeededRandomness("replies")
    for _ in range(runs):
        bits = steps.encrypt_bits(owner, steps.Operand(beta, width))
        yield decrypted(private, steps.blind_differences(bits, steps.Operand(alpha, width), delta, peer, randomness))


def test_unblinded_replies_show_how_far_the_bits_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """With blinders, the multiset of non-zero values is uniform; without, it depends on alpha."""
    seen = {tuple(sorted(values)) for values in replies(alpha=5, beta=2, delta=0)}
    assert len(seen) > 30
    monkeypatch.setattr(steps, "blinder", lambda _randomness, _u: 1)
    for alpha, beta in [(5, 2), (7, 2)]:
        assert len({tuple(sorted(values)) for values in replies(alpha, beta, delta=0)}) == 1
    one, other = (next(iter(replies(alpha, 2, 0))) for alpha in (5, 7))
    assert sorted(one) != sorted(other)


def test_blinded_values_are_uniform_among_the_non_zero() -> None:
    """Exhaustively: every non-zero value times all blinders gives every non-zero value once."""
    u = toy_dgk(3).public.u
    for value in range(1, u):
        assert sorted(value * blinder % u for blinder in range(1, u)) == list(range(1, u))


def test_unshuffled_replies_show_where_the_bits_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    def places() -> Any:
        return {values.index(0) for values in replies(alpha=2, beta=5, delta=0)}

    assert places() == {0, 1, 2, 3}
    monkeypatch.setattr(steps, "shuffle", lambda _randomness, _items: None)
    assert len(places()) == 1


def recover(private: Any, bits: Any, values: Any, width: int) -> Any:
    """Evaluator 2's attack on values that were not re-randomised: try every alpha, delta and blinder."""
    received = {int(value.value) for value in values}
    u, n = private.public.u, int(private.public.n)
    found = []
    for alpha, delta in product(range(1 << width), (0, 1)):
        guess = steps.differences(bits, steps.Operand(alpha, width), delta)
        hits = sum(any(pow(int(value.value), b, n) in received for b in range(1, u)) for value in guess)
        if hits == width + 1:
            found.append((alpha, delta))
    return found


def test_c10_unrerandomised_replies_show_alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    width, private = 3, toy_dgk(3)
    owner = private.encryptor(SeededRandomness("owner"))
    peer, randomness = private.public.encryptor(SeededRandomness("peer")), SeededRandomness("attack")
    bits = steps.encrypt_bits(owner, steps.Operand(2, width))

    def attack() -> Any:
        return recover(
            private, bits, steps.blind_differences(bits, steps.Operand(5, width), 0, peer, randomness), width
        )

    assert attack() == []
    monkeypatch.setattr(DgkEncryptor, "rerandomise", lambda _self, c: FreshDgkCiphertext(c.key, c.value))
    assert attack() == [(5, 0)]


def test_a_dgk_key_with_too_small_a_u_is_refused_and_would_answer_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """U = 5 serves one bit; here four are compared, whose values reach 11, and 5 and 10 would count as zero."""
    bench = Bench(toy_dealing(40), toy_dgk(1))
    assert bench.dgk.public.u == 5
    with pytest.raises(UsageError, match="A DGK key for 1 bits cannot compare 4"):
        wrong_answers(bench)
    monkeypatch.setitem(bench.dgk.public.__dict__, "comparison_bits", 99)
    assert wrong_answers(bench) > 0


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_values_stay_within_the_bounds_that_u_was_chosen_for(width: int) -> None:
    """All c_i and c_last lie in [-2, 3 l' - 1]; both ends are reached, so u > 3 l' is what it takes."""
    lowest, highest = 0, 0
    for alpha, beta, delta in product(range(1 << width), range(1 << width), (0, 1)):
        a, b = ([number >> place & 1 for place in range(width)] for number in (alpha, beta))
        unequal = [x ^ y for x, y in zip(a, b, strict=True)]
        values = [1 - 2 * delta + a[i] - b[i] + 3 * sum(unequal[i + 1 :]) for i in range(width)]
        values.append(delta + sum(unequal))
        lowest, highest = min(lowest, *values), max(highest, *values)
        assert values.count(0) == (int(beta >= alpha) ^ delta)
    assert (lowest, highest) == (-2, max(2, 3 * width - 1))


def test_a_mask_is_used_once_and_would_show_the_difference_of_two_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, private = toy_bench(), toy_private_key(40)
    mask = bench.mask(SHAPE)
    first, second = bench.encrypt(SHAPE, [6]), bench.encrypt(SHAPE, [1])
    assert bench.compare(bench.session(SHAPE, [4]), first, mask, [0]) == [1]
    with pytest.raises(UsageError, match="already consumed"):
        bench.compare(bench.session(SHAPE, [4], b"rerun"), first, mask, [0])
    opened = [private.decrypt(total + mask.ciphertext) for total in (first, second)]
    assert opened[0] - opened[1] == 6 - 1
    monkeypatch.setattr(Mask, "consume", lambda self: private.decrypt(self.ciphertext))
    assert bench.compare(bench.session(SHAPE, [4], b"rerun"), second, mask, [0]) == [0]


def test_the_mask_is_noted_as_consumed_before_anything_is_sent() -> None:
    bench = toy_bench()
    mask, events = bench.mask(SHAPE), []

    class Noting:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        async def send(self, recipient: Any, message: Any) -> None:
            events.append(type(message).__name__)
            await self.inner.send(recipient, message)

        async def receive(self, sender: Any, kind: Any) -> Any:
            return await self.inner.receive(sender, kind)

    bench.consumed = events
    bench.settle(
        bench.session(SHAPE, [4]),
        bench.encrypt(SHAPE, [3]),
        mask,
        [0],
        wrap=lambda channel, party: Noting(channel) if party == "authority-1" else channel,
    )
    assert events == [mask.identifier, "MaskAnnouncement", "OpeningShare", "BlindedDifferences"]


def test_nothing_is_sent_when_noting_the_mask_fails() -> None:
    bench, recording = toy_bench(), Recording()
    bench.consumed = None
    with pytest.raises(AttributeError):
        bench.settle(bench.session(SHAPE, [4]), bench.encrypt(SHAPE, [3]), bench.mask(SHAPE), [0], wrap=recording.wrap)
    assert recording.messages == []


def test_c4_different_sums_at_the_two_evaluators_are_noticed_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = toy_bench()

    def run() -> Any:
        return bench.settle(
            bench.session(SHAPE, [4]),
            bench.encrypt(SHAPE, [3]),
            bench.mask(SHAPE),
            [0],
            product_2=bench.encrypt(SHAPE, [5]),
        )["authority-2"].error

    error = run()
    assert isinstance(error, InvalidProofError)
    assert (error.culprit, error.step) == ("authority-1", programs.READ_MASK)
    monkeypatch.setattr(session, "expect", None)
    monkeypatch.setattr(programs, "expect", lambda *_: None)
    assert run().step == "verify share proof"
    monkeypatch.setattr(ShareVerifier, "verify", lambda *_args, **_more: None)
    assert isinstance(run(), UsageError)


DIFFERENT = {
    "another threshold": {"thresholds": (5,)},
    "another context (policy, query, nullifier, epoch, attempt)": {"context": b"other"},
    "another packing": {"layout": Layout(40, 3, 1, sigma=7, minimum_sigma=6)},
    "another index": {"evaluator_1": session.Evaluator("authority-1", 3)},
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_c4_w4_sessions_that_differ_are_noticed_before_anything_is_opened(name: str) -> None:
    bench = toy_bench()
    ours = bench.session(SHAPE, [4])
    parts = {field: getattr(ours, field) for field in ComparisonSession.__slots__}
    theirs = ComparisonSession(**(parts | DIFFERENT[name]))
    outcomes = bench.settle(ours, bench.encrypt(SHAPE, [3]), bench.mask(SHAPE), [0], session_2=theirs)
    error = outcomes["authority-2"].error
    assert (error.culprit, error.step) == ("authority-1", programs.READ_MASK)
    assert outcomes["authority-1"].error is not None


def sizes(scores: list[int], bounds: list[int], mask: int) -> Any:
    shape = Layout(40, 3, len(scores), sigma=6, minimum_sigma=6)
    bench, recording = toy_bench(), Recording()
    bench.settle(
        bench.session(shape, bounds),
        bench.encrypt(shape, scores),
        bench.mask(shape, mask),
        [0] * len(scores),
        wrap=recording.wrap,
    )
    return recording.summary()


def test_h4_s4_message_sizes_do_not_depend_on_scores_masks_or_answers() -> None:
    everything = [
        sizes([score], [bound], mask) for score, bound, mask in product((0, 3, 7), (0, 4, 8), (0, 1 << 9, 1023))
    ]
    assert all(seen == everything[0] for seen in everything)


def test_every_value_is_tested_for_zero_wherever_the_zero_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the zero test must not show the place of the zero."""
    private, tested = toy_dgk(3), []
    encryptor = private.public.encryptor(SeededRandomness("zeros"))
    original = type(private).is_zero
    monkeypatch.setattr(type(private), "is_zero", lambda self, c: tested.append(c) or original(self, c))
    for place in range(4):
        tested.clear()
        values = [encryptor.encrypt(0 if place == index else 1) for index in range(4)]
        assert steps.contains_zero(private, values) == 1
        assert len(tested) == 4


def test_c10_blinded_differences_take_only_what_was_rerandomised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DgkEncryptor, "rerandomise", lambda _self, ciphertext: ciphertext)
    with pytest.raises(AttributeError, match="to_bytes"):
        wrong_answers(toy_bench())
