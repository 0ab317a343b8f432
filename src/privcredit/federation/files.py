"""Reading and writing a federation's files: whole or not at all, errors that name the file."""

import os
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from privcredit.errors import UsageError
from privcredit.messages.codec import Message, decode_json, encode_json

MAX_FILE_BYTES: Final = 4 << 20
"""The largest file that parties exchange, a registry, stays below 1 MiB."""

DIRECTORY_MODE: Final = 0o700
"""A node's directory holds keys and databases: its owner only."""

M = TypeVar("M", bound=Message)


def make_directory(path: Path) -> Path:
    """Make a directory for its owner only, with its parents; an existing one stays as it is. Raises UsageError."""
    try:
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"The directory {path} cannot be made: {error.strerror}; choose another place.") from error
    return path


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes. Raises UsageError naming it if it cannot be read or is over 4 MiB."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{path} is larger than {MAX_FILE_BYTES} bytes; it is not a file of this program.")
    return data


def read_text(path: Path) -> str:
    """Return a file's text. Raises UsageError naming it."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.") from error


def write_public(path: Path, data: bytes) -> None:
    """Write a file that holds no secret, whole or not at all. Raises UsageError naming it."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; check the directory and its rights.") from error


def read_document(path: Path, kind: type[M], what: str) -> M:
    """Return the JSON document in `path`; `what` says what it should be ("a join request"). Raises UsageError."""
    try:
        return decode_json(read_bytes(path), kind, MAX_FILE_BYTES)
    except UsageError as error:
        raise UsageError(f"{path} is not {what}: {error}") from error


def write_document(path: Path, document: Message) -> None:
    """Write a JSON document for people to read and programs to check."""
    write_public(path, msgspec.json.format(encode_json(document), indent=2) + b"\n")
