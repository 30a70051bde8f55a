#!/usr/bin/env python3
"""Compares the library's text, Han character by Han character, with a second edition.

    python3 scripts/corpus/check.py REFERENCE_DIR [--propose]

REFERENCE_DIR holds passages.jsonl.gz, one {"book", "chapter", "text"} a line. Every difference must be listed
in variants.tsv with its decision; the script prints those that are not and exits 1. --propose prints them as
rows of variants.tsv, to be decided. The second edition is not part of the project and no text is taken from it.
"""
import csv
import difflib
import gzip
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "crates" / "rag" / "data"
# Work -> the book's name in the reference and how its chapters are called there.
BOOKS = {
    "lunyu": ("论语", r"(.+)篇"),
    "mengzi": ("孟子", r"(.+)章句(.)·"),
    "zhongyong": ("中庸", r"(.+)"),
    "daodejing": ("老子", r".经·(第.+章)"),
    "sunzi": ("孙子兵法", r"(.+)篇"),
    "daxue": ("大学章句集注", r"(.*)"),
}
LONG = 12
CONTEXT = 4


def han(text):
    """Only the Han characters."""
    return "".join(char for char in text if "\u3400" <= char <= "\u9fff" or char > "\U00020000")


def section(chapter):
    """The number of a section (第十二节) for sorting, 0 where there is none."""
    match = re.search(r"第(.+)[节章]", chapter)
    if not match:
        return 0
    digits = {char: value for value, char in enumerate("零一二三四五六七八九")}
    tens, _, ones = match[1].rpartition("十")
    if "十" not in match[1]:
        return digits[match[1]]
    return (digits[tens] if tens else 1) * 10 + (digits[ones] if ones else 0)


def ours(work):
    chapters = {}
    for line in (DATA / f"{work}.jsonl").read_text(encoding="utf-8").splitlines():
        passage = json.loads(line)
        chapters[passage["chapter"]] = chapters.get(passage["chapter"], "") + han(passage["text"])
    return chapters


def theirs(work, rows):
    book, pattern = BOOKS[work]
    chapters = {}
    found = [row for row in rows if row["book"] == book]
    for row in sorted(found, key=lambda row: section(row["chapter"])):
        match = re.match(pattern, row["chapter"])
        name = "".join(match.groups())
        chapters[name] = chapters.get(name, "") + han(row["text"])
    return chapters


def short(text):
    return text if len(text) <= LONG else f"{text[:3]}…{text[-3:]}（{len(text)}字）"


def readings(left, right):
    """Each difference with a little context: 前文【ours｜theirs】后文."""
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "equal":
            before, after = left[max(0, i - CONTEXT) : i], left[j : j + CONTEXT]
            yield f"{before}【{short(left[i:j])}｜{short(right[k:m])}】{after}"


def clauses(left, right):
    """For a work whose sections stand in another order there: our clauses that are not found."""
    for clause in left:
        if clause and clause not in right:
            yield f"【{clause}｜】"


def differences(work, rows):
    if work == "daxue":
        book = "".join(theirs(work, rows).values())
        for line in (DATA / "daxue.jsonl").read_text(encoding="utf-8").splitlines():
            passage = json.loads(line)
            parts = [han(part) for part in re.split("[，。；：？！“”、]", passage["text"])]
            for reading in clauses(parts, book):
                yield passage["chapter"], reading
        return
    there = theirs(work, rows)
    for chapter, text in ours(work).items():
        for reading in readings(text, there.get(chapter, "")):
            yield chapter, reading


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    with gzip.open(Path(sys.argv[1]) / "passages.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    with open(HERE / "variants.tsv", encoding="utf-8", newline="") as file:
        decided = {tuple(row.values())[:3] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    seen, open_count = set(), 0
    for work in BOOKS:
        for chapter, reading in differences(work, rows):
            key = (work, chapter, reading)
            seen.add(key)
            if key not in decided:
                open_count += 1
                print("\t".join(key) + ("\t" if "--propose" in sys.argv else ""))
    stale = decided - seen
    for key in sorted(stale):
        print("no longer a difference:", *key)
    print(f"{len(seen)} differences, {open_count} undecided, {len(stale)} stale", file=sys.stderr)
    sys.exit(1 if open_count or stale else 0)


if __name__ == "__main__":
    main()
