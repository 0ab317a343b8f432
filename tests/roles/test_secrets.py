"""What never leaves an authority and what never shows anywhere: threats.md A8, A11."""

import gc
import logging
import traceback

import pytest
from msgspec.structs import replace

from privcredit.errors import PrivcreditError
from privcredit.messages.codec import encode_json
from privcredit.protocols.paillier_dgk import opening, programs
from privcredit.protocols.paillier_dgk.messages import OpeningShare
from privcredit.storage.authority import AuthorityRecords
from support.federation import AUTHORITIES, HOLDERS, Town, authority_dgk, party_keys
from support.inspection import ONE, TWO, evaluator, next_epoch, pin_at, read_share, secret_of, spellings
from support.keys import dealing_2048

SECRET_DGK_FIELDS = ("_p", "_q", "_v_p", "_v_q")

# --- A11, A8: what never leaves, what never shows --------------------------------------------------------------------


def test_a11_partial_decryptions_and_the_opened_sum_stay_between_the_evaluators(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither stands in any database, log, result or receipt after a question."""
    secrets: list[bytes] = []
    honest_open, honest_combine = opening.open_towards_2, opening.verify_and_combine

    def watch_open(*arguments: object) -> OpeningShare:
        share = honest_open(*arguments)
        secrets.append(share.partial)
        return share

    def watch_combine(*arguments: object) -> int:
        z = honest_combine(*arguments)
        secrets.append(int(z).to_bytes((int(z).bit_length() + 7) // 8, "big"))
        return z

    monkeypatch.setattr(programs, "open_towards_2", watch_open)
    monkeypatch.setattr(programs, "verify_and_combine", watch_combine)
    answer = town.ask("anna")
    assert len(secrets) == 2
    everything = encode_json(answer) + b"".join(
        path.read_bytes() for path in town.directory.iterdir() if path.is_file()
    )
    for secret in secrets:
        assert secret not in everything
        assert not any(spelling.encode() in everything for spelling in spellings(secret)[:3])


def test_a11_evaluator_1_and_everyone_else_cannot_even_be_addressed(town: Town) -> None:
    order = town.order("anna")
    comparer = evaluator(town)._comparer
    policy = town.registry.policy(order.header.policy_hash)
    session = comparer.session(bytes(32), policy, (ONE, TWO))
    share = OpeningShare(partial=b"x", proof=b"x", transcript=bytes(32))
    session.address_2.check(share)
    with pytest.raises(PrivcreditError, match="must never be sent"):
        session.address_1.check(share)


def canaries(town: Town) -> dict[str, str]:
    """Every spelling of every secret of a question, by what it is."""
    secret = {"wallet secret": secret_of(town, "anna").scalar.export_secret()}
    for name in (*HOLDERS, *AUTHORITIES, "shop", "coordinator"):
        secret[f"signing seed of {name}"] = party_keys(name).signing.export_seed()
        secret[f"sealing seed of {name}"] = party_keys(name).sealing.export_seed()
    texts = {f"{what} as {text[:6]}": text for what, data in secret.items() for text in spellings(data)}
    numbers = {f"key share {share.index}": share.secret for share in dealing_2048().shares}
    for name in AUTHORITIES:
        key = authority_dgk(name)
        numbers |= {f"DGK {field.strip('_')} of {name}": getattr(key, field) for field in SECRET_DGK_FIELDS}
    for what, number in numbers.items():
        texts |= {what: str(int(number)), f"{what}, hexadecimal": f"{int(number):x}"}
    return texts


def test_a8_no_secret_shows_in_reprs_logs_or_tracebacks(
    town: Town, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    code = town.code("bank", "anna#canary", "enrolment")
    town.ask("anna")
    texts = [caplog.text, *reprs(town), *tracebacks(town, monkeypatch)]
    found = [what for what, canary in {**canaries(town), "code": code}.items() for text in texts if canary in text]
    assert found == []
    assert len(texts) > 50


def reprs(town: Town) -> list[str]:
    """What a debugger, an error or a log line would print of everything that the roles hold."""
    roots = [*town.holders.values(), *town.authorities.values(), town.coordinator, *town.verifiers.values()]
    seen: dict[int, object] = {}
    waiting: list[object] = [*roots, *town.wallets.values()]
    while waiting:
        thing = waiting.pop()
        module = type(thing).__module__
        if id(thing) in seen or not module.startswith(("privcredit", "builtins")) or isinstance(thing, type):
            continue
        seen[id(thing)] = thing
        if module.startswith("privcredit") or isinstance(thing, (dict, list, tuple)):
            waiting.extend(gc.get_referents(thing))
    return [repr(thing) for thing in seen.values() if type(thing).__module__.startswith("privcredit")]


def tracebacks(town: Town, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is printed when a role fails somewhere in the middle."""
    printed = []
    next_epoch(town)
    order = town.order("anna")

    def broken(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    for where, name in ((AuthorityRecords, "complete"), (AuthorityRecords, "log"), (AuthorityRecords, "add_pin")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, broken)
            try:
                evaluator(town).evaluate(replace(order, contributions=()))
            except (RuntimeError, PrivcreditError) as error:
                printed.append("".join(traceback.format_exception(error)))
    return printed


def test_a8_output_shares_and_pins_are_redacted(town: Town) -> None:
    order = town.order("anna")
    result = town.evaluate(order)
    assert "bits" not in repr(read_share(result, ONE))
    assert repr(pin_at(town, ONE, order)).endswith("share=<redacted>)")
