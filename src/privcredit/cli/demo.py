"""`privcredit demo`: the whole main job on this machine, compared with the plaintext scorecard."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from privcredit.cli.output import INTERNAL_EXIT, note, progress_display, table

if TYPE_CHECKING:
    from privcredit.research.demo.run import Demonstration

SHOWN = 10
"""Questions in the terminal's table; the report has all of them."""


def register(app: typer.Typer) -> None:
    """Add the command `demo` to the program."""
    app.command("demo")(demo)


def demo(
    applicants: Annotated[int, typer.Option(help="How many of the 1,000 applicants to ask about.")] = 25,
    bits: Annotated[int, typer.Option(help="Length of the Paillier key: 3072, or 2048 for comparison.")] = 3072,
    seed: Annotated[int, typer.Option(help="Chooses the applicants; keys and masks are always random.")] = 1,
    serve: Annotated[bool, typer.Option("--serve", help="Leave the nodes up afterwards, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Annotated[Path, typer.Option(help="Where everything is written; an earlier demo there is replaced.")] = Path(
        "demo-out"
    ),
) -> None:
    """Run four holders, a coordinator, three authorities and a verifier as real processes, and ask real questions.

    Ends with exit code 0 only if every answer equals the plaintext scorecard's.
    """
    from privcredit.cli.trust import trust_text
    from privcredit.research.demo.report import write_report
    from privcredit.research.demo.run import Options, demonstrate

    options = Options(applicants, bits, seed, out)
    with ExitStack() as stack:
        with progress_display() as progress:
            running = stack.enter_context(demonstrate(options, progress))
        report = write_report(running, trust_text(running.federation.directory))
        served = _serve(running, stack) if serve else {}
        _print(running, report, served, as_json)
        if serve:
            _wait(served)
    if not running.succeeded:
        raise typer.Exit(INTERNAL_EXIT)


def _print(running: "Demonstration", report: Path, served: dict[str, str], as_json: bool) -> None:
    summary: dict[str, Any] = running.summary() | {"report": str(report)} | served
    if as_json:
        typer.echo(json.dumps(summary))
        return
    rows = [
        (
            question.identity,
            question.problem or _word(question.eligible),
            _word(question.expected),
            f"{question.latency_ms:.0f}",
        )
        for question in running.questions[:SHOWN]
    ]
    typer.echo(table(("applicant", "federation", "plaintext scorecard", "ms"), rows))
    if len(running.questions) > SHOWN:
        typer.echo(f"... and {len(running.questions) - SHOWN} more in the report")
    latency = summary["latency_ms"]
    typer.echo(
        f"\n{running.agree} of {len(running.questions)} answers equal the plaintext scorecard; "
        f"{summary['bits']} bits, {summary['processes']} nodes; "
        f"p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms; set-up {summary['setup_s']:.0f} s"
    )
    typer.echo(f"What each party saw: {report}")


def _word(eligible: bool | None) -> str:
    return {True: "eligible", False: "not eligible", None: "no answer"}[eligible]


def _serve(running: "Demonstration", stack: ExitStack) -> dict[str, str]:
    """Start one applicant's wallet on loopback, so that the whole API can be tried with curl."""
    from privcredit.http.server import Listener, background
    from privcredit.http.wallet_app import loopback_app
    from privcredit.research.demo.setting import POLICY, VERIFIER, wallet_directory

    person = running.people[-1]
    ports = stack.enter_context(background([Listener(loopback_app(person.wallet), "127.0.0.1", 0)]))
    public = running.federation.nodes[VERIFIER].public
    return {
        "verifier": public.url if public else "",
        "wallet": f"http://127.0.0.1:{ports[0]}",
        "ca": str(running.federation.ca_file),
        "policy": POLICY,
        "wallet_of": person.identity,
        "wallet_directory": str(wallet_directory(running.federation, person.identity)),
        "verifier_name": VERIFIER,
    }


def _wait(served: dict[str, str]) -> None:
    """Keep the nodes up until SIGINT or SIGTERM."""
    import signal
    import threading

    note(CURL.format(**served))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()


CURL = """
The nodes stay up until Ctrl-C. Ask about {wallet_of}, whose wallet listens here, with one command:

  privcredit query {policy} --verifier {verifier} --name {verifier_name} --ca {ca} --wallet {wallet_directory}

or with curl:

  curl -s --cacert {ca} {verifier}/v1/requests --json '{{"policy": "{policy}"}}' -o request.json
  curl -s {wallet}/v1/presentations --json "{{\\"request\\": $(cat request.json)}}" -o presentation.json
  curl -s --cacert {ca} -X PUT "{verifier}/v1/questions/$(sed 's/.*"id":"\\([^"]*\\)".*/\\1/' request.json)" \\
       --json "{{\\"presentation\\": $(cat presentation.json)}}"

The API is described at {verifier}/openapi.json
"""
