"""The demonstration's HTML report: one file, no script, nothing fetched."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from privcredit import __version__
from privcredit.research.demo.run import RECORDINGS, Demonstration
from privcredit.research.demo.setting import POLICY
from privcredit.research.demo.views import read_recording, views

REPORT_FILE = "report.html"


def write_report(running: Demonstration, trust: str) -> Path:
    """Write the report beside the federation and return its path. `trust`: the generated trust statement."""
    template = files("privcredit.research.demo").joinpath("report.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    roles = {node.name: node.role for node in running.federation.nodes.values()}
    directory = running.options.directory
    path = directory / REPORT_FILE
    _, policy = running.town.registry.policy_named(POLICY) if running.town else (b"", None)
    text = environment.from_string(template).render(
        version=__version__,
        summary=running.summary(),
        policy=policy,
        questions=running.questions,
        views=views(read_recording(directory / RECORDINGS), roles),
        trust=trust,
    )
    path.write_text(text, "utf-8")
    return path
