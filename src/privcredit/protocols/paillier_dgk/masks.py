"""The mask R of one opening: made offline by evaluator 1, used once."""

from typing import Final

from privcredit.channels.interface import Kept
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Encryptor, FreshCiphertext
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.transcript import digest
from privcredit.errors import UsageError

MASK_DOMAIN: Final = "privcredit paillier-dgk mask"


class Mask(Kept):
    """R and `[[R]]`. R can be taken out once; two openings under one R would show the difference of two sums.

    identifier: 32 public bytes under which the caller notes that the mask is consumed.
    """

    __slots__ = ("_secret", "ciphertext", "identifier", "layout")

    def __init__(self, value: int, ciphertext: FreshCiphertext, layout: Layout) -> None:
        self.ciphertext = ciphertext
        self.layout = layout
        self.identifier = digest(MASK_DOMAIN, ciphertext.to_bytes())
        self._secret = [value]

    def consume(self) -> int:
        """Return R and forget it; raises UsageError the second time, also between threads."""
        try:
            return self._secret.pop()
        except IndexError:
            raise UsageError("A mask was already consumed; prepare a new one for every opening and rerun.") from None


def prepare_mask(encryptor: Encryptor, layout: Layout, randomness: Randomness) -> Mask:
    """Return a new mask: R uniform in [0, 2^mask_bits) and its fresh encryption. Run by evaluator 1, offline."""
    value = layout.draw_mask(randomness)
    return Mask(value, encryptor.encrypt(value), layout)
