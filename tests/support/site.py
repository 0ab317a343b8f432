"""A running federation of real processes, and its people, for tests between nodes."""

import time
from dataclasses import dataclass
from pathlib import Path

from privcredit.federation.local import LocalFederation
from privcredit.federation.processes import Nodes
from privcredit.http.tls import ClientTls
from privcredit.http.verifier_client import VerifierClient
from privcredit.http.wallet_client import WalletClient
from privcredit.research import german_credit
from privcredit.research.demo.questions import Oracle, Question, ask
from privcredit.research.demo.setting import Person, Town


@dataclass
class Site:
    """The running federation and its people; each person may be asked about once a test."""

    federation: LocalFederation
    nodes: Nodes
    town: Town
    client: VerifierClient
    recordings: Path
    used: int = 0

    def people(self, count: int) -> list[Person]:
        """Newly enrolled applicants: the next ones of the data."""
        everyone = german_credit.applicants()[self.used : self.used + count]
        self.used += count
        return self.town.enrol_all(everyone, lambda _done: None)

    def ask(self, person: Person) -> Question:
        return ask(person, self.client, Oracle(self.town.registry).is_eligible(person))

    def revive(self) -> None:
        """Restart what a test killed, and wait until authorities know the used nullifiers again."""
        for node in self.nodes.by_name.values():
            if not node.is_running():
                node.restart()
        time.sleep(2.5)  # a peer found down is not tried again for two seconds

    def order(self, person: Person, holder: str, action: str) -> None:
        """Have a person opt out of a holder, or return."""
        WalletClient(person.wallet, self.town.registry, ClientTls(self.federation.ca_file)).order(holder, action)
