"""Errors on the wire: RFC 9457 problem details with stable type URNs, from errors and back to errors.

What a problem says is what the error's one sentence says; anything unforeseen becomes a 500 that says nothing but an
id, under which the log has the rest.
"""

import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException

from privcredit.errors import (
    PeerError,
    PrivcreditError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from privcredit.http.body import StrictResponse
from privcredit.http.observability import PROBLEM_SCOPE_KEY
from privcredit.http.redaction import describe_exception
from privcredit.messages.codec import Message, decode_json

MEDIA_TYPE = "application/problem+json"

REFUSED = "urn:privcredit:refused:"
MALFORMED = "urn:privcredit:malformed"
PEER_FAULT = "urn:privcredit:peer-fault"
UNAVAILABLE = "urn:privcredit:unavailable"
TOO_LARGE = "urn:privcredit:too-large"
METHOD = "urn:privcredit:method-not-allowed"
INTERNAL = "urn:privcredit:internal"
FAULT = "urn:privcredit:fault:"

MAX_PROBLEM_BYTES = 64 << 10
"""A problem is one sentence and a few names; a peer that sends more is not believed."""

MAX_DETAIL = 500
"""Characters of a sentence. Parsers quote what they could not read, which may be a whole body."""

REFUSAL_STATUS = {"unauthorized": 401, "not-found": 404, "conflict": 409, "too-many-requests": 429}
"""Refusals that HTTP has a status of its own for; every other reason is 403."""

UNAUTHORIZED_STATUS = REFUSAL_STATUS["unauthorized"]
CHALLENGE = {"www-authenticate": 'Bearer realm="privcredit"'}
"""What a reply with status 401 must carry (RFC 9110, section 11.6.1)."""

_log = structlog.get_logger("privcredit.http")


class Problem(Message, frozen=True, omit_defaults=True):
    """RFC 9457 problem details. `instance` names a logged fault; `culprit` and `step` come with peer-fault."""

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    culprit: str | None = None
    step: str | None = None


def problem_of(error: Exception) -> Problem:
    """Return how `error` looks from outside. Unforeseen errors keep their text and cause to themselves."""
    for kind, describe in _DESCRIPTIONS:
        if isinstance(error, kind):
            return _shortened(describe(error))
    return Problem(type=INTERNAL, title="Internal error", status=500)


def error_of(status: int, body: bytes, party: str) -> PrivcreditError:
    """Return the error that a reply of `party` with `status` stands for (what the client raises)."""
    problem = _read(body) or _bare(status)
    sentence = problem.detail or problem.title
    if problem.type.startswith(REFUSED):
        return RefusedError(problem.type.removeprefix(REFUSED), sentence)
    if problem.type == PEER_FAULT:
        return PeerError(problem.culprit or party, problem.step or "unnamed step", sentence)
    if problem.type == UNAVAILABLE:
        return UnavailableError(sentence)
    if problem.type in (MALFORMED, TOO_LARGE, METHOD):
        return UsageError(f"{party} cannot use our request: {sentence}")
    return PeerError(party, "answer a request", f"It failed with status {status} ({problem.instance or sentence}).")


def respond(request: Request[Any, Any, Any], error: Exception) -> StrictResponse:
    """Litestar's exception handler for everything: turn `error` into a problem response and log what must be."""
    problem = problem_of(error)
    if problem.type == INTERNAL:
        problem = _log_fault(request, error, problem)
    cast("dict[str, Any]", request.scope)[PROBLEM_SCOPE_KEY] = problem.type
    headers = CHALLENGE if problem.status == UNAUTHORIZED_STATUS else None
    return StrictResponse(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def _shortened(problem: Problem) -> Problem:
    if problem.detail is None or len(problem.detail) <= MAX_DETAIL:
        return problem
    return msgspec.structs.replace(problem, detail=problem.detail[:MAX_DETAIL] + "...")


def _log_fault(request: Request[Any, Any, Any], error: Exception, problem: Problem) -> Problem:
    fault = f"{FAULT}{time.time_ns():x}"  # an id for finding the log entry, unique on its node, not a secret
    _log.error("fault", fault=fault, route=request.scope.get("path_template"), failure=describe_exception(error))
    return Problem(type=problem.type, title=problem.title, status=problem.status, instance=fault)


def _read(body: bytes) -> Problem | None:
    try:
        return decode_json(body, Problem, MAX_PROBLEM_BYTES)
    except UsageError:
        return None


def _bare(status: int) -> Problem:
    """Stand in for a reply without problem details; 503 is what the server says above its connection limit."""
    if status == _HTTP_PROBLEMS[503].status:
        return _HTTP_PROBLEMS[503]
    return Problem(type="about:blank", title="no problem details", status=status)


def _refused(error: RefusedError) -> Problem:
    status = REFUSAL_STATUS.get(error.reason, 403)
    return Problem(type=REFUSED + error.reason, title="Refused", status=status, detail=str(error))


def _peer_fault(error: PeerError) -> Problem:
    title = "Another party is at fault"
    return Problem(
        type=PEER_FAULT, title=title, status=422, detail=error.sentence, culprit=error.culprit, step=error.step
    )


def _unavailable(error: UnavailableError) -> Problem:
    return Problem(type=UNAVAILABLE, title="Unavailable, try again later", status=503, detail=str(error))


def _malformed(error: UsageError) -> Problem:
    return Problem(type=MALFORMED, title="Malformed request", status=400, detail=str(error))


def _invalid(error: ValidationException) -> Problem:
    extra = error.extra if isinstance(error.extra, list) else []
    faults = "; ".join(f"{item.get('key', 'body')}: {item.get('message', '')}" for item in extra)
    detail = f"The request does not fit the API: {faults or error.detail}."
    return Problem(type=MALFORMED, title="Malformed request", status=400, detail=detail)


def _http(error: HTTPException) -> Problem:
    if error.status_code in _HTTP_PROBLEMS:
        return _HTTP_PROBLEMS[error.status_code]
    if 400 <= error.status_code < 500:  # noqa: PLR2004 - the client's half of HTTP's statuses
        return Problem(type=MALFORMED, title="Malformed request", status=error.status_code, detail=error.detail)
    return Problem(type=INTERNAL, title="Internal error", status=500)


_HTTP_PROBLEMS = {
    401: Problem(type=REFUSED + "wrong-role", title="Refused", status=403, detail="This needs a certificate."),
    403: Problem(type=REFUSED + "wrong-role", title="Refused", status=403, detail="This is for another role."),
    404: Problem(
        type=REFUSED + "not-found",
        title="Refused",
        status=404,
        detail="There is nothing at this path; see /openapi.json.",
    ),
    405: Problem(
        type=METHOD, title="Method not allowed", status=405, detail="This path has other methods; see /openapi.json."
    ),
    413: Problem(
        type=TOO_LARGE, title="Too large", status=413, detail="The body is over this route's limit; send less."
    ),
    503: Problem(type=UNAVAILABLE, title="Unavailable, try again later", status=503),
}

_DESCRIPTIONS: tuple[tuple[type[Exception], Callable[[Any], Problem]], ...] = (
    (RefusedError, _refused),
    (PeerError, _peer_fault),
    (UnavailableError, _unavailable),
    (UsageError, _malformed),
    (ValidationException, _invalid),
    (HTTPException, _http),
)
