"""Captions through a text encoder of transformers, once, into a file that hidi trains on.

    hidi data --set data.name=captions --set data.path=FOLDER --list >names.txt
    python3 encode.py names.txt captions.safetensors --folder FOLDER
    python3 encode.py texts.txt prompts.safetensors

With --folder the lines of the first file are the pictures of that folder, whose captions are in its
metadata.jsonl; without, they are texts: prompts for `hidi sample --embeddings`.

--model is a name or a folder of T5 (its encoder is used: Flan-T5, T5-v1.1) or CLIP (its text
encoder, with --length 77).  What is written: embeddings [n, L, D], the last hidden states, in BF16;
mask [n, L]; null [L0, D], of the empty caption; and of a folder the pictures' names as metadata.
"""
import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoTokenizer, CLIPTextModel, T5EncoderModel


def open_encoder(model):
    kind = AutoConfig.from_pretrained(model).model_type
    encoder = CLIPTextModel if kind.startswith("clip") else T5EncoderModel
    return (AutoTokenizer.from_pretrained(model, padding_side="right"),
            encoder.from_pretrained(model).eval())


def captions_of(folder, names):
    text = {}
    with open(pathlib.Path(folder) / "metadata.jsonl", encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            row = json.loads(line)
            text[row["file_name"]] = row["text"]
    return [text[name] for name in names]


@torch.no_grad()
def encode(tokenizer, encoder, texts, length):
    """The last hidden states [n, L, D] and the mask [n, L]."""
    states, masks = [], []
    for i in range(0, len(texts), 32):
        t = tokenizer(texts[i:i + 32], padding="max_length", max_length=length, truncation=True,
                      return_tensors="pt")
        states.append(encoder(input_ids=t.input_ids, attention_mask=t.attention_mask)
                      .last_hidden_state.to(torch.bfloat16))
        masks.append(t.attention_mask.to(torch.uint8))
    return torch.cat(states), torch.cat(masks)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines")
    parser.add_argument("out")
    parser.add_argument("--folder")
    parser.add_argument("--model", default="google/flan-t5-base")
    parser.add_argument("--length", type=int, default=64, help="L: tokens, at most")
    a = parser.parse_args()

    lines = pathlib.Path(a.lines).read_text(encoding="utf-8").splitlines()
    texts = lines if a.folder is None else captions_of(a.folder, lines)
    tokenizer, encoder = open_encoder(a.model)
    embeddings, mask = encode(tokenizer, encoder, texts, a.length)
    null, null_mask = encode(tokenizer, encoder, [""], a.length)
    tensors = {"embeddings": embeddings, "mask": mask,
               "null": null[0, :int(null_mask.sum())].clone()}
    save_file(tensors, a.out,
              metadata=None if a.folder is None else {"file_names": "\n".join(lines)})
    print(f"{a.out}: {len(texts)} captions of at most {a.length} tokens, "
          f"the longest of {int(mask.sum(1).max())}, of width {embeddings.shape[2]}")


if __name__ == "__main__":
    main()
