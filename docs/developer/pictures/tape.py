"""Draws the tape of f(x) = sqrt(x² + exp(x²)) + cos(x² + exp(x²)) as the engine has recorded it.

    python docs/developer/pictures/tape.py docs/developer/pictures/tape.svg

Everything in the picture is read from the engine: the nodes, their operands, the values, and the cotangent of each
node, from a sweep that asks for it. The SVG is written as text, so that the same tape always gives the same file.
"""

import sys
from pathlib import Path

import numpy as np

import pyad
from pyad._binding import dtypes, engine, memory
from pyad._transforms.sweep import sweep_gradient

X = 0.6
NAMES = ["x", "a = x²", "b = exp(a)", "c = a + b", "d = sqrt(c)", "e = cos(c)", "f = d + e"]

WIDTH, HEIGHT, GAP = 128, 128, 22
LEFT, TOP = 24, 116


def f(x):
    a = x**2
    b = np.exp(a)
    c = a + b
    return np.sqrt(c) + np.cos(c)


def read_tape() -> list[dict]:
    """The nodes of one recording of f, from the first to the last."""
    nodes = []

    def look(x):
        y = f(x)
        generation = y._h >> engine.INDEX_BITS
        last = y._h & ((1 << engine.INDEX_BITS) - 1)
        for index in range(last + 1):
            handle = generation << engine.INDEX_BITS | index
            info = memory.node_info(handle)
            (cotangent,) = sweep_gradient(engine.lib.PYAD_SWEEP_RETAIN, y._h, [handle], [((), dtypes.F64)])
            operands = [engine.lib.pyad_operand(handle, k) for k in range(info.nargs)]
            nodes.append(
                {
                    "op": engine.ffi.string(engine.lib.pyad_kernel_name(info.op)).decode() if operands else "input",
                    "operands": [operand & ((1 << engine.INDEX_BITS) - 1) for operand in operands],
                    "value": engine.lib.pyad_read_number(handle),
                    "cotangent": float(cotangent),
                }
            )
        return y

    pyad.grad(look)(X)
    return nodes


def left_of(index: int) -> int:
    return LEFT + index * (WIDTH + GAP)


def text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{words}</text>'


def arc(start: int, end: int, lane: int) -> str:
    """From an operand to the node that uses it, above the row of nodes; later operands arrive further right."""
    x0 = left_of(start) + WIDTH / 2
    x1 = left_of(end) + WIDTH / 2 - 14 + 28 * lane
    height = 24 + 22 * (end - start)
    return f'<path d="M {x0:g} {TOP} C {x0:g} {TOP - height}, {x1:g} {TOP - height}, {x1:g} {TOP - 5}" class="arc"/>'


def cell(index: int, node: dict) -> list[str]:
    left = left_of(index)
    middle = left + WIDTH / 2
    operands = ", ".join(map(str, node["operands"])) or "-"
    return [
        f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>',
        text(middle, TOP + 20, f"node {index}", "index"),
        text(middle, TOP + 42, NAMES[index], "name"),
        text(middle, TOP + 64, f"op {node['op']}, operands {operands}", "small"),
        text(middle, TOP + 90, f"value {node['value']:.4f}"),
        text(middle, TOP + 112, f"cotangent {node['cotangent']:.4f}", "back"),
    ]


STYLE = """
text { font: 13px sans-serif; text-anchor: middle; fill: #222 }
.index { fill: #777; font-size: 11px } .name { font-weight: bold } .small { font-size: 10px; fill: #555 }
.back { fill: #a33; font-size: 12px } .note { text-anchor: start; font-size: 12px }
.noteback { text-anchor: start; font-size: 12px; fill: #a33 }
rect { fill: #f6f8fb; stroke: #446 } .arc { fill: none; stroke: #446; marker-end: url(#head) }
.line { stroke: #a33; marker-end: url(#backhead) }
"""


def draw(nodes: list[dict]) -> str:
    width = left_of(len(nodes)) - GAP + LEFT
    height = TOP + HEIGHT + 66
    below = TOP + HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>The tape of f(x) = sqrt(x² + exp(x²)) + cos(x² + exp(x²)) at x = {X}</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
        '<path d="M 0 0 L 6 3 L 0 6 z" fill="#446"/></marker>'
        '<marker id="backhead" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
        '<path d="M 0 0 L 6 3 L 0 6 z" fill="#a33"/></marker></defs>',
        f'<rect width="{width}" height="{height}" style="fill: white; stroke: none"/>',
    ]
    for index, node in enumerate(nodes):
        parts += [arc(operand, index, lane) for lane, operand in enumerate(node["operands"])]
    for index, node in enumerate(nodes):
        parts += cell(index, node)
    parts += [
        text(LEFT, 24, "Recorded from left to right: operands always stand before the node that uses them.", "note"),
        f'<line x1="{width - LEFT}" y1="{below - 14}" x2="{LEFT + 6}" y2="{below - 14}" class="line"/>',
        text(LEFT, below + 12, "Swept from right to left: at a node's turn its cotangent is complete.", "noteback"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(read_tape()), encoding="utf-8")
