"""The command lines of clerk, subject and service provider between real nodes, and their guides as written."""

import json
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nodes_support import curl

from privcredit.crypto.randomness import SystemRandomness
from privcredit.federation.ports import free_ports
from privcredit.http.api_token import ApiToken
from privcredit.research import german_credit
from privcredit.research.demo.questions import Oracle
from privcredit.research.demo.setting import POLICY, VERIFIER, Person
from privcredit.research.german_credit import Applicant
from support.cli import done, run
from support.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.xdist_group("nodes")]

DOCS = Path(__file__).parents[2] / "docs"


def newcomer(site: Site) -> Applicant:
    """The next applicant, who has no wallet yet."""
    site.used += 1
    return german_credit.applicants()[site.used - 1]


def identity_of(applicant: Applicant) -> str:
    return str(applicant[german_credit.IDENTITY_COLUMN])


def code(site: Site, holder: str, applicant: Applicant, purpose: str = "enrolment") -> str:
    """What the clerk hands out, beside the running node."""
    identity = identity_of(applicant)
    record = site.town._keys[holder][identity]
    directory = site.federation.nodes[holder].directory
    return done("holder", "code", directory, "--record", record, "--identity", identity, "--for", purpose).out.strip()


def published(site: Site) -> tuple[object, ...]:
    return ("--registry", site.federation.registry_file, "--registry-key", site.federation.registry_key_file)


def verifier(site: Site) -> tuple[object, ...]:
    node = site.federation.nodes[VERIFIER]
    return ("--verifier", node.public.url, "--name", VERIFIER, "--ca", site.federation.ca_file)


def new_wallet(site: Site, directory: Path, applicant: Applicant) -> Path:
    done("wallet", "init", directory, *published(site), "--ca", site.federation.ca_file)
    registrar = german_credit.REGISTRAR
    registered = done("wallet", "register", directory, code(site, registrar, applicant, "registration"))
    assert registered.out == f"registered at {registrar} as {identity_of(applicant)}\n"
    for holder in german_credit.holders():
        done("wallet", "enrol", directory, holder, "-", typed=code(site, holder, applicant) + "\n")
    return directory


def expected(site: Site, applicant: Applicant) -> str:
    person = Person(identity_of(applicant), applicant, wallet=None)
    return "eligible\n" if Oracle(site.town.registry).is_eligible(person) else "not eligible\n"


def test_from_the_counter_to_a_verified_receipt(site: Site, tmp_path: Path) -> None:
    applicant, receipt = newcomer(site), tmp_path / "receipt.json"
    wallet = new_wallet(site, tmp_path / "wallet", applicant)
    answered = done("query", POLICY, *verifier(site), "--wallet", wallet, "--receipt", receipt)
    assert answered.out == expected(site, applicant)
    assert f"Answer: {answered.out.strip()}. Signed by" in done("receipt", "verify", receipt, *published(site)).out
    shown = json.loads(done("wallet", "show", wallet, "--json").out)
    assert shown["identity"] == identity_of(applicant)
    assert (sorted(shown["enrolled"]), shown["not_enrolled"]) == (sorted(german_credit.holders()), [])
    assert [(line["used"], line["budget"], line["asked_by"]) for line in shown["budget"]] == [(1, 3, [VERIFIER])]


def test_s3_after_an_opt_out_the_answer_is_not_eligible(site: Site, tmp_path: Path) -> None:
    wallet = new_wallet(site, tmp_path / "wallet", newcomer(site))
    assert done("wallet", "opt-out", wallet, "lender").out == "opted out at lender\n"
    assert done("query", POLICY, *verifier(site), "--wallet", wallet).out == "not eligible\n"
    assert done("wallet", "return", wallet, "lender").out == "returned to lender\n"


def test_s5_codes_are_for_one_person_one_wallet_and_one_purpose(site: Site, tmp_path: Path) -> None:
    applicant, other = newcomer(site), newcomer(site)
    wallet = new_wallet(site, tmp_path / "first", applicant)
    again = run("wallet", "enrol", wallet, "bank", code(site, "bank", other))
    assert (again.code, "for another person than the record" in again.sentence) == (3, True)
    used = run("wallet", "enrol", wallet, "bank", "A" * 32)
    assert (used.code, "unknown or has expired; ask for a new one" in used.sentence) == (3, True)
    misplaced = run("wallet", "enrol", wallet, "lender", code(site, "bank", applicant))
    assert (misplaced.code, "unknown or has expired" in misplaced.sentence) == (3, True)
    second = tmp_path / "second"
    done("wallet", "init", second, *published(site), "--ca", site.federation.ca_file)
    twice = run("wallet", "register", second, code(site, "bank", applicant, "registration"))
    assert (twice.code, "registered already" in twice.sentence) == (3, True)


def test_only_the_registrar_registers(site: Site) -> None:
    directory = site.federation.nodes["lender"].directory
    result = run("holder", "code", directory, "--record", "x", "--identity", "y", "--for", "registration")
    assert result.sentence == "error: lender is not the registrar, bank is; send the person there first."


@pytest.mark.parametrize("holder", german_credit.holders())
def test_an_unknown_record_is_refused_beside_the_running_node(site: Site, holder: str) -> None:
    result = run("holder", "code", site.federation.nodes[holder].directory, "--record", "nobody", "--identity", "x")
    assert (result.code, "No record has the key 'nobody' in" in result.sentence) == (2, True)


def test_n2_a_verifier_node_with_a_token_demands_it(site: Site, tmp_path: Path) -> None:
    node, person = site.nodes[VERIFIER], newcomer(site)
    wallet = new_wallet(site, tmp_path / "wallet", person)
    settings, path = node.directory / "node.toml", tmp_path / "api.token"
    before = settings.read_text()
    ApiToken.generate(SystemRandomness()).write(path)
    settings.write_text(f'api_token_file = "{path}"\n{before}')
    try:
        node.kill()
        node.restart()
        refused = run("query", POLICY, *verifier(site), "--wallet", wallet)
        assert (refused.code, "needs its bearer token" in refused.sentence) == (3, True)
        address = site.federation.nodes[VERIFIER].public.url
        problem = curl("--cacert", str(site.federation.ca_file), f"{address}/v1/requests", "--json", "{}")
        assert problem["status"] == 401
        answered = done("query", POLICY, *verifier(site), "--wallet", wallet, "--token-file", path)
        assert answered.out == expected(site, person)
    finally:
        settings.write_text(before)
        node.kill()
        node.restart()


# --- the guides, as written ------------------------------------------------------------------------------------------


class Reader:
    """Someone who does what the guides say, in a directory that has what the guides speak of."""

    def __init__(self, site: Site, directory: Path) -> None:
        self.site = site
        self.directory = directory
        self.applicant = newcomer(site)
        self.codes: dict[tuple[str, str], str] = {}
        self.port = free_ports("127.0.0.1", 1, SystemRandomness())[0]
        for name in ("registry.jws", "registry.pub", "ca.pem"):
            (directory / name).write_bytes((site.federation.directory / name).read_bytes())
        for holder in german_credit.holders():
            (directory / holder).symlink_to(site.federation.nodes[holder].directory)
        ApiToken.generate(SystemRandomness()).write(directory / "api.token")

    def real(self, text: str) -> str:
        """The guide's example names become those of this site."""
        identity = identity_of(self.applicant)
        names = {
            "https://verifier.example:7101": self.site.federation.nodes[VERIFIER].public.url,
            "7410": str(self.port),
            "applicant-0001": identity,
        } | {f"{holder}-0001": self.site.town._keys[holder][identity] for holder in german_credit.holders()}
        return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)

    def follow(self, guide: str) -> list[str]:
        """Run every command of a guide but `wallet serve`; return what each printed."""
        return [self.run(self.real(command)) for command in commands(guide) if " wallet serve " not in command]

    def run(self, command: str) -> str:
        if command.startswith("curl "):
            return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout
        words = shlex.split(command.removeprefix("privcredit "))
        if words[:2] == ["holder", "code"]:
            return self.keep(words)
        if words[-1] == "CODE":
            words[-1] = self.codes[("bank", "registration") if words[1] == "register" else (words[3], "enrolment")]
        return done(*words, typed="y\n").out

    def keep(self, words: list[str]) -> str:
        purpose = "registration" if "registration" in words else "enrolment"
        self.codes[words[2], purpose] = printed = done(*words).out.strip()
        return printed

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The guide's `wallet serve`, as a process."""
        (command,) = [command for command in commands("wallet.md") if " wallet serve " in command]
        words = shlex.split(self.real(command))[1:]
        with subprocess.Popen(
            [sys.executable, "-m", "privcredit", *words], stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert json.loads(process.stdout.readline()) == {"wallet": f"http://127.0.0.1:{self.port}"}
                yield
            finally:
                process.send_signal(signal.SIGINT)


def blocks(guide: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / guide).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def commands(guide: str) -> list[str]:
    """Every command in a guide's `sh` blocks."""
    lines = "".join(blocks(guide, "sh")).replace("\\\n", " ").splitlines()
    found = [line for line in lines if line and not line.startswith("#")]
    assert all(line.startswith(("privcredit ", "curl ")) for line in found)
    return found


def test_the_guides_do_what_they_say(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reader = Reader(site, tmp_path)
    assert reader.follow("holder.md")[-1].startswith("intact: ")
    request = site.client.request(POLICY)
    from privcredit.federation.files import write_document

    write_document(tmp_path / "request.json", request)
    printed = reader.follow("wallet.md")
    assert f"registered at bank as {identity_of(reader.applicant)}\n" in printed
    assert any("not enrolled" in text for text in printed)
    assert "opted out at bank\n" in printed
    assert stat.S_IMODE((tmp_path / "my-wallet").stat().st_mode) == 0o700
    for holder in ("employer", "housing-registry"):
        done("wallet", "enrol", "my-wallet", holder, code(site, holder, reader.applicant))
    with reader.serving():
        one, served, made, _presentation, two, *rest = reader.follow("service-provider.md")
    verdict = expected(site, reader.applicant)
    assert one == two == verdict
    assert json.loads(served)["eligible"] is (verdict == "eligible\n")
    assert made == "request.json\n"
    over_http = json.loads(rest[2])
    assert over_http["eligible"] is (verdict == "eligible\n")
    assert rest[3] == verdict
    assert json.loads(rest[4])["verifier"] == VERIFIER
    assert rest[5].startswith("valid: ")
    assert json.loads(rest[6])["valid"] is True


def test_three_lines_of_python(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    person = site.people(1)[0]
    (tmp_path / "ca.pem").write_bytes(site.federation.ca_file.read_bytes())
    (text,) = blocks("service-provider.md", "python")
    text = text.replace("https://verifier.example:7101", site.federation.nodes[VERIFIER].public.url)
    made, asked = text.split("answer = ")
    names: dict[str, object] = {}
    exec(made, names)  # noqa: S102 - our own guide
    names["presentation"] = person.wallet.consent(VERIFIER, names["request"].request)
    exec("answer = " + asked, names)  # noqa: S102 - our own guide
    assert names["answer"].eligible is Oracle(site.town.registry).is_eligible(person)
    names["verifier"].close()
