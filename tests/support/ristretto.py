"""ristretto255 in plain Python, straight from RFC 9496, sections 3 and 4; independent of libsodium.

For tests only: slow and not constant-time. Points are extended Edwards coordinates (X, Y, Z, T).
"""

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
Coordinates = tuple[int, int, int, int]
IDENTITY: Coordinates = (0, 1, 1, 0)


def _negative(x: int) -> bool:
    return x % P % 2 == 1


def _abs(x: int) -> int:
    x %= P
    return P - x if _negative(x) else x


def _sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    """Return (was square, |sqrt(u/v)| or |sqrt(SQRT_M1 u/v)|)."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    u %= P
    correct, flipped, flipped_i = check == u, check == -u % P, check == -u * SQRT_M1 % P
    if flipped or flipped_i:
        r = r * SQRT_M1 % P
    return correct or flipped, _abs(r)


INVSQRT_A_MINUS_D = _sqrt_ratio(1, -1 - D)[1]
ONE_MINUS_D_SQ = (1 - D * D) % P
D_MINUS_ONE_SQ = (D - 1) ** 2 % P
SQRT_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235


def decode(data: bytes) -> Coordinates | None:
    """Return the point, or None if the bytes are not a canonical encoding."""
    s = int.from_bytes(data, "little")
    if len(data) != 32 or s >= P or _negative(s):
        return None
    ss = s * s % P
    u1, u2 = (1 - ss) % P, (1 + ss) % P
    v = (-(D * u1 * u1) - u2 * u2) % P
    square, inverse_root = _sqrt_ratio(1, v * u2 * u2)
    den_x = inverse_root * u2 % P
    den_y = inverse_root * den_x * v % P
    x, y = _abs(2 * s * den_x), u1 * den_y % P
    t = x * y % P
    return None if not square or _negative(t) or y == 0 else (x, y, 1, t)


def encode(point: Coordinates) -> bytes:
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0) % P, x0 * y0 % P
    inverse_root = _sqrt_ratio(1, u1 * u2 * u2)[1]
    den1, den2 = inverse_root * u1 % P, inverse_root * u2 % P
    z_inverse = den1 * den2 * t0 % P
    if _negative(t0 * z_inverse):
        x, y, den = y0 * SQRT_M1 % P, x0 * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    else:
        x, y, den = x0, y0, den2
    if _negative(x * z_inverse):
        y = -y % P
    return _abs(den * (z0 - y)).to_bytes(32, "little")


def add(a: Coordinates, b: Coordinates) -> Coordinates:
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    m, n = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(k: int, point: Coordinates) -> Coordinates:
    result = IDENTITY
    for bit in f"{k % L:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def subtract(a: Coordinates, b: Coordinates) -> Coordinates:
    x, y, z, t = b
    return add(a, (-x % P, y, z, -t % P))


def from_uniform(data: bytes) -> Coordinates:
    """The one-way map of section 4.3.4 on 64 bytes."""
    halves = (int.from_bytes(data[i : i + 32], "little") & (2**255 - 1) for i in (0, 32))
    return add(*(_map(half % P) for half in halves))


def _map(t: int) -> Coordinates:
    r = SQRT_M1 * t * t % P
    u, v = (r + 1) * ONE_MINUS_D_SQ % P, (-1 - r * D) * (r + D) % P
    square, s = _sqrt_ratio(u, v)
    c = -1
    if not square:
        s, c = -_abs(s * t) % P, r
    n = (c * (r - 1) * D_MINUS_ONE_SQ - v) % P
    w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P
