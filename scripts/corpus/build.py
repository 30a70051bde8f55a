#!/usr/bin/env python3
"""Makes the data files of the built-in library: crates/rag/data/*.jsonl and VARIANTS.md.

    npm pack chinese-poetry@2.0.1 && tar xzf chinese-poetry-2.0.1.tgz
    pip install opencc-python-reimplemented==0.1.7
    python3 scripts/corpus/build.py ./package

Reads that package (MIT; the texts themselves are in the public domain), the two works written out in
texts/, and the corrections of corrections.tsv. The output is the same for the same input, and is checked
in, so that nobody needs this script to build the server.
"""
import csv
import json
import math
import re
import sys
from pathlib import Path

from opencc import OpenCC

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "crates" / "rag" / "data"
PASSAGE_CHARS_MAX = 300
QUOTES = str.maketrans("「」『』", "“”‘’")
HALF_TO_FULL = str.maketrans({",": "，", ":": "：", "?": "？", "!": "！", ";": "；"})
# Variant forms that the converter leaves, and the forms that a reader of today types.
VARIANT_FORMS = dict(zip("鴈鼈煖彊斵谿餽锺敺鬬廐緜覩朞戹昬䜣茍", "雁鳖暖强斲溪馈钟驱斗厩绵睹期厄昏欣苟", strict=True))
DIGITS = "零一二三四五六七八九"

# The package has the Mencius by paragraph; these are the paragraphs (from 1) that open each of its 260
# sections in the received division.
MENGZI_SECTIONS = {
    "梁惠王上": "1 3 5 10 16 18 21",
    "梁惠王下": "1 9 15 19 22 32 38 41 45 46 48 51 53 55 57 59",
    "公孙丑上": "1 8 36 37 38 39 40 41 42",
    "公孙丑下": "1 2 9 11 18 21 24 27 31 43 46 49 52 54",
    "滕文公上": "1 3 8 12 29",
    "滕文公下": "1 3 5 13 23 25 28 30 32 38",
    "离娄上": "1 5 6 7 8 9 10 12 13 14 15 16 17 18 19 20 21 27 29 30 31 32 33 34 35 36 37 38",
    "离娄下": "1 2 3 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 22 23 24 25 26 27 28 29 30 32 33 34 36 39 41",
    "万章上": "1 5 13 19 23 33 35 37 39",
    "万章下": "1 6 10 12 28 29 43 53 54",
    "告子上": "1 3 5 9 15 22 24 25 26 27 28 29 30 31 32 36 37 38 39 40",
    "告子下": "1 5 11 17 22 25 30 33 36 37 41 43 44 51 53 54",
    "尽心上": "1 2 3 4 5 6 7 8 9 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 35 37 41 42 48 "
    "50 51 52 56 57 59 60 62 63 64",
    "尽心下": "1 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 23 24 25 29 31 32 36 37 38 39 42 45 46 47 48 49 50 54 64",
}

# The package divides the Doctrine of the Mean into 39 paragraphs; these words open the 33 received sections.
ZHONGYONG_OPENINGS = (
    "天命之谓性|仲尼曰：“君子中庸|子曰：“中庸其至矣乎|子曰：“道之不行也|子曰：“道其不行矣夫|子曰：“舜其大知|子曰：“人皆曰|"
    "子曰：“回之为人|子曰：“天下国家可均|子路问强|子曰：“素隐行怪|君子之道费而隐|子曰：“道不远人|君子素其位|君子之道，辟如行远|"
    "子曰：“鬼神之为德|子曰：“舜其大孝|子曰：“无忧者|子曰：“武王、周公|哀公问政|自诚明|唯天下至诚，为能尽其性|其次致曲|"
    "至诚之道，可以前知|诚者自成也|故至诚无息|大哉，圣人之道|子曰：“愚而好自用|王天下有三重|仲尼祖述|唯天下至圣|"
    "唯天下至诚，为能经纶|《诗》曰：“衣锦"
).split("|")


class Simplifier:
    """Traditional to simplified; a character whose simplified form lies outside the basic plane stays."""

    def __init__(self):
        self.converter = OpenCC("t2s")

    def __call__(self, text):
        simple = self.converter.convert(text)
        if len(simple) != len(text):
            raise SystemExit(f"conversion changed the length of {text!r}")
        kept = "".join(old if ord(new) > 0xFFFF else new for old, new in zip(text, simple))
        usual = kept.translate(str.maketrans(VARIANT_FORMS))
        return usual.translate(QUOTES).translate(HALF_TO_FULL).strip()


class Corrections:
    """Replacements that must each hit exactly once in the passages of their work."""

    def __init__(self, path):
        with open(path, encoding="utf-8", newline="") as file:
            self.rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    def apply(self, work, paragraphs):
        """Corrects the list of paragraph texts of one work in place."""
        for row in self.rows:
            if row["work"] != work:
                continue
            old, new = row["old"].replace("\\n", "\n"), row["new"].replace("\\n", "\n")
            hits = [index for index, text in enumerate(paragraphs) if old in text]
            if len(hits) != 1 or paragraphs[hits[0]].count(old) != 1:
                raise SystemExit(f"{work}: correction {old!r} found in {len(hits)} paragraphs")
            paragraphs[hits[0]] = paragraphs[hits[0]].replace(old, new)


def chinese_number(number):
    """1..99 in Chinese characters."""
    tens, ones = divmod(number, 10)
    if tens == 0:
        return DIGITS[ones]
    return ("" if tens == 1 else DIGITS[tens]) + "十" + (DIGITS[ones] if ones else "")


def split(text):
    """Cuts a long text at line or sentence ends into parts of nearly equal size, at most the maximum."""
    count = math.ceil(len(text) / PASSAGE_CHARS_MAX)
    while True:
        if count == 1:
            return [text]
        ends = [match.end() for match in re.finditer(r"[。！？][”’]*\n?|\n", text)]
        cuts = []
        for part in range(1, count):
            wanted = len(text) * part / count
            # A line's end is preferred: it counts as nearer than it is.
            cuts.append(min(ends, key=lambda end: abs(end - wanted) - (25 if text[end - 1] == "\n" else 0)))
        bounds = [0, *sorted(set(cuts)), len(text)]
        parts = [text[start:end].strip() for start, end in zip(bounds, bounds[1:])]
        parts = [part for part in parts if part]
        if max(map(len, parts)) <= PASSAGE_CHARS_MAX:
            return parts
        count += 1


def passages(base, chapter, number, text, **more):
    """One passage, or its parts with a third number."""
    parts = split(text)
    for index, part in enumerate(parts, 1):
        suffix = f".{index}" if len(parts) > 1 else ""
        yield {"id": base + suffix, "chapter": chapter, "number": number, "text": part, **more}


def lunyu(package, simplify, corrections):
    books = json.loads((package / "dist/lunyu/lunyu.json").read_text(encoding="utf-8"))
    flat = [simplify(text) for book in books for text in book["paragraphs"]]
    corrections.apply("lunyu", flat)
    texts = iter(flat)
    for book_number, book in enumerate(books, 1):
        chapter = book["chapter"].removesuffix("篇")
        for number, _ in enumerate(book["paragraphs"], 1):
            yield from passages(f"lunyu.{book_number}.{number}", chapter, number, next(texts))


def mengzi(package, simplify, corrections):
    books = json.loads((package / "dist/sishuwujing/mengzi.json").read_text(encoding="utf-8"))
    flat = [simplify(text) for book in books for text in book["paragraphs"]]
    corrections.apply("mengzi", flat)
    offset = 0
    for book_number, book in enumerate(books, 1):
        chapter = simplify(book["chapter"])
        size = len(book["paragraphs"])
        opens = [int(start) - 1 for start in MENGZI_SECTIONS[chapter].split()]
        for number, (start, end) in enumerate(zip(opens, [*opens[1:], size]), 1):
            text = "\n".join(flat[offset + start : offset + end])
            yield from passages(f"mengzi.{book_number}.{number}", chapter, number, text)
        offset += size


def daxue(package, simplify, corrections):
    book = json.loads((package / "dist/sishuwujing/daxue.json").read_text(encoding="utf-8"))
    flat = [simplify(text) for text in book["paragraphs"]]
    corrections.apply("daxue", flat)
    for number, text in enumerate(flat, 1):
        yield from passages(f"daxue.{number}", f"第{chinese_number(number)}节", number, text)


def zhongyong(package, simplify, corrections):
    book = json.loads((package / "dist/sishuwujing/zhongyong.json").read_text(encoding="utf-8"))
    flat = [simplify(text) for text in book["paragraphs"]]
    corrections.apply("zhongyong", flat)
    whole = "\n".join(flat)
    starts = []
    for opening in ZHONGYONG_OPENINGS:
        starts.append(whole.index(opening, starts[-1] + 1 if starts else 0))
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(whole)]), 1):
        yield from passages(f"zhongyong.{number}", f"第{chinese_number(number)}章", number, whole[start:end].strip())


def daodejing():
    lines = (HERE / "texts/daodejing.txt").read_text(encoding="utf-8").splitlines()
    chapters = [line for line in lines if line and not line.startswith("#")]
    for number, text in enumerate(chapters, 1):
        yield from passages(f"daodejing.{number}", f"第{chinese_number(number)}章", number, text)


def sunzi():
    chapter, book_number, number = "", 0, 0
    for line in (HERE / "texts/sunzi.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("=="):
            chapter, book_number, number = line.removeprefix("==").strip(), book_number + 1, 0
        elif line and not line.startswith("#"):
            number += 1
            yield from passages(f"sunzi.{book_number}.{number}", chapter, number, line)


def bare(poem):
    """The lines of a poem without the bracketed variant readings, which may run over a line's end."""
    lines = re.sub(r"[（(][^）)]*[）)]", "", poem).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())


def tangshi(package, simplify, corrections):
    anthology = json.loads((package / "dist/mengxue/tangshisanbaishou.json").read_text(encoding="utf-8"))
    poems = [poem for form in anthology["content"] for poem in form["content"]]
    texts = [bare("\n".join(map(simplify, poem["paragraphs"]))) for poem in poems]
    corrections.apply("tangshi", texts)
    titles = [simplify(f"{poem['chapter']}|{poem['subchapter'] or ''}") for poem in poems]
    corrections.apply("tangshi-title", titles)
    for number, (poem, text, title) in enumerate(zip(poems, texts, titles), 1):
        short, _, long = title.partition("|")
        others = [name.strip() for name in long.split("/") if name.strip()]
        # The package cuts long titles, mostly at eleven characters, and keeps the whole as the second title.
        cut = len(short) > 9 or (len(others) == 1 and "·其" not in long)
        chapter = next((name for name in others if cut and name.startswith(short)), short)
        also = [name for name in others if name != chapter]
        more = {"author": simplify(poem["author"])}
        if also:
            more["also"] = also
        yield from passages(f"tangshi.{number:04}", chapter, number, text, **more)


def write_variants(corrections):
    """VARIANTS.md: every place where our text is not what a source has, and why."""
    with open(HERE / "variants.tsv", encoding="utf-8", newline="") as file:
        variants = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    out = [
        "# Where the text of the library was decided",
        "",
        "Made by `scripts/corpus/build.py` from `corrections.tsv` and `variants.tsv` beside it; edit those.",
        "",
        "## Corrections to the package",
        "",
        "Variant forms, everywhere: " + " ".join(f"{old}→{new}" for old, new in VARIANT_FORMS.items()) + ".",
        "A simplified form outside Unicode's basic plane gives way to the traditional form, which more fonts have.",
        "",
        "| work | the package has | we have | why |",
        "| --- | --- | --- | --- |",
    ]
    names = {work["slug"]: work["name"] for work in json.loads((DATA / "works.json").read_text(encoding="utf-8"))}
    names["tangshi-title"] = names["tangshi"] + "（题）"
    for row in corrections.rows:
        out.append(f"| {names[row['work']]} | {row['old']} | {row['new']} | {row['why']} |")
    out += [
        "",
        "## Readings that differ from another edition",
        "",
        "`scripts/corpus/check.py` compares the Han characters of our text with a second edition and fails on a",
        "difference that is not listed here. 【ours｜theirs】 in its context; an empty side means that the edition",
        "lacks the characters.",
        "",
        "| work | chapter | reading | decision |",
        "| --- | --- | --- | --- |",
    ]
    for row in variants:
        out.append(f"| {names[row['work']]} | {row['chapter']} | {row['reading']} | {row['decision']} |")
    (DATA / "VARIANTS.md").write_text("\n".join(out) + "\n", encoding="utf-8")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    package = Path(sys.argv[1])
    simplify = Simplifier()
    corrections = Corrections(HERE / "corrections.tsv")
    works = {
        "lunyu": lunyu(package, simplify, corrections),
        "mengzi": mengzi(package, simplify, corrections),
        "daxue": daxue(package, simplify, corrections),
        "zhongyong": zhongyong(package, simplify, corrections),
        "daodejing": daodejing(),
        "sunzi": sunzi(),
        "tangshi": tangshi(package, simplify, corrections),
    }
    for slug, rows in works.items():
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
        (DATA / f"{slug}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{slug}: {len(lines)} passages")
    write_variants(corrections)


if __name__ == "__main__":
    main()
