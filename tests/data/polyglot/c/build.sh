#!/bin/sh
# Compiles the scorer to a module. The bindings are those of the template for C.
set -eu
clang --target=wasm32-wasi --sysroot=/usr -mexec-model=reactor -O2 -Ibindings -I/usr/include/wasm32-wasi \
    risk.c bindings/scorer_bytes.c bindings/scorer_bytes_component_type.o -o risk.wasm -lm
