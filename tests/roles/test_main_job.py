"""The main job with real roles in one process."""

import pytest

from privcredit.roles.verifier import verify_receipt
from support.federation import PEOPLE, Town, plain_answer


@pytest.mark.parametrize("person", PEOPLE)
def test_answers_equal_the_plaintext_oracle(town: Town, person: str) -> None:
    answer = town.ask(person)
    assert answer.state == "answered"
    assert answer.eligible == plain_answer(person)


def test_receipt_is_verified_offline(town: Town) -> None:
    answer = town.ask("anna")
    assert answer.receipt is not None
    assert verify_receipt(answer.receipt, town.registry).eligible is True
