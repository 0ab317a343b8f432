"""Open a scorecard file of either format, and maps of holders."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from privcredit.errors import UsageError
from privcredit.scorecard.model import Scorecard
from privcredit.scorecard.pmml import read_pmml
from privcredit.scorecard.toml_format import read_toml

PMML_SUFFIXES = frozenset({".pmml", ".xml"})


def load_scorecard(path: Path) -> Scorecard:
    """Return the scorecard in a PMML file (suffix .pmml or .xml, or it begins with `<`) or a native one (any other).

    Raises UsageError.
    """
    return read_pmml(path) if path.suffix.lower() in PMML_SUFFIXES or _begins_as_xml(path) else read_toml(path)


def _begins_as_xml(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
    except OSError:
        return False  # the reader says why


def read_holders(path: Path) -> Mapping[str, str]:
    """Return the holder of each characteristic from a TOML file of lines `holder = ["characteristic", ...]`."""
    try:
        table = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), dict[str, list[str]])
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise UsageError(f'{path}: {error}; write lines such as bank = ["duration", "purpose"].') from error
    return _by_characteristic(path, table)


def _by_characteristic(path: Path, table: Mapping[str, list[str]]) -> Mapping[str, str]:
    holders: dict[str, str] = {}
    for holder, names in table.items():
        for name in names:
            if name in holders:
                raise UsageError(
                    f"{path} gives the characteristic {name!r} to {holders[name]!r} and {holder!r}; choose one."
                )
            holders[name] = holder
    return holders
