"""Writes the pictures of this folder, and for each NAME.jpg, .webp, .tif and .bmp the pixels that Pillow
reads from it, in NAME.EXT.png: convert("RGB"), or "L" of a grey one.  Python 3, numpy, Pillow (13.0
and others that are built with libjpeg-turbo):

    python3 generate.py
"""
import os

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(HERE, name)


def picture(height, width, channels, seed):
    """Slopes, edges and noise, so that every part of a decoder has something to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [128 + 90 * np.sin(x / (3 + c) + c) * np.cos(y / (4 + c)) + 60 * ((x + 2 * y) // 9 % 2)
              for c in range(channels)]
    noisy = np.stack(planes, -1) + rng.normal(0, 12, (height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def save(name, image, **options):
    image.save(path(name), **options)
    with Image.open(path(name)) as read:
        read.convert("L" if read.mode == "L" else "RGB").save(path(name + ".png"), optimize=True)


def main():
    colour = Image.fromarray(picture(37, 45, 3, 1))
    grey = Image.fromarray(picture(19, 23, 1, 2)[:, :, 0])
    cmyk = Image.fromarray(picture(17, 21, 4, 3), mode="CMYK")
    alpha = Image.fromarray(np.concatenate([picture(14, 11, 3, 4), picture(14, 11, 1, 5)], -1))
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        save(f"{name}.jpg", colour, quality=80, subsampling=sampling)
    save("progressive.jpg", colour, quality=60, subsampling=2, progressive=True, optimize=True)
    save("restart.jpg", colour, quality=30, subsampling=2, restart_marker_blocks=2)
    save("one.jpg", colour.crop((0, 0, 1, 1)), quality=90)
    save("grey.jpg", grey, quality=75)
    save("cmyk.jpg", cmyk, quality=85)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.jpg", colour, quality=50, exif=exif)
    save("lossy.webp", colour, quality=70)
    save("lossless.webp", colour, lossless=True)
    save("alpha.webp", alpha, lossless=True, exact=True)
    save("rgb.tif", colour)
    save("grey.tif", grey, compression="tiff_lzw")
    save("deflate.tif", colour, compression="tiff_adobe_deflate")
    save("alpha.tif", alpha)
    save("rgb.bmp", colour)
    save("grey.bmp", grey)
    save("palette.bmp", colour.quantize(50))
    alpha.save(path("alpha.png"), optimize=True)


if __name__ == "__main__":
    main()
