"""Powers with public and secret exponents."""

import threading
from collections.abc import Callable

import gmpy2
import pytest

from privcredit.crypto import integers
from privcredit.crypto.integers import powmod_public, powmod_secret
from privcredit.errors import UsageError


def test_powers_exhaustively_against_pow() -> None:
    for modulus in range(1, 40, 2):
        for base in range(modulus):
            for exponent in range(12):
                assert powmod_public(base, exponent, modulus) == pow(base, exponent, modulus)
                assert powmod_secret(base, exponent, modulus) == pow(base, exponent, modulus)


@pytest.mark.parametrize(("exponent", "modulus"), [(-1, 15), (3, 16)])
def test_secret_power_refuses_what_gmp_cannot_do_silently(exponent: int, modulus: int) -> None:
    with pytest.raises(UsageError, match="secret power"):
        powmod_secret(2, exponent, modulus)


def test_negative_power_of_what_has_no_inverse_is_refused() -> None:
    assert powmod_public(2, -1, 15) == 8
    with pytest.raises(UsageError, match="no inverse"):
        powmod_public(3, -1, 15)


class WatchedGmp:
    """gmpy2, noting which power functions run and whether the lock is released meanwhile."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        function = getattr(gmpy2, name)
        if name.startswith("powmod"):
            self.calls.append((name, gmpy2.get_context().allow_release_gil))
        return function


def test_a9_secret_exponents_take_the_silent_path(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = WatchedGmp()
    monkeypatch.setattr(integers, "gmpy2", watched)
    powmod_secret(3, 5, 7)
    powmod_public(3, 5, 7)
    assert watched.calls == [("powmod_sec", True), ("powmod", True)]


def test_lock_switch_is_set_back_in_every_thread() -> None:
    seen: list[bool] = []

    def work() -> None:
        before = gmpy2.get_context().allow_release_gil
        powmod_secret(3, 5, 7)
        seen.append(gmpy2.get_context().allow_release_gil == before)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    assert seen == [True] * 3
