"""XML as PMML uses it, read without entities, DTDs or network; every refusal names the file and the place.

PMML comes from elsewhere, so the parser is defusedxml with everything dangerous forbidden and a size limit.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from privcredit.errors import UsageError
from privcredit.scorecard.fields import Kind, parse
from privcredit.scorecard.predicates import Value

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_PMML_BYTES = 8 << 20
"""The largest scorecards in use are some hundred kilobytes."""

_NAMESPACE = re.compile(r"http://www\.dmg\.org/PMML-4_[0-4]|")
_TOKEN = re.compile(r'"((?:\\"|[^"])*)"|(\S+)')


@dataclass(frozen=True, slots=True)
class Node:
    """One PMML element and where it stands; elements of other namespaces and `Extension` are not its children."""

    element: "Element"
    where: str
    namespace: str

    @property
    def name(self) -> str:
        """The local name."""
        return self.element.tag.removeprefix(self.namespace)

    @property
    def text(self) -> str:
        """The text before the first child."""
        return self.element.text or ""

    def get(self, attribute: str) -> str | None:
        """Return an attribute, None if it is absent."""
        return self.element.get(attribute)

    def need(self, attribute: str) -> str:
        """Return a required attribute."""
        value = self.element.get(attribute)
        if value is None:
            raise self.error(f"has no {attribute}; PMML requires it")
        return value

    def number(self, attribute: str) -> float | None:
        """Return a numeric attribute, None if it is absent."""
        text = self.element.get(attribute)
        return None if text is None else float(self.literal("double", text, attribute))

    def flag(self, attribute: str) -> bool | None:
        """Return a boolean attribute, None if it is absent."""
        text = self.element.get(attribute)
        return None if text is None else self.literal("boolean", text, attribute) == "true"

    def literal(self, kind: Kind, text: str, what: str) -> Value:
        """Return `text` as a value of `kind`; a fraction is allowed where an integer is compared with it."""
        value = parse(kind, text)
        if value is None and kind == "integer":
            value = parse("double", text)
        if value is None:
            raise self.error(f"has {what} {text!r}, which is not of type {kind}; correct it")
        return value

    def children(self, *names: str) -> list["Node"]:
        """Return the PMML children, only those called `names` if any are given; extensions are left out."""
        found = (self._child(element) for element in self.element if self._is_pmml(element))
        return [child for child in found if child.name != "Extension" and (not names or child.name in names)]

    def child(self, name: str) -> "Node | None":
        """Return the only child called `name`, None if there is none."""
        found = self.children(name)
        if len(found) > 1:
            raise self.error(f"has {len(found)} {name} elements; keep one")
        return found[0] if found else None

    def extension(self, name: str) -> str | None:
        """Return the value of the `Extension` called `name`."""
        for element in self.element:
            if element.tag == f"{self.namespace}Extension" and element.get("name") == name:
                return element.get("value")
        return None

    def descendants(self, name: str) -> Iterator["Node"]:
        """Yield all elements called `name` at any depth."""
        return (self._child(element) for element in self.element.iter(self.namespace + name))

    def error(self, problem: str) -> UsageError:
        """Return the refusal of this element."""
        return UsageError(f"{self.where} {problem}.")

    def named(self, where: str) -> "Node":
        """Return the same element under a better name of its place."""
        return Node(self.element, where, self.namespace)

    def _is_pmml(self, element: "Element") -> bool:
        return element.tag.startswith(self.namespace) and "}" not in self._local(element)

    def _local(self, element: "Element") -> str:
        return element.tag.removeprefix(self.namespace)

    def _child(self, element: "Element") -> "Node":
        label = element.get("name") or element.get("field")
        title = f"{self._local(element)} {label!r}" if label else self._local(element)
        return Node(element, f"{self.where}, {title}", self.namespace)


def read_root(data: bytes, where: str) -> Node:
    """Return the `PMML` element of a document; raises UsageError for anything that is not safe PMML 4.x."""
    if len(data) > MAX_PMML_BYTES:
        raise UsageError(f"{where} has {len(data)} bytes, over the limit of {MAX_PMML_BYTES}; split the model.")
    try:
        element = fromstring(data, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except ParseError as error:
        line, column = error.position
        raise UsageError(f"{where}, line {line}, column {column + 1}: not well-formed XML; correct it.") from error
    except DefusedXmlException as error:
        raise UsageError(f"{where} declares a DTD or an entity; PMML needs none, remove it.") from error
    except (ValueError, LookupError) as error:
        raise UsageError(f"{where} is not XML in an encoding that can be read; save it as UTF-8.") from error
    return _root(element, where)


def _root(element: "Element", where: str) -> Node:
    uri, brace, local = element.tag.rpartition("}")
    if local != "PMML":
        raise UsageError(f"{where} is not PMML: its outermost element is {local!r}.")
    if not _NAMESPACE.fullmatch(uri.removeprefix("{")):
        raise UsageError(f"{where} is in the namespace {uri.removeprefix('{')!r}; PMML 4.0 to 4.4 can be read.")
    return Node(element, where, uri + brace)


def array_items(array: Node) -> list[str]:
    """Return the items of an `Array`: separated by blanks, in double quotes where they hold some; checks `n`."""
    items = [match[2] if match[1] is None else match[1].replace('\\"', '"') for match in _TOKEN.finditer(array.text)]
    stated = array.get("n")
    if stated is not None and stated.strip() != str(len(items)):
        raise array.error(f"says n={stated!r} and holds {len(items)} items; quote items that contain blanks")
    return items
