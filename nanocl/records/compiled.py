"""A JSON schema as one function: jsonschema takes 4 ms for a record, this takes 0.2.

It says only whether a value fits, and may say no where the standard says yes (1.0 is no integer
here). So a no means: ask jsonschema, which also knows what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Fits = Callable[[Any], bool]
_KINDS = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
_WORDS = {"title", "description", "$schema", "$id", "$defs"}  # they refuse nothing
_Make = Callable[[Any, Mapping[str, Any], "_Definitions"], Fits]


def compiled(schema: Mapping[str, Any]) -> Fits:
    """The function of a schema in the dialect 2020-12.

    Raises:
        ValueError: It has a keyword that this module does not know.
    """
    return _compiled(schema, _Definitions(schema))


class _Definitions:
    """The functions of `$defs`, each made once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._rules = schema.get("$defs", {})
        self._made: dict[str, Fits] = {}

    def __getitem__(self, reference: str) -> Fits:
        name = reference.removeprefix("#/$defs/")
        if name not in self._made:
            self._made[name] = lambda value: self._made[name](value)  # a rule may contain itself
            self._made[name] = _compiled(self._rules[name], self)
        return self._made[name]


def _compiled(rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    tests = []
    for keyword, wanted in rule.items():
        if keyword in _WORDS or keyword in ("then", "additionalProperties"):
            continue  # the last two are part of `if` and of `properties`
        if keyword not in _MAKERS:
            raise ValueError(f"the schema has a keyword that is not compiled: {keyword!r}")
        tests.append(_MAKERS[keyword](wanted, rule, definitions))
    if "additionalProperties" in rule and "properties" not in rule:
        tests.append(_properties({}, rule, definitions))
    return _all(tests)


def _all(tests: Sequence[Fits]) -> Fits:
    if len(tests) == 1:
        return tests[0]

    def fits(value: Any) -> bool:
        for test in tests:  # noqa: SIM110 - `all` takes twice as long
            if not test(value):
                return False
        return True

    return fits


def _type(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    names = [wanted] if isinstance(wanted, str) else wanted
    kinds = {kind for name in names for kind in _KINDS[name]}
    return lambda value: type(value) in kinds


def _const(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return _enum([wanted], rule, definitions)


def _enum(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    # in Python True == 1, in JSON they differ
    return lambda value: any(type(value) is type(one) and value == one for one in wanted)


def _ref(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return definitions[wanted]


def _minimum(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return lambda value: type(value) not in (int, float) or value >= wanted


def _exclusive_minimum(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return lambda value: type(value) not in (int, float) or value > wanted


def _maximum(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return lambda value: type(value) not in (int, float) or value <= wanted


def _pattern(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    search = re.compile(wanted).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _min_length(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return lambda value: not isinstance(value, str) or len(value) >= wanted


def _max_length(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return lambda value: not isinstance(value, str) or len(value) <= wanted


def _min_items(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return lambda value: not isinstance(value, list) or len(value) >= wanted


def _max_items(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return lambda value: not isinstance(value, list) or len(value) <= wanted


def _min_properties(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    return lambda value: not isinstance(value, dict) or len(value) >= wanted


def _items(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    item = _compiled(wanted, definitions)
    return lambda value: not isinstance(value, list) or all(map(item, value))


def _required(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    names = frozenset(wanted)
    return lambda value: not isinstance(value, dict) or names <= value.keys()


def _properties(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    properties = {name: _compiled(one, definitions) for name, one in wanted.items()}
    others = _additional(rule.get("additionalProperties", True), definitions)

    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name, item in value.items():  # noqa: SIM110 - `all` takes twice as long
            if not properties.get(name, others)(item):
                return False
        return True

    return fits


def _additional(wanted: Any, definitions: _Definitions) -> Fits:
    if isinstance(wanted, bool):
        return lambda value: wanted
    return _compiled(wanted, definitions)


def _one_of(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    # a choice may say no to what fits, so only a single yes and kinds that exclude each other count
    choices = [_compiled(one, definitions) for one in wanted]
    kinds = [one.get("type") for one in wanted]
    if None in kinds or len(set(kinds)) < len(kinds) or {"integer", "number"} <= set(kinds):
        raise ValueError(f"the choices of oneOf must have different types, got {kinds}")
    return lambda value: any(choice(value) for choice in choices)


def _if(wanted: Any, rule: Mapping[str, Any], definitions: _Definitions) -> Fits:
    # a condition that says no too often would let values pass, so only the exact form is taken
    conditions = [list(one.items()) for one in wanted.get("properties", {}).values()]
    texts = [text for ((keyword, text),) in conditions if keyword == "const"]
    if list(wanted) != ["properties"] or [type(text) for text in texts] != [str] * len(conditions):
        raise ValueError(f"a condition must be properties with constant texts, got {wanted!r}")
    condition = _compiled(wanted, definitions)
    then = _compiled(rule.get("then", {}), definitions)
    return lambda value: not condition(value) or then(value)


_MAKERS: Mapping[str, _Make] = {
    "$ref": _ref,
    "const": _const,
    "enum": _enum,
    "exclusiveMinimum": _exclusive_minimum,
    "if": _if,
    "items": _items,
    "maxItems": _max_items,
    "maxLength": _max_length,
    "maximum": _maximum,
    "minItems": _min_items,
    "minLength": _min_length,
    "minProperties": _min_properties,
    "minimum": _minimum,
    "oneOf": _one_of,
    "pattern": _pattern,
    "properties": _properties,
    "required": _required,
    "type": _type,
}
