#!/usr/bin/env python3
"""Decode attention in other runtimes, on the shapes of bench_attention.

A sequence has one query, 32 query heads, head_dim 128.

    attention.py [TEXT]    only rows whose name contains TEXT, say "bf16 32/8" or "context 4096"

The runtimes are ONNX Runtime's GroupQueryAttention (packages onnxruntime, onnx) and PyTorch's
scaled_dot_product_attention (torch), each on 1 and 2 threads. Their caches have no blocks: K and V of a sequence and a
KV head are [context][head_dim]. Runs use several caches in turn, 1 GiB in all, so that the processor's caches do not
have the data. The figures are median, minimum and maximum of 9 runs. The first result of a row is compared with
numpy's. Prints a JSON object a line. A runtime that is not installed is an object, too, with the reason as `left_out`.
"""
import json
import os
import statistics
import sys
import time

HEADS, HEAD_DIM = 32, 128
KV_HEADS = {"fp32": (32,), "fp16": (32, 8, 2, 1), "bf16": (32, 8, 2, 1)}
CONTEXTS, BATCHES = (1024, 4096, 16384, 65536), (1, 8)
POOL_BYTES = 1 << 30  # keys and values of all caches
REPEATS = 9
BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}

try:
    import numpy as np
except ImportError:
    np = None


class LeftOut(Exception):
    """Why a runtime, or one of its element types, is not measured."""


def to_dtype(values, dtype):
    """bf16 is uint16: numpy has no such type."""
    if dtype == "bf16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(np.float32 if dtype == "fp32" else np.float16)


def from_dtype(values, dtype):
    if dtype == "bf16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)


class Problem:
    """A query, and caches that are used in turn."""

    def __init__(self, pools, dtype, kv_heads, context, batch):
        self.dtype, self.kv_heads, self.context, self.batch = dtype, kv_heads, context, batch
        size = batch * kv_heads * context * HEAD_DIM
        self.kv_bytes = 2 * size * BYTES[dtype]
        shape = (batch, kv_heads, context, HEAD_DIM)
        self.caches = [tuple(pool[i * size:(i + 1) * size].reshape(shape) for pool in pools)
                       for i in range(POOL_BYTES // self.kv_bytes)]
        random = np.random.default_rng(1)
        self.query = to_dtype(random.random((batch, HEADS, HEAD_DIM)) * 4 - 2, dtype)
        self.token = to_dtype(random.random((batch, kv_heads, HEAD_DIM)) - 0.5, dtype)  # the last one's key and value

    def check(self, out, cache):
        """The result is that of all keys at once."""
        group = HEADS // self.kv_heads
        query = from_dtype(self.query, self.dtype).reshape(self.batch, self.kv_heads, group, HEAD_DIM)
        keys, values = (from_dtype(part, self.dtype) for part in cache)
        scores = np.einsum("bkgd,bktd->bkgt", query, keys) / np.sqrt(np.float32(HEAD_DIM))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        wanted = np.einsum("bkgt,bktd->bkgd", weights / weights.sum(axis=-1, keepdims=True), values)
        off = np.abs(from_dtype(out, self.dtype).reshape(wanted.shape) - wanted).max()
        if not off <= np.abs(wanted).mean() * (1e-3 if self.dtype == "fp32" else 0.1):
            sys.exit(f"attention.py: the result is off by {off:g}, values are {np.abs(wanted).mean():g}")


# ---- runtimes: a name, the types that it is tried with, and a function per row ---------------------------------------


class OnnxRuntime:
    dtypes = ("bf16", "fp16", "fp32")

    def __init__(self):
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise LeftOut(f"package {error.name} is not installed") from error
        self.onnx, self.ort = onnx, onnxruntime
        self.types = {"fp32": onnx.TensorProto.FLOAT, "fp16": onnx.TensorProto.FLOAT16,
                      "bf16": onnx.TensorProto.BFLOAT16}
        self.version = onnxruntime.__version__

    def model(self, problem):
        helper, element, int32 = self.onnx.helper, self.types[problem.dtype], self.onnx.TensorProto.INT32
        tokens, width = [problem.batch, 1], problem.kv_heads * HEAD_DIM
        cache = [problem.batch, problem.kv_heads, problem.context, HEAD_DIM]
        inputs = [("query", element, tokens + [HEADS * HEAD_DIM]), ("key", element, tokens + [width]),
                  ("value", element, tokens + [width]), ("past_key", element, cache), ("past_value", element, cache),
                  ("seqlens_k", int32, [problem.batch]), ("total_sequence_length", int32, [1])]
        outputs = [("out", element, tokens + [HEADS * HEAD_DIM]), ("present_key", element, cache),
                   ("present_value", element, cache)]
        node = helper.make_node("GroupQueryAttention", [i[0] for i in inputs], [o[0] for o in outputs],
                                domain="com.microsoft", num_heads=HEADS, kv_num_heads=problem.kv_heads)
        graph = helper.make_graph([node], "decode", [helper.make_tensor_value_info(*i) for i in inputs],
                                  [helper.make_tensor_value_info(*o) for o in outputs])
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()

    def prepare(self, problem, workers):
        options = self.ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = workers, 1
        options.log_severity_level = 4
        try:
            session = self.ort.InferenceSession(self.model(problem), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no class of their own
            raise LeftOut(f"no {problem.dtype}: {str(error).splitlines()[0][:160]}") from error

        def value(array):  # numpy's memory, not a copy
            if problem.dtype == "bf16" and array.dtype == np.uint16:
                return self.ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, self.types["bf16"])
            return self.ort.OrtValue.ortvalue_from_numpy(array)

        tokens = (problem.batch, 1, -1)
        fixed = {"query": problem.query.reshape(tokens), "key": problem.token.reshape(tokens),
                 "value": problem.token.reshape(tokens),
                 "seqlens_k": np.full(problem.batch, problem.context - 1, np.int32),
                 "total_sequence_length": np.array([problem.context], np.int32)}
        out = np.empty_like(fixed["query"])
        bindings = []
        for cache in problem.caches:  # the cache is written in place: past and present are one
            binding = session.io_binding()
            for name, array in fixed.items():
                binding.bind_ortvalue_input(name, value(array))
            for name, array in zip(("key", "value"), cache):
                shared = value(array)
                binding.bind_ortvalue_input(f"past_{name}", shared)
                binding.bind_ortvalue_output(f"present_{name}", shared)
            binding.bind_ortvalue_output("out", value(out))
            bindings.append(binding)

        def run(turn):
            session.run_with_iobinding(bindings[turn])
            return out

        return run


class PyTorch:
    dtypes = ("bf16", "fp32")

    def __init__(self):
        try:
            import torch
        except ImportError as error:
            raise LeftOut("package torch is not installed") from error
        self.torch = torch
        self.version = torch.__version__
        if not hasattr(torch.nn.functional, "scaled_dot_product_attention"):
            raise LeftOut(f"version {self.version} has no scaled_dot_product_attention")

    def prepare(self, problem, workers):
        torch = self.torch
        torch.set_num_threads(workers)

        def tensor(array):  # numpy's memory, not a copy
            if problem.dtype == "bf16":
                return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
            return torch.from_numpy(array)

        query = tensor(problem.query).reshape(problem.batch, HEADS, 1, HEAD_DIM)
        caches = [tuple(tensor(part) for part in cache) for cache in problem.caches]

        def run(turn):
            with torch.inference_mode():
                out = torch.nn.functional.scaled_dot_product_attention(
                    query, *caches[turn], enable_gqa=problem.kv_heads != HEADS)
                return out.view(torch.int16).numpy().view(np.uint16) if problem.dtype == "bf16" else out.numpy()

        return run


RUNTIMES = {"ONNX Runtime, GroupQueryAttention": OnnxRuntime, "PyTorch, scaled_dot_product_attention": PyTorch}


# ---- rows ------------------------------------------------------------------------------------------------------------


def put(**row):
    print(json.dumps({"bench": "attention", **row}), flush=True)


def left_out(runtime, reason):
    print(f"{runtime} is left out: {reason}", file=sys.stderr)
    put(runtime=runtime, left_out=str(reason))


def measure(problem, run):
    problem.check(run(0), problem.caches[0])
    speeds = []
    for i in range(1, REPEATS + 1):
        start = time.perf_counter()
        run(i % len(problem.caches))
        speeds.append(1e-9 * problem.kv_bytes / (time.perf_counter() - start))
    return statistics.median(speeds), min(speeds), max(speeds)


def shapes(dtype, text):
    for kv_heads in KV_HEADS[dtype]:
        for context in CONTEXTS:
            for batch in BATCHES:
                name = f"{dtype} {HEADS}/{kv_heads} context {context} batch {batch}"
                if text in name and 2 * batch * kv_heads * context * HEAD_DIM * BYTES[dtype] <= POOL_BYTES:
                    yield kv_heads, context, batch


def measure_runtime(name, runtime, dtype, text):
    rows = list(shapes(dtype, text))
    if not rows:
        return
    page = to_dtype(np.random.default_rng(2).random((1 << 18) - 1024) - 0.5, dtype)
    pools = [np.resize(page, POOL_BYTES // 2 // BYTES[dtype]) for _ in ("keys", "values")]
    for workers in range(1, min(2, os.cpu_count()) + 1):
        for kv_heads, context, batch in rows:
            problem = Problem(pools, dtype, kv_heads, context, batch)
            median, least, most = measure(problem, runtime.prepare(problem, workers))
            put(runtime=name, version=runtime.version, workers=workers, dtype=dtype, heads=HEADS, kv_heads=kv_heads,
                head_dim=HEAD_DIM, context=context, batch=batch, gb_s=round(median, 2), least=round(least, 2),
                most=round(most, 2))


def main(argv):
    text = argv[0] if argv else ""
    for name, runtime_class in RUNTIMES.items():
        try:
            if np is None:
                raise LeftOut("package numpy is not installed")
            runtime = runtime_class()
        except LeftOut as reason:
            left_out(name, reason)
            continue
        for dtype in runtime_class.dtypes:
            try:
                measure_runtime(name, runtime, dtype, text)
            except LeftOut as reason:
                left_out(name, reason)


if __name__ == "__main__":
    main(sys.argv[1:])
