"""Line charts and bars as SVG text, in as little as a page of figures needs."""

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 70, 150, 34, 46
COLOURS = ("#1f6fb2", "#d1642a", "#4f8f3a", "#8456a8", "#777777")


def text(x, y, words, anchor="middle", size=12, turn=""):
    words = str(words).replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{turn}>{words}</text>'


def short(value):
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def ticks(highest):
    """Round numbers from 0 to a little above `highest`."""
    step = 10 ** math.floor(math.log10(highest / 4 or 1))
    step = next(step * n for n in (1, 2, 5, 10) if highest / (step * n) <= 5)
    return [step * n for n in range(math.ceil(highest / step) + 1)]


def frame(title, x_title, y_title, parts):
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', text(WIDTH / 2, 20, title, size=14),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_title),
        text(16, middle, y_title, turn=f' transform="rotate(-90 16 {middle:.1f})"'), *parts, "</svg>"]) + "\n"


def legend(names):
    for number, name in enumerate(names):
        y = TOP + 14 + 18 * number
        colour = COLOURS[number % len(COLOURS)]
        yield f'<rect x="{WIDTH - RIGHT + 10}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield text(WIDTH - RIGHT + 26, y, name, "start")


def scale(steps):
    """Horizontal lines with their values."""
    for step in steps:
        y = HEIGHT - BOTTOM - step / steps[-1] * (HEIGHT - TOP - BOTTOM)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield text(LEFT - 6, y + 4, short(step), "end")


def lines(title, x_title, y_title, series):
    """series: {name: [(x, y)…]}; x is drawn by its logarithm, 0 where 1 is."""
    points = [p for values in series.values() for p in values]
    steps = ticks(max(y for _, y in points))
    places = sorted({x for x, _ in points})
    low, high = math.log10(max(places[0], 1)), math.log10(max(places[-1], 10))

    def at(x, y):
        along = (math.log10(max(x, 1)) - low) / ((high - low) or 1)
        return LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / steps[-1] * (HEIGHT - TOP - BOTTOM)

    parts = [*scale(steps), *legend(series)]
    for place in places:
        parts.append(text(at(place, 0)[0], HEIGHT - BOTTOM + 16, short(place)))
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*p) for p in sorted(values)))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in (at(*p) for p in values)]
    return frame(title, x_title, y_title, parts)


def bars(title, y_title, groups):
    """groups: {group: {name: value}}; each group's bars stand side by side."""
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    steps = ticks(max(value for values in groups.values() for value in values.values()))
    parts = [*scale(steps), *legend(names)]
    each = (WIDTH - LEFT - RIGHT) / len(groups)
    wide = each * 0.8 / len(names)
    for place, (group, values) in enumerate(groups.items()):
        start = LEFT + place * each + each * 0.1
        parts.append(text(start + each * 0.4, HEIGHT - BOTTOM + 16, group))
        for number, name in enumerate(names):
            if name in values:
                tall = values[name] / steps[-1] * (HEIGHT - TOP - BOTTOM)
                colour = COLOURS[number % len(COLOURS)]
                parts.append(f'<rect x="{start + number * wide:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}" '
                             f'width="{wide:.1f}" height="{tall:.1f}" fill="{colour}"/>')
    return frame(title, "", y_title, parts)
