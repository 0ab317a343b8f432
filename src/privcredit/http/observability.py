"""What an operator sees: JSON log lines, an access log without bodies or queries, metrics per node.

Nothing here is labelled with a subject, a query id or a path's variable part: routes appear as their templates.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import IO, Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from privcredit.http.pki import Peer
from privcredit.http.redaction import describe_exception, redact, redact_fields

PREFIX = "privcredit_"

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds, from one TLS round trip on loopback to the longest deadline."""

METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})

PROBLEM_SCOPE_KEY = "privcredit.problem"
"""Where a request's scope carries the type URN of the problem that answered it."""

CHATTY_LOGGERS = ("httpx", "httpcore", "alembic", "sqlalchemy", "uvicorn")
"""Libraries that log URLs or statements below WARNING."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped upstream; they double the number of series and say when a process started, which it says itself

_log = structlog.get_logger("privcredit.access")


class Observability:
    """One node's metrics. `clock` is monotonic, in seconds."""

    def __init__(self, node: str, role: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.node = node
        self.role = role
        self.clock = clock
        self.registry = CollectorRegistry()
        ProcessCollector(namespace="privcredit", registry=self.registry)
        self.requests = self.histogram(
            "http_request_seconds", "Time from a request's head to its answer.", ("method", "route", "status")
        )
        self.problems = self.counter("http_problems_total", "Answers that were problems, by type.", ("type",))
        self.gauge("node_info", "Which node this is.", ("node", "role")).labels(node, role).set(1)

    def histogram(
        self, name: str, meaning: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS
    ) -> Histogram:
        """Return a new histogram `privcredit_<name>`; the name ends in its unit (seconds, bytes)."""
        return Histogram(PREFIX + name, meaning, labels, buckets=buckets, registry=self.registry)

    def counter(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
        """Return a new counter `privcredit_<name>`; the name ends in `_total`."""
        return Counter(PREFIX + name, meaning, labels, registry=self.registry)

    def gauge(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
        """Return a new gauge `privcredit_<name>`."""
        return Gauge(PREFIX + name, meaning, labels, registry=self.registry)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def record(self, scope: Scope, status: int, seconds: float) -> None:
        """Count and log one answered request."""
        method = scope.get("method", "")
        route = scope.get("path_template") or "unmatched"
        problem = scope.get(PROBLEM_SCOPE_KEY)
        labels = (method if method in METHODS else "other", route, str(status))
        self.requests.labels(*labels).observe(seconds)
        if problem is not None:
            self.problems.labels(problem).inc()
        peer = scope.get("privcredit.peer")
        party = peer.party if isinstance(peer, Peer) else None
        _log.info(
            "request",
            method=labels[0],
            route=route,
            status=status,
            seconds=round(seconds, 6),
            peer=party,
            problem=problem,
        )


def observe(app: ASGIApp, observability: Observability) -> ASGIApp:
    """Return `app` with every HTTP request counted, timed and logged when its answer starts."""

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        start = observability.clock()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                observability.record(scope, message["status"], observability.clock() - start)
            await send(message)

        await app(scope, receive, note)

    return observed


def configure_logging(node: str, stream: IO[str] | None = None, level: int = logging.INFO) -> None:
    """Send all logs of this process, ours and the libraries', to `stream` (default stderr) as redacted JSON lines."""
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    after: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _NodeName(node),
        redact_event,
        structlog.processors.JSONRenderer(),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after))
    handler.addFilter(_fill_in_redacted)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """The last processor before rendering: only what `redaction` allows goes on."""
    error = _exception(event.pop("exc_info", None))
    described = {} if error is None else {"failure": describe_exception(error)}
    return {**redact_fields(event), **described}


def _fill_in_redacted(record: logging.LogRecord) -> bool:
    """Put a library's arguments into its message only after redaction; one that no longer fits is left out."""
    if record.args:
        arguments = redact_fields(record.args) if isinstance(record.args, Mapping) else tuple(map(redact, record.args))
        try:
            record.msg = str(record.msg) % arguments
        except (TypeError, ValueError, KeyError):
            record.msg = str(record.msg)
        record.args = ()
    return True


def _exception(found: Any) -> BaseException | None:  # noqa: ANN401 - logging's exc_info is of many types
    if isinstance(found, BaseException):
        return found
    if isinstance(found, tuple):
        return found[1] if isinstance(found[1], BaseException) else None
    return sys.exc_info()[1] if found else None


class _NodeName:
    """Adds the node's name to every line."""

    def __init__(self, node: str) -> None:
        self._node = node

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["node"] = self._node
        return event
