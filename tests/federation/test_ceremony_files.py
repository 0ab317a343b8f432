import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from privcredit.crypto.ceremony import Dealing, deal, deal_from_primes
from privcredit.crypto.randomness import SystemRandomness
from privcredit.crypto.sealed import seal
from privcredit.crypto.threshold import KeyShare
from privcredit.errors import InvalidProofError, UsageError
from privcredit.federation import ceremony_files
from privcredit.federation.ceremony_files import COMPARISON_BITS, hold_ceremony, install_share, threshold_fingerprint
from privcredit.federation.documents import ShareFile, read_join
from privcredit.federation.files import read_document, write_document
from privcredit.federation.key_files import load_dgk, load_key_share
from privcredit.federation.local import AUTHORITY_NAMES
from privcredit.scorecard.policy import MAX_SCORE_BITS
from support.keys import dealing_2048, fixed_primes
from support.small_federation import BITS, SmallFederation, secrets_of_fixed_dealing

Edit = Callable[[Path, str, str], None]
SECRETS = ("share.key", "dgk.key")


@pytest.fixture
def fresh(small: SmallFederation) -> SmallFederation:
    """Before authority-1 has installed anything."""
    for name in SECRETS:
        (small.node("authority-1") / "keys" / name).unlink()
    small.statement("authority-1").unlink()
    return small


def nothing_kept(small: SmallFederation) -> bool:
    keys = small.node("authority-1") / "keys"
    return not any((keys / name).exists() for name in SECRETS) and not small.statement("authority-1").exists()


def share_file(small: SmallFederation) -> Path:
    return small.root / "ceremony" / "share-authority-1.json"


def test_everybody_has_its_own_share(small: SmallFederation) -> None:
    key = dealing_2048().threshold_key.key
    shares = [load_key_share(small.node(name), None, key) for name in AUTHORITY_NAMES]
    assert [(share.index, share.secret) for share in shares] == list(enumerate(secrets_of_fixed_dealing(), start=1))
    dgk_keys = [load_dgk(small.node(name), None).public for name in AUTHORITY_NAMES]
    assert len({dgk.n for dgk in dgk_keys}) == 3
    assert {dgk.bits for dgk in dgk_keys} == {BITS}


def test_dgk_u_is_large_enough_for_every_policy(small: SmallFederation) -> None:
    most_required_holders = 1 << 14
    widest = MAX_SCORE_BITS + most_required_holders.bit_length() + 1
    assert widest == COMPARISON_BITS
    assert load_dgk(small.node("authority-1"), None).public.u > 3 * widest


def every_spelling(secret: int) -> list[bytes]:
    length = (secret.bit_length() + 7) // 8
    big = secret.to_bytes(length, "big")
    texts = [str(secret).encode(), f"{secret:x}".encode(), f"{secret:X}".encode()]
    return [big, big[::-1], *texts, *(base64.b64encode(big[skip:])[:-4] for skip in range(3))]


def test_a6_no_prime_and_no_open_share_is_ever_on_disk(fresh: SmallFederation, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    for name in ("write_document", "write_public"):
        original = getattr(ceremony_files, name)
        monkeypatch.setattr(
            ceremony_files, name, lambda path, *rest, original=original: (original(path, *rest), written.append(path))
        )
    joins = [fresh.join(name) for name in AUTHORITY_NAMES]
    p, q = fixed_primes(BITS)
    result = hold_ceremony(
        fresh.root / "again",
        joins,
        BITS,
        SystemRandomness(),
        make_dealing=lambda _bits, randomness, progress: deal_from_primes(p, q, randomness, progress),
    )
    assert len(written) == 4
    install_share(fresh.node("authority-1"), result.share_files[0], result.threshold_key_file, SystemRandomness())
    share = load_key_share(fresh.node("authority-1"), None, dealing_2048().threshold_key.key)
    files = [path for path in fresh.root.rglob("*") if path.is_file()]
    for path in files:
        data = path.read_bytes()
        for secret in (p, q, p // 2, q // 2):
            assert not any(spelling in data for spelling in every_spelling(secret)), path
        if path.name != "share.key":
            assert not any(spelling in data for spelling in every_spelling(int(share.secret))), path


def test_a6_a_share_that_does_not_fit_blames_the_dealer(fresh: SmallFederation) -> None:
    wrong = altered_share(fresh, 1, secrets_of_fixed_dealing()[0] + 1)
    with pytest.raises(InvalidProofError) as refusal:
        fresh.install("authority-1", sealed_share=wrong)
    assert refusal.value.culprit == "dealer"
    assert nothing_kept(fresh)


def test_a6_without_the_check_the_wrong_share_would_be_kept(
    fresh: SmallFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceremony_files, "check_dealing", lambda *_, **__: None)
    fresh.install("authority-1", sealed_share=altered_share(fresh, 1, secrets_of_fixed_dealing()[0] + 1))
    assert not nothing_kept(fresh)


def test_a4_another_authoritys_share_is_refused(fresh: SmallFederation) -> None:
    wrong = altered_share(fresh, 2, secrets_of_fixed_dealing()[1])
    with pytest.raises(InvalidProofError, match="the key share is for authority 2, not 1"):
        fresh.install("authority-1", sealed_share=wrong)
    assert nothing_kept(fresh)


def altered_share(small: SmallFederation, index: int, secret: int) -> Path:
    """A share file for authority-1 with another share in its box."""
    key = dealing_2048().threshold_key.key
    file = read_document(share_file(small), ShareFile, "a share")
    share = KeyShare(index, key.fingerprint, secret)
    box = seal(read_join(small.join("authority-1")).party.sealing_key, share.to_file_bytes(key))
    path = small.root / "altered.json"
    write_document(path, replace(file, box=box))
    return path


def test_a6_values_of_another_line_are_refused(fresh: SmallFederation) -> None:
    path = fresh.ceremony.threshold_key_file
    plain = json.loads(path.read_text())
    key = json.loads(base64.b64decode(plain["key"]))
    key["verification"] = [key["verification"][i] for i in (1, 0, 2)]
    plain["key"] = base64.b64encode(json.dumps(key, separators=(",", ":")).encode()).decode()
    path.write_text(json.dumps(plain))
    with pytest.raises(InvalidProofError, match="dealer"):
        fresh.install("authority-1")
    assert nothing_kept(fresh)


def test_a6_a_modulus_without_its_proof_is_refused(fresh: SmallFederation) -> None:
    path = fresh.ceremony.threshold_key_file
    plain = json.loads(path.read_text())
    proof = bytearray(base64.b64decode(plain["modulus_proof"]))
    proof[10] ^= 1
    plain["modulus_proof"] = base64.b64encode(proof).decode()
    path.write_text(json.dumps(plain))
    with pytest.raises(InvalidProofError, match="dealer"):
        fresh.install("authority-1")
    assert nothing_kept(fresh)


def test_files_of_two_ceremonies_do_not_mix(fresh: SmallFederation) -> None:
    other = fresh.deal("other", lambda _bits, randomness, _progress: rerandomised(randomness))
    with pytest.raises(UsageError, match="belongs to another ceremony"):
        fresh.install("authority-1", sealed_share=other.share_files[0])
    assert nothing_kept(fresh)


def rerandomised(randomness: object) -> Dealing:
    return deal_from_primes(*fixed_primes(BITS), randomness)


def test_the_fingerprint_is_compared(fresh: SmallFederation) -> None:
    shown = threshold_fingerprint(fresh.ceremony.threshold_key_file)
    assert shown == fresh.ceremony.fingerprint
    with pytest.raises(UsageError, match="somebody exchanged it on the way"):
        fresh.install("authority-1", fingerprint="0000 " + shown[5:])
    assert nothing_kept(fresh)
    fresh.install("authority-1", fingerprint=shown.upper().replace(" ", ""))


def test_somebody_elses_files(fresh: SmallFederation, edit: Edit) -> None:
    with pytest.raises(UsageError, match="is for authority-2 in town, not for this node"):
        fresh.install("authority-1", sealed_share=fresh.root / "ceremony" / "share-authority-2.json")
    with pytest.raises(UsageError, match="is the node of a holder"):
        fresh.install("bank", sealed_share=share_file(fresh))
    edit(share_file(fresh), "privcredit-key-share/1", "privcredit-key-share/9")
    with pytest.raises(UsageError, match="privcredit-key-share/9"):
        fresh.install("authority-1")
    with pytest.raises(UsageError, match="is not a key share"):
        fresh.install("authority-1", sealed_share=fresh.ceremony.threshold_key_file)
    assert nothing_kept(fresh)


def test_a_box_for_another_node_does_not_open(fresh: SmallFederation) -> None:
    box = read_document(fresh.root / "ceremony" / "share-authority-2.json", ShareFile, "a share").box
    write_document(share_file(fresh), replace(read_document(share_file(fresh), ShareFile, "a share"), box=box))
    with pytest.raises(InvalidProofError, match="does not open"):
        fresh.install("authority-1")


def test_an_interrupted_installation_goes_on_with_its_dgk_key(small: SmallFederation) -> None:
    before = load_dgk(small.node("authority-1"), None).public
    small.statement("authority-1").unlink()
    small.install("authority-1")
    assert load_dgk(small.node("authority-1"), None).public == before
    assert small.statement("authority-1").exists()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("authority-1", "authority-2"), "dealt to 3 different authorities"),
        (("authority-1", "authority-1", "authority-2"), "dealt to 3 different authorities"),
        (("authority-1", "authority-2", "bank"), "from bank, a holder"),
        ((), "dealt to 3 different authorities"),
    ],
)
def test_only_three_authorities_get_shares(small: SmallFederation, names: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        hold_ceremony(small.root / "x", [small.join(name) for name in names], BITS, SystemRandomness())
    assert not (small.root / "x").exists()


def test_a_ceremony_is_whole_or_absent(small: SmallFederation, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="exists already"):
        small.deal("ceremony")
    with monkeypatch.context() as broken:
        broken.setattr(ceremony_files, "seal", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            small.deal("x")
    assert not (small.root / "x").exists()
    assert len(small.deal("x").share_files) == 3
    assert not list(small.root.glob("*.partial"))


def test_short_keys_are_refused(small: SmallFederation) -> None:
    joins = [small.join(name) for name in AUTHORITY_NAMES]
    with pytest.raises(UsageError, match="1024 bits is not made"):
        hold_ceremony(small.root / "x", joins, 1024, SystemRandomness(), make_dealing=deal)
    assert not (small.root / "x").exists()
