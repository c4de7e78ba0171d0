"""llama.cpp's own HTTP server, until it is stopped; xllamacpp brings it along.

    python -m tests.servers.llama_server MODEL.gguf GRAMMAR [KEY]

It listens on a free port of 127.0.0.1 and prints its URL.  GRAMMAR (GBNF) is what the model says if a request brings no
grammar of its own.
"""

import sys
import time

import xllamacpp

from .tiny_model import CONTEXT


def parameters(model: str, grammar: str, key: str) -> xllamacpp.CommonParams:
    """Return the server's settings; "" for no key."""
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = model, {"tiny"}
    params.n_ctx, params.n_parallel, params.n_gpu_layers = 2 * CONTEXT, 2, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys = [key] if key else []
    params.endpoint_slots = params.endpoint_metrics = True
    params.sampling.temp = 0.0
    params.sampling.grammar = xllamacpp.CommonGrammar(xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER, grammar)
    return params


if __name__ == "__main__":
    model, grammar, key = [*sys.argv[1:], ""][:3]
    # The server stops when this object is freed.
    server = xllamacpp.Server(parameters(model, grammar, key))
    print(f"listening on {server.listening_address}", flush=True)
    while True:
        time.sleep(60)
