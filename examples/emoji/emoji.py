#!/usr/bin/env python3
"""emoji.py FOLDER - a folder of captioned pictures for hidi, from two packages of Debian.

    apt-get install python3-pil fonts-noto-color-emoji unicode-cldr-core
    python3 emoji.py emoji

writes FOLDER/1f602.png, ... (32 x 32 on white) and FOLDER/metadata.jsonl, with a line
{"file_name": "1f602.png", "text": "a face with tears of joy"} for each.

Captions are the names that Unicode's CLDR gives to characters.  Only characters of one code point
that the font has in colour are taken: no flags of countries, skin tones or families.
"""
import json
import os
import sys
import xml.etree.ElementTree as ElementTree

from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
NAMES = "/usr/share/unicode/cldr/common/annotations/en.xml"
FONT_SIZE = 109  # the one size that this font of bitmaps has
CANVAS = 144  # its bitmaps are 136 x 128
SIDE = 32


def names():
    """(character, name) of each character of one code point that has a name, in their order."""
    found = {}
    for entry in ElementTree.parse(NAMES).iter("annotation"):
        character = entry.get("cp").replace("\ufe0f", "")
        if entry.get("type") == "tts" and len(character) == 1:
            found[character] = entry.text
    return sorted(found.items())


def caption(name):
    """"face with tears of joy" becomes "a face with tears of joy"; plurals stay as they are."""
    first = name.split()[0]
    head = name.split(" with ")[0].split(" of ")[0].split()[-1]
    if first in ("a", "an", "one", "two", "three", "no") or head.isdigit():
        return name
    if head in ("people", "men", "women") or (head[-1] == "s" and head[-2:] not in ("ss", "us")):
        return name
    return ("an " if first[0].lower() in "aeiou" else "a ") + name


def draw(character, font):
    """The character in the middle of a white square, or None if the font does not have it."""
    left, top, right, bottom = font.getbbox(character)
    if right <= left or bottom <= top:
        return None
    canvas = Image.new("RGBA", (CANVAS, CANVAS), "white")
    place = ((CANVAS - right - left) // 2, (CANVAS - bottom - top) // 2)
    ImageDraw.Draw(canvas).text(place, character, font=font, embedded_color=True)
    return canvas.convert("RGB").resize((SIDE, SIDE), Image.LANCZOS)


def main(folder):
    font = ImageFont.truetype(FONT, FONT_SIZE)
    os.makedirs(folder, exist_ok=True)
    seen = {draw("\U0010ffff", font).tobytes() if draw("\U0010ffff", font) else None}
    with open(os.path.join(folder, "metadata.jsonl"), "w", encoding="utf-8") as captions:
        for character, name in names():
            picture = draw(character, font)
            if picture is None or picture.tobytes() in seen:
                continue  # not in the font (or drawn like another)
            seen.add(picture.tobytes())
            file_name = f"{ord(character):x}.png"
            picture.save(os.path.join(folder, file_name))
            json.dump({"file_name": file_name, "text": caption(name)}, captions)
            captions.write("\n")
    print(f"{folder}: {len(os.listdir(folder)) - 1} pictures")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
