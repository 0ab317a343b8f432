"""One tree of errors: whose fault it is decides the class.

Every message is one sentence for a person: what is wrong, where, and what to do. No message carries a secret.
"""


class PrivcreditWarning(UserWarning):
    """Something works, but not as it should in production."""


class PrivcreditError(Exception):
    """The root: catch this to catch everything that privcredit raises on purpose."""


class UsageError(PrivcreditError):
    """Our side's fault: a wrong file, argument, configuration or call. The sentence says what to change."""


class PeerError(PrivcreditError):
    """Another party's fault, found by verification.

    culprit: the party's name as in the registry, or what the message claimed to come from.
    step: where it was found, named by meaning ("verify share proof").
    """

    def __init__(self, culprit: str, step: str, sentence: str) -> None:
        super().__init__(f"{culprit}: {sentence} ({step})")
        self.culprit = culprit
        self.step = step
        self.sentence = sentence


class InvalidProofError(PeerError):
    """A proof, signature or ciphertext of a peer does not verify."""


class UnavailableError(PrivcreditError):
    """Nobody is to blame yet: a party does not answer in time. Trying again later is right."""


class RefusedError(PrivcreditError):
    """A rule says no. `reason` is a stable code in kebab-case (it becomes `urn:privcredit:refused:<reason>`)."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
