"""Parameters to and from safetensors: names, layouts and bits, against files and models made here with numpy."""

import json
import re
import struct

import h5py
import numpy as np
import programs
from programs import ProgramTest, checkpoint, parameters

V, D, H, F, T, L = 257, 32, 4, 48, 16, 2  # vocabulary, width, heads, feed-forward, positions, layers
K, KV = D // H, 2                         # head width; key heads of the Llama
GPT2 = (f"--model.layers {L} --model.width {D} --model.heads {H} --model.feed_forward {F} --model.norm layer "
        "--model.activation gelu --model.positions learned --model.bias true --model.tied_embeddings true")
LLAMA = (f"--model.layers {L} --model.width {D} --model.heads {H} --model.kv_heads {KV} --model.feed_forward {F} "
         "--model.norm rms --model.activation swiglu --model.positions rotary --model.bias false "
         "--model.tied_embeddings false")
NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "uint16": "BF16"}


def write(path, tensors: dict[str, np.ndarray]):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, values in tensors.items():
        end = len(data) + values.nbytes
        header[name] = {"dtype": NAMES[values.dtype.name], "shape": values.shape, "data_offsets": [len(data), end]}
        data += np.ascontiguousarray(values).tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def read(path) -> dict[str, tuple[str, list[int], bytes]]:
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    assert length % 8 == 0
    data = content[8 + length:]
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
            for name, entry in json.loads(content[8:8 + length]).items() if name != "__metadata__"}


def gpt2_tensors(draw) -> dict[str, np.ndarray]:
    tensors = {"wte.weight": draw(V, D), "wpe.weight": draw(T, D)}
    for i in range(L):
        for norm in ["ln_1", "ln_2"]:
            tensors |= {f"h.{i}.{norm}.weight": 1 + draw(D), f"h.{i}.{norm}.bias": draw(D)}
        for name, rows, cols in [("attn.c_attn", D, 3 * D), ("attn.c_proj", D, D), ("mlp.c_fc", D, F),
                                 ("mlp.c_proj", F, D)]:
            tensors |= {f"h.{i}.{name}.weight": draw(rows, cols), f"h.{i}.{name}.bias": draw(cols)}
    return tensors | {"ln_f.weight": 1 + draw(D), "ln_f.bias": draw(D)}


def llama_tensors(draw) -> dict[str, np.ndarray]:
    tensors = {"model.embed_tokens.weight": draw(V, D)}
    for i in range(L):
        at = f"model.layers.{i}."
        for name, rows, cols in [("self_attn.q_proj", D, D), ("self_attn.k_proj", KV * K, D),
                                 ("self_attn.v_proj", KV * K, D), ("self_attn.o_proj", D, D), ("mlp.gate_proj", F, D),
                                 ("mlp.up_proj", F, D), ("mlp.down_proj", D, F)]:
            tensors[f"{at}{name}.weight"] = draw(rows, cols)
        for norm in ["input_layernorm", "post_attention_layernorm"]:
            tensors[f"{at}{norm}.weight"] = 1 + draw(D)
    return tensors | {"model.norm.weight": 1 + draw(D), "lm_head.weight": draw(V, D)}


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(q, k, v):
    """Causal attention of heads [H, T, K]."""
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    return softmax(scores) @ v


def heads(x, n):
    return x.reshape(len(x), n, -1).transpose(1, 0, 2)


def gpt2_logits(w, tokens):
    """As the transformers library computes GPT-2."""
    def norm(x, name):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w[name + ".weight"] + w[name + ".bias"]

    def conv1d(x, name):
        return x @ w[name + ".weight"] + w[name + ".bias"]

    x = w["wte.weight"][tokens] + w["wpe.weight"][:len(tokens)]
    for i in range(L):
        q, k, v = np.split(conv1d(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, axis=-1)
        mixed = attend(heads(q, H), heads(k, H), heads(v, H)).transpose(1, 0, 2).reshape(len(tokens), D)
        x = x + conv1d(mixed, f"h.{i}.attn.c_proj")
        hidden = conv1d(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        hidden = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
        x = x + conv1d(hidden, f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ w["wte.weight"].T


def llama_logits(w, tokens):
    """As the transformers library computes Llama: rotary pairs are the halves of a head."""
    def norm(x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * w[name + ".weight"]

    def rotate(x):
        angles = np.arange(len(tokens))[:, None] * 10000.0 ** (-np.arange(0, K, 2) / K)
        angles = np.concatenate([angles, angles], -1)
        half = np.concatenate([-x[..., K // 2:], x[..., :K // 2]], -1)
        return x * np.cos(angles) + half * np.sin(angles)

    x = w["model.embed_tokens.weight"][tokens]
    for i in range(L):
        at = f"model.layers.{i}."
        y = norm(x, at + "input_layernorm")
        q, k, v = (heads(y @ w[f"{at}self_attn.{name}_proj.weight"].T, n) for name, n in [("q", H), ("k", KV), ("v", KV)])
        k, v = (np.repeat(each, H // KV, axis=0) for each in [rotate(k), v])
        x = x + attend(rotate(q), k, v).transpose(1, 0, 2).reshape(len(tokens), D) @ w[at + "self_attn.o_proj.weight"].T
        y = norm(x, at + "post_attention_layernorm")
        gate = y @ w[at + "mlp.gate_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ w[at + "mlp.up_proj.weight"].T)) @ w[at + "mlp.down_proj.weight"].T
    return norm(x, "model.norm") @ w["lm_head.weight"].T


class Safetensors(ProgramTest):
    def draw(self, seed: int, dtype="float64"):
        random = np.random.default_rng(seed)
        return lambda *shape: (0.3 * random.standard_normal(shape)).astype(dtype)

    def check_loss(self, tensors, logits_of, model: str):
        """The imported model's validation loss is that of the model as its home computes it."""
        file = write(self.folder / "a.safetensors", tensors)
        self.run_program("inspect", f"import {file} {self.folder}/a.h5 {model}")
        with h5py.File(self.corpus) as corpus:
            tokens = corpus["tokens"][:].astype(int)
        windows = (len(tokens) - 1) // T
        first = windows - max(1, round(0.02 * windows))
        losses = []
        for number in range(first, first + 3):
            window = tokens[number * T:number * T + T + 1]
            picked = np.take_along_axis(softmax(logits_of(tensors, window[:-1])), window[1:, None], -1)
            losses.extend(-np.log(picked[:, 0]))
        words = (f"{self.folder}/a.h5 --data.corpus {self.corpus} --data.sequence_length {T} --data.mask_documents false "
                 "--data.batch 1 --validation.sequences 3")
        said = re.search(r"validation loss ([\d.]+)", self.run_program("eval", words).out)
        self.assertAlmostEqual(float(said[1]), np.mean(losses), delta=1e-6)
        self.assertGreater(np.mean(losses), 6)  # not the loss of a model that ignores its weights

    def test_gpt2_computes_what_it_computed(self):
        self.check_loss(gpt2_tensors(self.draw(1)), gpt2_logits, GPT2)

    def test_llama_computes_what_it_computed(self):
        self.check_loss(llama_tensors(self.draw(2)), llama_logits, LLAMA)

    def test_round_trips_keep_the_bits(self):
        bits = np.random.default_rng(4)
        for model, make in [(GPT2, gpt2_tensors), (LLAMA, llama_tensors)]:
            for dtype in ["float64", "float32", "uint16"]:
                draw = (lambda *shape: bits.integers(0x3000, 0x4000, shape).astype("uint16")) if dtype == "uint16" else self.draw(3, dtype)
                tensors = {name: values.astype(dtype) for name, values in make(draw).items()}
                file = write(self.folder / "a.safetensors", tensors)
                self.run_program("inspect", f"import {file} {self.folder}/a.h5 {model}")
                self.run_program("inspect", f"{self.folder}/a.h5 --verify")
                self.run_program("inspect", f"export {self.folder}/a.h5 {self.folder}/b.safetensors")
                back = read(self.folder / "b.safetensors")
                self.assertEqual(set(back), set(tensors))
                for name, values in tensors.items():
                    self.assertEqual(back[name], (NAMES[dtype], list(values.shape), values.tobytes()), name)

    def test_a_trained_model_goes_out_and_comes_back(self):
        run = self.train("run", f"{LLAMA} --run.dtype float32 --run.steps 2")
        self.run_program("inspect", f"export {checkpoint(run, 2)} {self.folder}/a.safetensors")
        self.run_program("inspect", f"import {self.folder}/a.safetensors {self.folder}/a.h5 {LLAMA}")
        self.assertEqual(parameters(self.folder / "a.h5"), parameters(checkpoint(run, 2)))
        result = self.run_program("train", self.training("tuned", f"{LLAMA} --run.steps 1 --checkpoint.load {self.folder}/a.h5"))
        self.assertIn("loaded     21 parameters", result.out)

    def test_prefixes_buffers_and_half_precision_are_understood(self):
        tensors = {f"transformer.{name}": values.astype("float16") for name, values in gpt2_tensors(self.draw(5)).items()}
        extra = {"transformer.h.0.attn.bias": np.ones((1, 1, T, T), "float32"), "lm_head.weight": tensors["transformer.wte.weight"]}
        file = write(self.folder / "a.safetensors", tensors | extra)
        self.run_program("inspect", f"import {file} {self.folder}/a.h5 {GPT2}")
        with h5py.File(self.folder / "a.h5") as made:
            np.testing.assert_array_equal(made["model/embedding.weight"][...], tensors["transformer.wte.weight"].astype("float32"))
            key = tensors["transformer.h.1.attn.c_attn.weight"].astype("float32")[:, D:2 * D].T
            np.testing.assert_array_equal(made["model/blocks.1.attention.key.weight"][...], key)

    def test_what_is_wrong_is_said(self):
        good = gpt2_tensors(self.draw(6, "float32"))
        file = write(self.folder / "a.safetensors", good)
        content = file.read_bytes()
        length = struct.unpack("<Q", content[:8])[0]
        text, data = content[8:8 + length], content[8 + length:]

        def refuse(written: bytes | None, part: str, model: str = GPT2):
            bad = self.folder / "bad.safetensors"
            if written is not None:
                bad.write_bytes(written)
            result = self.run_program("inspect", f"import {bad} {self.folder}/bad.h5 {model}", expected=2)
            self.assertEqual(len(result.errors), 1, result)
            self.assertIn(part, result.errors[0])
            self.assertFalse((self.folder / "bad.h5").exists())

        def with_header(header: bytes) -> bytes:
            return struct.pack("<Q", len(header)) + header + data

        refuse(None, "does not exist")
        refuse(b"", "no safetensors file, or was cut short")
        refuse(struct.pack("<Q", 1 << 63) + text + data, "no safetensors file, or was cut short")
        refuse(content[:-1], "lies outside of it")
        refuse(content + b"x", "longer than its tensors")
        refuse(with_header(b"[1, 2]"), "no JSON object")
        refuse(with_header(text[:-9]), "no JSON object")
        refuse(with_header(text.replace(b'"F32"', b'"F31"', 1)), "of type F31")
        refuse(with_header(text.replace(b"[257, 32]", b"[257, 31]", 1)), "not those of its shape")
        refuse(with_header(text.replace(b"[257, 32]", b"[257, -1]", 1)), "no whole number")
        refuse(with_header(text.replace(b"[257, 32]", b"[9223372036854775807, 9223372036854775807]", 1)), "lies outside of it")
        refuse(with_header(text.replace(b'"data_offsets": [0, ', b'"data_offsets": [4, ', 1)), "not those of its shape")
        refuse(content, "it has h.1.attn.c_attn.bias, which this configuration lacks", GPT2.replace("layers 2", "layers 1"))
        refuse(content, "it lacks h.2.ln_1.weight", GPT2.replace("layers 2", "layers 3"))
        refuse(content, "h.0.mlp.c_fc.weight is [32, 48], this configuration wants [32, 56]", GPT2.replace("feed_forward 48", "feed_forward 56"))
        refuse(content, "it lacks model.embed_tokens.weight", LLAMA)
        refuse(content, "has no layout in safetensors", GPT2.replace("norm layer", "norm rms"))
        run = self.train("run", "--model.mixers gla --run.steps 1")
        result = self.run_program("inspect", f"export {checkpoint(run, 1)} {self.folder}/c.safetensors", expected=2)
        self.assertIn("has no layout in safetensors", result.errors[0])


if __name__ == "__main__":
    programs.main()
