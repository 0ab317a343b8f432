"""Threshold Paillier once more, from its spec.md alone: Python integers, `pow` and hashlib, no code of ours."""

import hashlib
from math import gcd, isqrt

DELTA = 6


def framed(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(8, "big") + field for field in fields)


def expand(domain: str, fields: list[bytes], length: int) -> bytes:
    prefix = framed(b"privcredit v1", b"expand", domain.encode(), *fields)
    out = b""
    while len(out) < length:
        out += hashlib.sha512(prefix + (len(out) // 64).to_bytes(8, "big")).digest()
    return out[:length]


def modulus_length(n: int) -> int:
    return -(-n.bit_length() // 8)


def ciphertext_length(n: int) -> int:
    return -(-2 * n.bit_length() // 8)


def base(n: int) -> int:
    name = n.to_bytes(modulus_length(n), "big")
    for attempt in range(256):
        y = int.from_bytes(expand("privcredit threshold base", [name, bytes([attempt])], len(name) + 32), "big") % n
        if gcd(y, n) == 1:
            return (1 + n) * pow(y, 2 * n, n * n) % (n * n)
    raise AssertionError


def key_fingerprint(n: int) -> bytes:
    name = n.to_bytes(modulus_length(n), "big")
    return hashlib.sha256(framed(b"privcredit v1", b"digest", b"privcredit paillier key", name)).digest()


def fingerprint(n: int, values: list[int]) -> bytes:
    size = ciphertext_length(n)
    numbers = [number.to_bytes(size, "big") for number in (n, base(n), *values)]
    return hashlib.sha256(framed(b"privcredit v1", b"digest", b"privcredit threshold key", *numbers)).digest()


def values_right(n: int, values: list[int]) -> bool:
    square = n * n
    if len(values) != 3 or any(not 0 < value < square or gcd(value, n) != 1 for value in values):
        return False
    v1, v2, v3 = values
    opened = v1 * v1 * pow(v2, -1, square) % square
    return v1 * v3 % square == v2 * v2 % square and opened == (1 + DELTA * n) % square and v1 != v2


def share_right(n: int, values: list[int], index: int, secret: int) -> bool:
    return 0 < 4 * secret < n * n and pow(base(n), DELTA * secret, n * n) == values[index - 1]


def partial(n: int, ciphertext: int, secret: int) -> int:
    return pow(ciphertext, 2 * DELTA * secret, n * n)


def combine(n: int, partials: list[tuple[int, int]]) -> int | None:
    square = n * n
    if len(partials) != 2 or {index for index, _ in partials} not in ({1, 2}, {1, 3}, {2, 3}):
        return None
    (i, c_i), (j, c_j) = partials
    lambda_i, lambda_j = DELTA * j // (j - i), DELTA * i // (i - j)
    opened = pow(c_i, 2 * lambda_i, square) * pow(c_j, 2 * lambda_j, square) % square
    if opened % n != 1:
        return None
    return (opened - 1) // n * pow(4 * DELTA * DELTA, -1, n) % n


def proof_right(
    n: int, values: list[int], index: int, ciphertexts: list[int], partials: list[int], proof: bytes, context: bytes
) -> bool:
    bits = 2 * n.bit_length() + 1
    square, size = n * n, ciphertext_length(n)
    if len(proof) != 16 + -(-(bits + 257) // 8) or index not in {1, 2, 3} or len(ciphertexts) != len(partials):
        return False
    e, z = int.from_bytes(proof[:16], "big"), int.from_bytes(proof[16:], "big")
    if z >= 2 ** (bits + 256) + 2 ** (bits + 128) or not ciphertexts:
        return False
    if any(not 0 < value < square or gcd(value, n) != 1 for value in partials):
        return False
    numbers = [number.to_bytes(size, "big") for number in (n, base(n), *values)]
    members = [number.to_bytes(size, "big") for number in (*ciphertexts, *partials)]
    statement = [context, *numbers, bytes([index]), len(ciphertexts).to_bytes(4, "big"), *members]
    coefficients = [1]
    if len(ciphertexts) > 1:
        drawn = expand("privcredit threshold share coefficients", statement, 16 * len(ciphertexts))
        coefficients = [int.from_bytes(drawn[16 * j : 16 * j + 16], "big") for j in range(len(ciphertexts))]
    over_c, image = 1, 1
    for ciphertext, value, coefficient in zip(ciphertexts, partials, coefficients, strict=True):
        over_c = over_c * pow(ciphertext, 4 * coefficient, square) % square
        image = image * pow(value, 2 * coefficient, square) % square
    commitments = [
        pow(over_c, z, square) * pow(image, -e, square) % square,
        pow(base(n), z, square) * pow(values[index - 1], -e, square) % square,
    ]
    fields = [*statement, *(number.to_bytes(size, "big") for number in commitments)]
    hashed = hashlib.sha512(framed(b"privcredit v1", b"challenge", b"privcredit threshold share proof", *fields))
    return int.from_bytes(hashed.digest()[:16], "big") == e


def jacobi(a: int, n: int) -> int:
    a, sign = a % n, 1
    while a:
        while a % 2 == 0:
            a //= 2
            sign = -sign if n % 8 in {3, 5} else sign
        a, n = n, a
        sign = -sign if a % 4 == 3 and n % 4 == 3 else sign
        a %= n
    return sign if n == 1 else 0


def residue(domain: str, n: int, context: bytes, attempt: int, *more: bytes) -> int:
    size = modulus_length(n)
    fields = [n.to_bytes(size, "big"), context, attempt.to_bytes(4, "big"), *more]
    return int.from_bytes(expand(domain, fields, size + 32), "big") % n


def modulus_right(n: int, proof: bytes, context: bytes) -> bool:
    """For toy moduli below 64 bits: trial division says the rest."""
    size = modulus_length(n)
    if n % 2 == 0 or len(proof) != 128 * (1 + 2 * size):
        return False
    if (
        isqrt(n) ** 2 == n
        or is_prime(n)
        or any(n % factor == 0 for factor in range(2, 2 ** min(16, n.bit_length() // 4)))
    ):
        return False
    w = next(w for j in range(256) if jacobi(w := residue("privcredit modulus proof base", n, context, j), n) == -1)
    attempt = 0
    for start in range(0, len(proof), 1 + 2 * size):
        y = 0
        while gcd(y, n) != 1:
            y = residue("privcredit modulus proof round", n, context, attempt, w.to_bytes(size, "big"))
            attempt += 1
        flags = proof[start]
        x = int.from_bytes(proof[start + 1 : start + 1 + size], "big")
        z = int.from_bytes(proof[start + 1 + size : start + 1 + 2 * size], "big")
        expected = (-1) ** (flags & 1) * w ** (flags >> 1 & 1) * y % n
        if flags > 3 or not 0 < x < n or not 0 < z < n or pow(x, 4, n) != expected or pow(z, n, n) != y:
            return False
    return True


def is_prime(n: int) -> bool:
    """Miller-Rabin with the first twelve primes, which decides below 2^64."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for witness in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        if n == witness:
            return True
        powers = [pow(witness, odd << shift, n) for shift in range(twos)]
        if powers[0] != 1 and n - 1 not in powers:
            return False
    return n > 1


def share_file(data: bytes, n: int) -> tuple[int, int] | None:
    magic, size = b"privcredit key share v1\n", ciphertext_length(n)
    if not data.startswith(magic) or len(data) != len(magic) + 33 + size:
        return None
    body = data[len(magic) :]
    index, secret = body[32], int.from_bytes(body[33:], "big")
    if body[:32] != key_fingerprint(n) or index not in {1, 2, 3} or not 0 < 4 * secret < n * n:
        return None
    return index, secret
