#!/usr/bin/env python3
"""Draws the characters' avatars: one character, white on its ground, in a seal's frame.

Reads crates/mbti-roles/data/*/*.toml and writes web/avatars/<id>.svg. Masters get a double frame.
Needs Python 3.11 and nothing else.
"""

import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
FONTS = "'Kaiti SC','STKaiti','KaiTi','Noto Serif CJK SC','Source Han Serif SC','Songti SC','SimSun',serif"

PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" role="img" aria-label="{name}">
<rect width="96" height="96" rx="{radius}" fill="{ground}"/>
{frame}
<text x="48" y="49" fill="#fbf7ee" font-size="{size}" font-family="{fonts}" text-anchor="middle" \
dominant-baseline="central">{character}</text>
</svg>
"""

MASTER_FRAME = (
    '<rect x="7" y="7" width="82" height="82" rx="5" fill="none" stroke="#fbf7ee" stroke-width="2.5"/>\n'
    '<rect x="12" y="12" width="72" height="72" rx="2" fill="none" stroke="#fbf7ee" stroke-opacity=".5"/>'
)
COMPANION_FRAME = '<circle cx="48" cy="48" r="40" fill="none" stroke="#fbf7ee" stroke-opacity=".45" stroke-width="1.5"/>'


def draw(card):
    master = card.get("kind") == "master"
    return PICTURE.format(
        name=card["name"],
        radius=10 if master else 48,
        ground=card["seal"]["ground"],
        frame=MASTER_FRAME if master else COMPANION_FRAME,
        size=54 if master else 46,
        fonts=FONTS,
        character=card["seal"]["character"],
    )


def main():
    folder = ROOT / "web" / "avatars"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "crates" / "mbti-roles" / "data").glob("*/*.toml")):
        card = tomllib.loads(path.read_text(encoding="utf-8"))
        (folder / f"{card['id']}.svg").write_text(draw(card), encoding="utf-8")
        print(card["id"])


if __name__ == "__main__":
    main()
