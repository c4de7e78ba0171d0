"""Writes a model for llama.cpp: a llama of two layers with random weights, half a megabyte of GGUF.

    python -m tests.servers.tiny_model OUT.gguf

It has one opinion, `LIKELIER`: an answer ends as soon as its grammar permits an end; if it does not, a tool is called;
it does not think, and JSON has no white space.  The rest is noise, unless the grammar leaves it no choice.
"""

import sys
from pathlib import Path

import gguf
import numpy as np

# The longest conversation, in tokens.  An endless answer of this length takes seconds, so that it can be left.
CONTEXT = 32768
WIDTH, HIDDEN, HEADS, LAYERS = 64, 128, 2, 2
# The control tokens, and the tags that the chat template gives a meaning to.
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = ["<tool_call>", "</tool_call>", "<think>", "</think>"]
# How much likelier each of these tokens is than others, as logits.  A blank, a line feed and a tab have GPT-2's names.
LIKELIER = {
    "<|im_end|>": 200.0, "<tool_call>": 100.0, "</tool_call>": 90.0, "<think>": -100.0, "<": -100.0,
    "Ġ": -100.0, "Ċ": -100.0, "ĉ": -100.0,
}  # fmt: skip
# The first number of every token's vector, large beside all others; the layers do not change it.
CONSTANT = 100.0


def tokens() -> list[str]:
    """Return the names of the tokens, by number: those of `CONTROL`, the bytes, the merge "th", and those of `TAGS`.

    GPT-2's byte-level vocabulary names a byte that can be printed by itself, and each of the others by the next
    character from U+0100 on.  A tokenizer of this kind needs at least one merge.
    """
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [256 + number for number in range(256 - len(printed))]
    return [*CONTROL, *map(chr, printed + others), "th", *TAGS]


def write(path: Path) -> None:
    """Write the model to this path."""
    names = tokens()
    kinds = [gguf.TokenType.NORMAL] * len(names)
    kinds[: len(CONTROL)] = [gguf.TokenType.CONTROL] * len(CONTROL)
    kinds[-len(TAGS) :] = [gguf.TokenType.USER_DEFINED] * len(TAGS)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(names))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(names)
    writer.add_token_types(kinds)
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(names.index("<|endoftext|>"))
    writer.add_eos_token_id(names.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(Path(__file__).with_name("chat_template.jinja").read_text())
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(names), WIDTH), "output": (len(names), WIDTH)}
    norms = ["output_norm"]
    for layer in (f"blk.{number}" for number in range(LAYERS)):
        shapes |= {f"{layer}.attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
        shapes |= {f"{layer}.ffn_{name}": (HIDDEN, WIDTH) for name in ("gate", "up")}
        shapes |= {f"{layer}.ffn_down": (WIDTH, HIDDEN)}
        norms += [f"{layer}.attn_norm", f"{layer}.ffn_norm"]
    weights = {name: (random.standard_normal(shape) * 0.3).astype(np.float32) for name, shape in shapes.items()}
    # After the last norm, the constant is the square root of WIDTH, and these weights turn it into logits.
    weights["token_embd"][:, 0] = CONSTANT
    weights["output"][:, 0] = [LIKELIER.get(name, 0.0) / WIDTH**0.5 for name in names]
    for name in shapes:
        if name.endswith(("attn_output", "ffn_down")):
            weights[name][0] = 0
    for name, values in weights.items():
        writer.add_tensor(f"{name}.weight", values)
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
