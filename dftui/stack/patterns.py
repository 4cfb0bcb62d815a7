"""Regular expressions that Python and ECMA (JSON Schema) read alike: one for the validator and the editors."""

from __future__ import annotations

OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = rf"{OCTET}(?:\.{OCTET}){{3}}"
IPV6 = "[0-9A-Fa-f]*:[0-9A-Fa-f:.]+"
"""As far as a pattern can tell; see what reads it."""


def whole(low: int, high: int) -> str:
    """Every whole number from `low` (0 or more) to `high`, without leading zeros."""
    parts: list[str] = []
    lengths: list[int] = []  # of a run of "any first digit, then n of any"
    while low <= high:
        step = 1
        while low and low % (step * 10) == 0 and low + step * 10 - 1 <= high:
            step *= 10
        zeros = len(str(step)) - 1
        head, digit = divmod(low // step, 10)
        count = min(9 - digit, (high - low + 1) // step - 1) + 1
        if (head, digit, count) == (0, 1, 9):
            lengths.append(zeros)
        else:
            digits = str(digit) if count == 1 else f"[{digit}-{digit + count - 1}]"
            parts.append((str(head) if head else "") + digits + _repeated("[0-9]", zeros, zeros))
        low += count * step
    if lengths:
        parts.append("[1-9]" + _repeated("[0-9]", lengths[0], lengths[-1]))
    return f"(?:{'|'.join(parts)})" if len(parts) != 1 else parts[0]


def _repeated(part: str, least: int, most: int) -> str:
    if most == 0:
        return ""
    if least == most:
        return part if most == 1 else f"{part}{{{most}}}"
    return f"{part}{{{least},{most}}}"


def either_case(text: str) -> str:
    """Plain letters in either case; ECMA has no flag within a pattern."""
    return "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in text)
