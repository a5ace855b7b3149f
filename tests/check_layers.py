#!/usr/bin/env python3
"""Includes point down: a folder of src/ includes only itself and the folders that CMakeLists.txt links it to.

The table of layers stands once, in CMakeLists.txt: longspan_library(folder lower... external::target...). Also: each
outside library stays in the folders that own it, kernels start through launch() of tensor/view.hpp (which keeps them
from running in shape-only execution), and no source file grows past 600 lines.
"""
import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
LIBRARY = re.compile(r"^longspan_library\((\w+)([^)]*)\)", re.MULTILINE)
# A start of a kernel has a label, or a policy of its own; loops inside of kernels have neither.
KERNEL = re.compile(r'Kokkos::parallel_\w+\(\s*(?:"|label\b|\w*Policy\b)|Kokkos::deep_copy\(')
KERNEL_DOORS = {"tensor/view.hpp", "tensor/device.cpp"}
MAX_LINES = 600

# How an outside header begins -> the folders that may include it. hdf5.h brings MPI's types along.
OWNERS = {
    "Kokkos": {"tensor", "ops"},
    "mpi.h": {"comm"},
    "hdf5": {"data", "checkpoint", "train"},
    "oneapi/": {"ops"},
    "cblas": {"ops"},
    "boost/": {"config"},
}


def layers(cmake: str) -> dict[str, set[str]]:
    """Folder -> itself and every folder that it links, transitively; a folder links only those listed above it."""
    allowed: dict[str, set[str]] = {}
    for folder, links in LIBRARY.findall(cmake):
        below = [link for link in links.split() if link in allowed]
        allowed[folder] = {folder}.union(*(allowed[link] for link in below))
    return allowed


def faults(path: Path, folder: str, allowed: dict[str, set[str]]):
    text = path.read_text()
    if text.count("\n") > MAX_LINES:
        yield f"{text.count(chr(10))} lines, at most {MAX_LINES}"
    if "/".join(path.parts[-2:]) not in KERNEL_DOORS:
        for start in KERNEL.findall(text):
            yield f"starts a kernel by {start.split('(')[0]}; use launch() of tensor/view.hpp"
    for bracket, header in INCLUDE.findall(text):
        target = header.split("/")[0]
        if bracket == '"' and target not in allowed[folder]:
            yield f'includes "{header}", but {folder}/ does not link {target}/'
        if bracket == "<":
            for start, owners in OWNERS.items():
                if header.startswith(start) and folder not in owners:
                    yield f"includes <{header}>, which belongs in {', '.join(sorted(owners))}"


def main() -> int:
    allowed = layers((ROOT / "CMakeLists.txt").read_text())
    found, files = [], 0
    for path in sorted((ROOT / "src").rglob("*.[ch]pp")):
        folder = path.relative_to(ROOT / "src").parts[0]
        if folder not in allowed:
            found.append(f"{path.relative_to(ROOT)}: {folder}/ is no longspan_library of CMakeLists.txt")
            continue
        files += 1
        found += [f"{path.relative_to(ROOT)}: {fault}" for fault in faults(path, folder, allowed)]
    print("\n".join(found) or f"{files} files in {len(allowed)} layers: every include points down")
    return 1 if found or not files else 0


sys.exit(main())
