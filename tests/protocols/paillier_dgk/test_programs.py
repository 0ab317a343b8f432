"""Both programs in one process: cost, views, reruns, faults, and what peers get blamed for."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import msgspec
import pytest

from privcredit.channels.faulty import Fault, FaultyChannel, Trouble, Wire, random_script
from privcredit.channels.in_process import InProcessNetwork
from privcredit.channels.recording import Recording
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import FreshCiphertext
from privcredit.crypto.threshold import PartialDecryption
from privcredit.errors import InvalidProofError, PeerError, UnavailableError, UsageError
from privcredit.messages.codec import decode
from privcredit.protocols.paillier_dgk import Evaluator, predicted_cost, programs
from privcredit.protocols.paillier_dgk.messages import (
    MAX_SEALED_SHARE_BYTES,
    BlindedDifferences,
    EncryptedBits,
    MaskAnnouncement,
    OpeningShare,
)
from privcredit.protocols.paillier_dgk.session import Transcript
from privcredit.protocols.paillier_dgk.steps import Operand, threshold_operands
from support.dgk import Bench, full_bench, toy_bench
from support.keys import toy_private_key
from support.seeded import SeededRandomness

SHAPE = Layout(40, 3, 1, sigma=6, minimum_sigma=6)


@pytest.mark.parametrize(
    ("score_bits", "slots", "box"), [(1, 1, 0), (3, 1, 200), (2, 3, 300), (16, 1, 600), (1, 17, 70)]
)
def test_predicted_cost_is_the_measured_cost(score_bits: int, slots: int, box: int) -> None:
    bits = 96
    shape = Layout(bits, score_bits, slots, sigma=6, minimum_sigma=6)
    bench, network = toy_bench(bits, comparison_bits=20), InProcessNetwork()
    bench.compare(
        bench.session(shape, [1] * slots),
        bench.encrypt(shape, [1] * slots),
        bench.mask(shape),
        [0] * slots,
        network=network,
        seal=lambda _output: bytes(box),
    )
    cost = predicted_cost(bits, score_bits, slots, sigma=6, sealed_share_bytes=box)
    one, two = network.accounts["authority-1"], network.accounts["authority-2"]
    assert (one.bytes_sent, two.bytes_sent) == (cost.bytes_1, cost.bytes_2)
    assert (one.bytes_received, two.bytes_received) == (cost.bytes_2, cost.bytes_1)
    assert one.messages_sent + two.messages_sent == cost.messages
    assert network.rounds == cost.rounds
    assert cost.total_bytes == cost.bytes_1 + cost.bytes_2


def test_at_2048_bits_answers_and_cost_are_right() -> None:
    bench, network = full_bench(2048), InProcessNetwork()
    shape = Layout(2048, 12, 2)
    answer = bench.compare(
        bench.session(shape, [1000, 1001]),
        bench.encrypt(shape, [1000, 1000]),
        bench.mask(shape),
        [1, 0],
        network=network,
    )
    cost = predicted_cost(2048, 12, 2, sealed_share_bytes=9)
    assert answer == [1, 0]
    assert network.accounts["authority-1"].bytes_sent == cost.bytes_1
    assert network.accounts["authority-2"].bytes_sent == cost.bytes_2


def test_with_a_thread_pool_the_answers_are_the_same() -> None:
    bench = toy_bench()
    with ThreadPoolExecutor(2) as executor:
        for total in range(8):
            answer = bench.compare(
                bench.session(SHAPE, [4]), bench.encrypt(SHAPE, [total]), bench.mask(SHAPE), [1], executor=executor
            )
            assert answer == [int(total >= 4)]


def test_a12_a_rerun_with_a_fresh_mask_releases_the_same_shares() -> None:
    bench = toy_bench()
    for total, fixed in product((2, 4, 5), (0, 1)):
        seen = set()
        for attempt in range(5):
            session = bench.session(SHAPE, [4], context=b"attempt %d" % attempt)
            outcomes = bench.settle(session, bench.encrypt(SHAPE, [total]), bench.mask(SHAPE), [fixed])
            seen.add(tuple(outcome.result().shares.bits for outcome in outcomes.values()))
        assert seen == {((fixed,), (fixed ^ int(total >= 4),))}


def recorded_run(bench: Bench, total: int, mask_value: int) -> Any:
    recording = Recording()
    outcomes = bench.settle(
        bench.session(SHAPE, [4]),
        bench.encrypt(SHAPE, [total]),
        bench.mask(SHAPE, mask_value),
        [0],
        wrap=recording.wrap,
    )
    return recording, outcomes


def test_c9_a11_evaluator_1_receives_encrypted_bits_and_nothing_else() -> None:
    recording, _ = recorded_run(toy_bench(), 5, 77)
    assert [seen.kind for seen in recording.received_by("authority-1")] == ["EncryptedBits"]
    assert [seen.kind for seen in recording.received_by("authority-2")] == [
        "MaskAnnouncement",
        "OpeningShare",
        "BlindedDifferences",
    ]


def test_c9_two_authorities_together_open_the_sum() -> None:
    """The stated limit: evaluator 2's opened value minus evaluator 1's mask is the score."""
    bench, key = toy_bench(), toy_private_key(40)
    recording, _ = recorded_run(bench, 5, 77)
    announced = decode(recording.received_by("authority-2")[0].data, MaskAnnouncement)
    bench = toy_bench()
    masked = bench.encrypt(SHAPE, [5]) + bench.encryptor.key.ciphertext(announced.ciphertext)
    assert key.decrypt(masked) - 77 == 5


def test_the_mask_hides_the_sum_statistically() -> None:
    """Over all masks, the opened values for two scores differ in 2^-sigma of the cases and no more."""
    values = [[score + mask for mask in range(1 << SHAPE.mask_bits)] for score in (0, 7)]
    common = set(values[0]) & set(values[1])
    assert len(common) == len(values[0]) - 7
    assert 7 / len(values[0]) <= 2**-SHAPE.sigma


def test_transcripts_agree_and_differ_between_sessions() -> None:
    bench = toy_bench()
    ends = set()
    for context in (b"one", b"two"):
        outcomes = bench.settle(bench.session(SHAPE, [4], context), bench.encrypt(SHAPE, [3]), bench.mask(SHAPE), [0])
        one, two = (outcome.result() for outcome in outcomes.values())
        assert one.transcript == two.transcript == one.shares.transcript
        ends.add(one.transcript)
    assert len(ends) == 2


def test_w3_moving_bytes_across_a_field_border_changes_the_transcript() -> None:
    slots = [((b"ab", b"c"), (b"d",)), ((b"a", b"bc"), (b"d",)), ((b"ab",), (b"c", b"d")), ((b"ab", b"c", b"d"),)]
    assert len({Transcript(bytes(32)).extend_slots("step", parts) for parts in slots}) == len(slots)
    assert Transcript(bytes(32)).extend("step", b"ab", b"") != Transcript(bytes(32)).extend("stepa", b"b", b"")


def test_a8_outcomes_masks_and_operands_show_nothing() -> None:
    bench = toy_bench()
    _, outcomes = recorded_run(bench, 5, 77)
    outcome = outcomes["authority-1"].result()
    mask = bench.mask(SHAPE, 424242 % 1024)
    for secret in (outcome, outcome.shares, mask, Operand(5, 4), *threshold_operands(SHAPE, 3, [4])):
        assert repr(secret) == f"<{type(secret).__name__}, redacted>"
        with pytest.raises(TypeError):
            msgspec.msgpack.encode(secret)


# Faults of the carrier: a typed error or the right answer, never a wrong one.


def fault_run(scripts: Any, total: int) -> Any:
    bench, wire = toy_bench(), Wire()
    outcomes = bench.settle(
        bench.session(SHAPE, [4]),
        bench.encrypt(SHAPE, [total]),
        bench.mask(SHAPE),
        [1],
        wrap=lambda channel, party: FaultyChannel(channel, party, wire, scripts.get(party, {})),
    )
    for outcome in outcomes.values():
        assert outcome.error is None or isinstance(outcome.error, PeerError | UnavailableError)
    if all(outcome.error is None for outcome in outcomes.values()):
        one, two = (outcome.result().shares.bits[0] for outcome in outcomes.values())
        assert one ^ two == int(total >= 4)
        return True
    return False


MESSAGES = [("authority-1", 0), ("authority-1", 1), ("authority-1", 2), ("authority-2", 0)]


@pytest.mark.parametrize(("party", "number"), MESSAGES)
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.DUPLICATE, Fault.REORDER])
def test_n3_lost_repeated_and_late_messages_end_in_a_typed_error(party: str, number: int, fault: Fault) -> None:
    harmless = fault is Fault.DUPLICATE and (party, number) in [("authority-1", 2), ("authority-2", 0)]
    for total in (3, 4):
        assert fault_run({party: {number: Trouble(fault)}}, total) == harmless


@pytest.mark.parametrize(("party", "number"), MESSAGES)
def test_n3_every_flipped_byte_is_noticed(party: str, number: int) -> None:
    recording, _ = recorded_run(toy_bench(), 3, 77)
    sent = [seen for seen in recording.transfers() if seen.party == party]
    for place in range(len(sent[number].data)):
        assert not fault_run({party: {number: Trouble(Fault.CORRUPT, bit=8 * place + place % 8)}}, 3)


def test_n3_random_scripts_never_give_a_wrong_answer() -> None:
    for seed in range(200):
        randomness = SeededRandomness(f"script {seed}")
        scripts = {party: random_script(randomness, 3, 1) for party in ("authority-1", "authority-2")}
        fault_run(scripts, total=seed % 8)


# A dishonest peer: its messages have right transcripts and wrong contents.


class Forging:
    """Changes a party's messages before they are sent; the transcripts are recomputed so that only content is wrong."""

    def __init__(self, inner: Any, kind: Any, forge: Any) -> None:
        self.inner, self.kind, self.forge = inner, kind, forge

    async def send(self, recipient: Any, message: Any) -> None:
        await self.inner.send(recipient, self.forge(message) if isinstance(message, self.kind) else message)

    async def receive(self, sender: Any, kind: Any) -> Any:
        return await self.inner.receive(sender, kind)


def forge_run(kind: Any, forge: Any, monkeypatch: pytest.MonkeyPatch, bench: Any = None) -> Any:
    """Run with one forged message; transcripts are switched off, as a dishonest peer would recompute them."""
    monkeypatch.setattr(programs, "expect", lambda *_: None)
    bench = bench or toy_bench()
    outcomes = bench.settle(
        bench.session(SHAPE, [4]),
        bench.encrypt(SHAPE, [3]),
        bench.mask(SHAPE),
        [1],
        wrap=lambda channel, _: Forging(channel, kind, forge),
    )
    failures = [outcome.error for outcome in outcomes.values() if isinstance(outcome.error, PeerError)]
    assert len(failures) == 1
    return failures[0]


def changed(message: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(message, **fields)


BENCH = toy_bench()
N = int(BENCH.dealing.threshold_key.key.n)
SIZE = BENCH.dealing.threshold_key.key.ciphertext_bytes
DGK_N = int(BENCH.dgk.public.n)
DGK_SIZE = BENCH.dgk.public.ciphertext_bytes
BAD_PAILLIER = {
    "zero": bytes(SIZE),
    "n": N.to_bytes(SIZE, "big"),
    "n squared": (N * N).to_bytes(SIZE, "big"),
    "too short": b"\1" * (SIZE - 1),
    "too long": b"\1" * (SIZE + 1),
}
BAD_DGK = {
    "zero": bytes(DGK_SIZE),
    "n": DGK_N.to_bytes(DGK_SIZE, "big"),
    "a multiple of p": int(BENCH.dgk._p).to_bytes(DGK_SIZE, "big"),
    "too long": b"\1" * (DGK_SIZE + 1),
}


@pytest.mark.parametrize("name", BAD_PAILLIER)
def test_w1_invalid_mask_ciphertext(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = forge_run(MaskAnnouncement, lambda m: changed(m, ciphertext=BAD_PAILLIER[name]), monkeypatch)
    assert (type(error), error.culprit, error.step) == (InvalidProofError, "authority-1", programs.READ_MASK)


@pytest.mark.parametrize("name", BAD_DGK)
@pytest.mark.parametrize(
    ("kind", "culprit", "step"),
    [
        (EncryptedBits, "authority-2", programs.READ_BITS),
        (BlindedDifferences, "authority-1", programs.READ_DIFFERENCES),
    ],
)
def test_w1_invalid_dgk_ciphertext(
    name: str, kind: type, culprit: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> Any:
    def forge(message: Any) -> Any:
        return changed(message, slots=((*message.slots[0][1:], BAD_DGK[name]),))

    error = forge_run(kind, forge, monkeypatch)
    assert (type(error), error.culprit, error.step) == (InvalidProofError, culprit, step)


SHAPES = {
    "no slot": lambda _slots: (),
    "an empty slot": lambda _slots: ((),),
    "one slot too many": lambda slots: (*slots, slots[0]),
    "one ciphertext too few": lambda slots: (slots[0][1:],),
    "one ciphertext too many": lambda slots: ((*slots[0], slots[0][0]),),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("kind", "culprit"), [(EncryptedBits, "authority-2"), (BlindedDifferences, "authority-1")])
def test_w2_one_item_too_few_or_too_many(name: str, kind: type, culprit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = forge_run(kind, lambda m: changed(m, slots=SHAPES[name](m.slots)), monkeypatch)
    assert isinstance(error, InvalidProofError)
    assert error.culprit == culprit
    assert "ciphertexts each" in error.sentence


def times(factor: int) -> Any:
    def forge(message: Any) -> Any:
        value = int.from_bytes(message.partial, "big") * factor % (N * N)
        return changed(message, partial=value.to_bytes(SIZE, "big"))

    return forge


def test_a1_a_share_times_a_power_of_1_plus_n_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    error = forge_run(OpeningShare, times(1 + 5 * N), monkeypatch)
    assert (error.culprit, error.step) == ("authority-1", "verify share proof")


def test_a1_without_the_proof_it_would_move_the_opened_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = toy_bench()
    monkeypatch.setattr(bench.verifier, "verify", lambda *_args, **_more: None)
    opened = []
    original = programs.verify_and_combine
    monkeypatch.setattr(programs, "verify_and_combine", lambda *args: opened.append(original(*args)) or opened[-1])
    for factor in (1, 1 + 5 * N):
        monkeypatch.setattr(programs, "expect", lambda *_: None)
        bench.settle(
            bench.session(SHAPE, [4]),
            bench.encrypt(SHAPE, [3]),
            bench.mask(SHAPE, 77),
            [1],
            wrap=lambda channel, _, factor=factor: Forging(channel, OpeningShare, times(factor)),
        )
    assert opened[0] == 80
    assert opened[1] != 80


@pytest.mark.parametrize("proof", [b"\0", bytes(200)])
def test_w2_a_proof_of_the_wrong_length_is_refused(proof: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    error = forge_run(OpeningShare, lambda m: changed(m, proof=proof), monkeypatch)
    assert (error.culprit, error.step) == ("authority-1", "verify share proof")


def test_w4_a_proof_from_another_session_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = toy_bench()
    recording = Recording()
    bench.settle(
        bench.session(SHAPE, [4], b"earlier"),
        bench.encrypt(SHAPE, [3]),
        bench.mask(SHAPE),
        [1],
        wrap=recording.wrap,
    )
    earlier = decode(recording.received_by("authority-2")[1].data, OpeningShare)
    error = forge_run(OpeningShare, lambda _: earlier, monkeypatch)
    assert (error.culprit, error.step) == ("authority-1", "verify share proof")


def test_w4_messages_replayed_from_another_session_are_refused() -> None:
    bench, earlier = toy_bench(), Recording()
    bench.settle(
        bench.session(SHAPE, [4], b"earlier"), bench.encrypt(SHAPE, [3]), bench.mask(SHAPE), [1], wrap=earlier.wrap
    )
    for old in earlier.transfers():
        kind = {cls.__name__: cls for cls in (MaskAnnouncement, OpeningShare, EncryptedBits, BlindedDifferences)}[
            old.kind
        ]
        replayed = decode(old.data, kind)
        outcomes = bench.settle(
            bench.session(SHAPE, [4]),
            bench.encrypt(SHAPE, [3]),
            bench.mask(SHAPE),
            [1],
            wrap=lambda channel, _, kind=kind, replayed=replayed: Forging(channel, kind, lambda _m: replayed),
        )
        errors = [outcome.error for outcome in outcomes.values() if isinstance(outcome.error, PeerError)]
        assert [error.culprit for error in errors] == [old.sender]
        assert "another session" in errors[0].sentence


# Wrong arguments of our own side.


def settle_error(bench: Bench, party: str, **parts: Any) -> Any:
    given = {
        "session": bench.session(SHAPE, [4]),
        "product": bench.encrypt(SHAPE, [3]),
        "mask": bench.mask(SHAPE),
        "shares": [1],
    } | parts
    return bench.settle(given.pop("session"), given.pop("product"), given.pop("mask"), given.pop("shares"), **given)[
        party
    ].error


def test_wrong_arguments_are_named_before_the_mask_is_used() -> None:
    bench = toy_bench()
    other_layout = Layout(40, 3, 2, sigma=6, minimum_sigma=6)
    foreign = FreshCiphertext(toy_private_key(64).key, 5)
    for parts, sentence in [
        ({"shares": []}, "one fixed output bit"),
        ({"shares": [2]}, "one fixed output bit"),
        ({"mask": bench.mask(other_layout)}, "prepared for another layout"),
        ({"product": foreign}, "under another key"),
    ]:
        error = settle_error(bench, "authority-1", **parts)
        assert isinstance(error, UsageError)
        assert sentence in str(error)
    assert bench.consumed == []


def test_a4_indices_must_be_those_of_the_shares() -> None:
    bench = toy_bench()
    for first, second, party in [(3, 2, "authority-1"), (1, 3, "authority-2")]:
        session = bench.session(SHAPE, [4])
        wrong = type(session)(
            session.threshold_key, SHAPE, (4,), b"c", Evaluator("authority-1", first), Evaluator("authority-2", second)
        )
        error = settle_error(bench, party, session=wrong)
        assert isinstance(error, UsageError)
        assert "another index" in str(error)


@pytest.mark.parametrize(
    ("first", "second"), [(("a", 1), ("a", 2)), (("a", 1), ("b", 1)), (("a", 0), ("b", 1)), (("a", 1), ("b", 4))]
)
def test_a4_a_session_needs_two_different_authorities(first: tuple, second: tuple) -> None:
    threshold_key = toy_bench().dealing.threshold_key
    with pytest.raises(UsageError, match="two different authorities"):
        programs.ComparisonSession(threshold_key, SHAPE, (4,), b"c", Evaluator(*first), Evaluator(*second))


def test_a_session_needs_a_threshold_for_each_slot_and_a_packing_that_fits() -> None:
    bench = toy_bench()
    with pytest.raises(UsageError, match="one threshold for each of its 1 slots"):
        bench.session(SHAPE, [4, 4])
    with pytest.raises(UsageError, match="made for a longer key"):
        bench.session(Layout(64, 3, 1, sigma=6, minimum_sigma=6), [4])


def test_a_sealed_share_over_the_limit_is_refused() -> None:
    bench = toy_bench()
    error = settle_error(bench, "authority-1", seal=lambda _output: bytes(MAX_SEALED_SHARE_BYTES + 1))
    assert isinstance(error, UsageError)
    assert "4096 is the limit" in str(error)


def test_seal_gets_the_bits_and_the_transcript_of_this_authority() -> None:
    bench, given = toy_bench(), []
    outcomes = bench.settle(
        bench.session(SHAPE, [4]),
        bench.encrypt(SHAPE, [3]),
        bench.mask(SHAPE),
        [1],
        seal=lambda output: given.append(output) or b"box",
    )
    assert given[0].bits == (1,)
    assert given[0].transcript == outcomes["authority-2"].result().transcript
    assert outcomes["authority-2"].result().sealed_share == b"box"


def test_a11_evaluator_2_never_releases_its_own_partial_decryption(monkeypatch: pytest.MonkeyPatch) -> None:
    exported = []
    original = PartialDecryption.bytes_for_sealing
    monkeypatch.setattr(
        PartialDecryption, "bytes_for_sealing", lambda self, key: exported.append(self.index) or original(self, key)
    )
    recorded_run(toy_bench(), 3, 77)
    assert exported == [1]
