"""Numbers as people read them: with a unit, and as many digits as mean something."""

import math

BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
MINUS = "\N{MINUS SIGN}"


def duration(seconds):
    """0.213 s, 42 s, 3m05s, 2h07m; the programs' logs write the last two the same way."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 10:
        return f"{seconds:.3g} s" if seconds >= 1 or seconds == 0 else f"{seconds * 1e3:.3g} ms"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole // 60 % 60:02}m"
    return f"{whole // 60}m{whole % 60:02}s" if whole >= 60 else f"{whole} s"


def size(count):
    """1.50 MiB, 12.0 GiB."""
    unit = 0
    while abs(count) >= 1024 and unit + 1 < len(BINARY):
        count /= 1024
        unit += 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.{2 if abs(count) < 100 else 1}f} {BINARY[unit]}"


def count(number):
    """842, 41.2 k, 12.3 M."""
    for limit, suffix in [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")]:
        if abs(number) >= limit:
            return f"{number / limit:.{max(0, 2 - int(math.log10(abs(number) / limit)))}f}{suffix}"
    return f"{number:.3g}" if number % 1 else f"{number:.0f}"


def split(number, unit):
    """A value and what is written small behind it: ("1.5602", "nat/token"), ("3m05s", ""). None: a dash."""
    if number is None:
        return "\N{EN DASH}", ""
    if math.isnan(number):
        return "NaN", ""
    if math.isinf(number):
        return ("\N{INFINITY}" if number > 0 else f"{MINUS}\N{INFINITY}"), ""
    if unit == "byte":
        return tuple(size(number).split(" "))
    if unit == "s":
        return duration(number), ""
    if unit in ("token", "token/s"):
        return count(number), unit.replace("token", "tokens")
    text = f"{number:.4f}" if unit.endswith(("/token", "/byte")) else f"{number:.4g}"
    return text.replace("-", MINUS), "" if unit == "1" else unit


def quantity(number, unit):
    """A value with its unit."""
    return " ".join(split(number, unit)).strip()


def column(heading, numbers, unit):
    """(heading, cells) of a table: a unit that is the same in all cells moves to the heading."""
    if unit in ("byte", "s", "token", "token/s", "1"):
        return heading, [quantity(number, unit) for number in numbers]
    return f"{heading} ({unit})", [split(number, unit)[0] for number in numbers]


def axis_unit(unit, largest):
    """(divisor, name) for an axis whose largest value is `largest` in `unit`; "" names what has no unit."""
    if unit == "1":
        return 1, ""
    if unit == "byte":
        power = min(len(BINARY) - 1, int(math.log(max(1, largest), 1024)))
        return 1024**power, BINARY[power]
    if unit == "s":
        for divisor, name in [(3600, "hours"), (60, "minutes"), (1, "seconds")]:
            if largest >= 3 * divisor:
                return divisor, name
        return 1e-3, "milliseconds"
    if unit in ("token", "token/s"):
        plural = unit.replace("token", "tokens")
        for divisor, name in [(1e9, "billion"), (1e6, "million"), (1e3, "thousand")]:
            if largest >= 2 * divisor:
                return divisor, f"{name} {plural}"
        return 1, plural
    return 1, {"nat/token": "nats a token"}.get(unit, unit)
