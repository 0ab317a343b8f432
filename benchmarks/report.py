"""Read a pytest-benchmark file and print what was to be reached, what was, and the ratios to the peers of that run.

Usage: python benchmarks/report.py benchmarks/results/latest.json [--out benchmarks/results/latest.md]
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]
Row = tuple[str, str, str, str]


def median(entry: Entry) -> float:
    return float(entry["stats"]["median"])


def find(entries: list[Entry], name: str, **info: object) -> Entry | None:
    """The entry of a test with this name and these parameters or extra information."""
    for entry in entries:
        known = {**entry["extra_info"], **(entry["params"] or {})}
        if entry["name"].split("[")[0] == name and all(known.get(key) == value for key, value in info.items()):
            return entry
    return None


def verdict(met: bool) -> str:
    return "met" if met else "NOT MET"


def encryption(entries: list[Entry]) -> Iterator[Row]:
    for bits in (2048, 3072):
        peer = find(entries, "test_encrypt_phe", bits=bits)
        for label, ours in (
            ("table", find(entries, "test_encrypt_table", bits=bits, window=8)),
            ("pool", find(entries, "test_encrypt_pool", bits=bits)),
        ):
            if peer and ours:
                ratio = median(peer) / median(ours)
                goal = bits == 2048 and label == "table"
                yield (
                    f"encryption ({label}), {bits} bits, times faster than phe",
                    ">= 10" if goal else "",
                    f"{ratio:.1f}",
                    verdict(ratio >= 10) if goal else "",
                )


def aggregation(entries: list[Entry]) -> Iterator[Row]:
    for bits in (2048, 3072):
        if entry := find(entries, "test_receive_sum", bits=bits):
            micro = median(entry) * 1e6
            goal = bits == 2048
            yield (
                f"sum of 4 received ciphertexts, checks included, {bits} bits",
                "< 50 us" if goal else "",
                f"{micro:.1f} us",
                verdict(micro < 50) if goal else "",
            )


def comparison(entries: list[Entry]) -> Iterator[Row]:
    for entry in entries:
        info = entry["extra_info"]
        if "times_faster" in info:
            how = "pre-generated" if "pre-generated" in entry["name"] else "on demand"
            ratio, target = info["times_faster"], info["target"]
            yield (
                f"DGK comparison of 16 bits, 2048 bits, randomness {how}, times faster than TNO",
                f">= {target}",
                f"{ratio:.1f}",
                verdict(ratio >= target),
            )


def end_to_end(entries: list[Entry]) -> Iterator[Row]:
    for entry in entries:
        info = entry["extra_info"]
        if "p50_ms" in info:
            target = info["target_p50_ms"]
            spent = f"p95 {info['p95_ms']:.0f} ms; all nodes together spend {info['cpu_ms_of_all_nodes']} ms of CPU"
            yield (
                f"one question end to end, {info['bits']} bits, p50 ({spent})",
                f"<= {target} ms",
                f"{info['p50_ms']:.0f} ms",
                verdict(info["p50_ms"] <= target),
            )


def set_up(entries: list[Entry]) -> Iterator[Row]:
    if entry := find(entries, "test_federation_init"):
        target = entry["extra_info"]["target_s"]
        yield (
            "federation init, 3072 bits",
            f"<= {target} s",
            f"{median(entry):.0f} s",
            verdict(median(entry) <= target),
        )


def report(plain: Mapping[str, Any]) -> str:
    """The run as Markdown."""
    entries: list[Entry] = plain["benchmarks"]
    cpu = plain["machine_info"]["cpu"]
    gmp = {entry["extra_info"]["gmp"] for entry in entries if "gmp" in entry["extra_info"]}
    about = (plain["commit_info"]["id"][:12], plain["datetime"][:19], cpu.get("brand_raw", "CPU"), cpu.get("count"))
    lines = [
        "Commit {}, {} UTC, {}, {} cores. ".format(*about) + f"{', '.join(sorted(gmp))}. Medians of one run.",
        "",
        "| work | target | measured | |",
        "| --- | --- | --- | --- |",
    ]
    for section in (encryption, aggregation, comparison, end_to_end, set_up):
        lines += ["| " + " | ".join(row) + " |" for row in section(entries)]
    if not list(comparison(entries)):
        lines.append("| DGK comparison beside TNO | >= 5, >= 3 | not run: the peer is not installed | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    text = report(json.loads(arguments.file.read_text()))
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
