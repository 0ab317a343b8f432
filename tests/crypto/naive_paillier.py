"""A second implementation of protocols/paillier/spec.md, from its text alone: plain integers, pow and hashlib.

It judges the vectors: each function returns whether the specification accepts, or the value that it gives.
"""

import hashlib
from math import gcd, isqrt


def be(number: int, length: int) -> bytes:
    return int(number).to_bytes(length, "big")


def framed(*fields: bytes) -> bytes:
    return b"".join(be(len(field), 8) + field for field in fields)


def octets(n: int) -> int:
    return (n.bit_length() + 7) // 8


def hashed_residue(n: int, domain: bytes) -> int:
    fields = framed(b"privcredit v1", b"expand", domain, be(n, octets(n)))
    blocks = b"".join(hashlib.sha512(fields + be(i, 8)).digest() for i in range(octets(n) // 64 + 2))
    return int.from_bytes(blocks[: octets(n) + 32], "big") % n


def fingerprint(n: int) -> bytes:
    return hashlib.sha256(framed(b"privcredit v1", b"digest", b"privcredit paillier key", be(n, octets(n)))).digest()


def hs(n: int) -> int:
    return pow(-pow(hashed_residue(n, b"privcredit paillier base"), 2) % n, n, n * n)


def half_length(n: int) -> int:
    return max((n.bit_length() + 1) // 2, 128)


def modulus_accepted(n: int, minimum_bits: int) -> bool:
    """Section 1.2; small factors by trial division, primality by Fermat, powers by roots."""
    if not minimum_bits <= n.bit_length() <= 8192 or n < 4:
        return False
    bound = 1 << min(16, minimum_bits // 8)
    if any(n % factor == 0 for factor in range(2, bound)):
        return False
    return pow(2, n - 1, n) != 1 and isqrt(n) ** 2 != n


def received(n: int, data: bytes) -> bool:
    """Section 3."""
    value = int.from_bytes(data, "big")
    return len(data) == (2 * n.bit_length() + 7) // 8 and 0 < value < n * n and gcd(value, n) == 1


def encrypt(n: int, message: int, exponent: int) -> int:
    return (1 + message % n * n) * pow(hs(n), exponent, n * n) % (n * n)


def decrypt(p: int, q: int, c: int) -> int:
    n, order = p * q, (p - 1) * (q - 1)
    return (pow(c, order, n * n) - 1) // n * pow(order, -1, n) % n


def window(number: int, l: int, slot: int) -> int:
    return (number * 2 // 2 ** ((l + 1) * slot)) % 2 ** (l + 2)


def at_least(z: int, mask: int, l: int, slot: int, threshold: int) -> int:
    u, y = window(z, l, slot), window(mask, l, slot) + 2 * threshold
    low = 2 ** (l + 1)
    return (1 + u // low + y // low % 2 + (u % low < y % low)) % 2


def knowledge_accepted(n: int, c: int, data: bytes, context: bytes, width: int) -> bool:
    """Section 6.3."""
    length, half = octets(n), half_length(n)
    sizes = [2, length, 16, *[(secret + 193 + 7) // 8 for secret in (width, half, half)]]
    if len(data) != sum(sizes):
        return False
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    w, C, e, a, b, t = (int.from_bytes(data[i : i + size], "big") for i, size in zip(starts, sizes, strict=True))
    limits = [(1 << (s + 192)) + (1 << (s + 128)) for s in (width, half, half)]
    if w != width or not 0 < C < n or gcd(C, n) != 1 or not (a < limits[0] and b < limits[1] and t < limits[2]):
        return False
    G, H = (pow(hashed_residue(n, b"privcredit integer commitment " + name), 2, n) for name in (b"G", b"H"))
    A = (1 + a * n) * pow(hs(n), b, n * n) * pow(c, -e, n * n) % (n * n)
    D = pow(G, a, n) * pow(H, t, n) * pow(C, -e, n) % n
    wide = (2 * n.bit_length() + 7) // 8
    public = (fingerprint(n), context, be(width, 2), be(c, wide), be(C, length), be(A, wide), be(D, length))
    hashed = hashlib.sha512(framed(b"privcredit v1", b"challenge", b"privcredit plaintext knowledge", *public))
    return int.from_bytes(hashed.digest()[:16], "big") == e
