"""Fuzzing as a script: `python -m tests.fuzz csv --seconds 60`; it needs the extra `fuzz`.

What makes a door let out anything but a rejection, hang for a minute or take 4 GB ends the run with an exit code that is
not 0 and is kept next to the corpus; `--again FILE` runs that one input.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run one door for some seconds, from its seeds and from what an earlier run found worth keeping."""
    import atheris

    with atheris.instrument_imports(include=["rnnforecast"]):
        from tests.fuzz.doors import DOORS
    from tests.fuzz.seeds import write_dictionary, write_seeds

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("door", choices=[*DOORS])
    parser.add_argument("--seconds", type=int, default=60, help="how long (default 60)")
    parser.add_argument("--corpus", type=Path, help="folder of inputs, kept between runs (default: a temporary one)")
    parser.add_argument("--again", type=Path, help="run this one input and end")
    given = parser.parse_args()
    door = DOORS[given.door]
    if given.again:
        print("accepted" if door(given.again.read_bytes()) else "refused")
        return
    corpus = given.corpus or Path(tempfile.mkdtemp(prefix="fuzz-")) / given.door
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        write_seeds(given.door, corpus)
    words = Path(tempfile.mkdtemp()) / "words.dict"
    write_dictionary(words)
    options = [
        f"-max_total_time={given.seconds}",
        "-max_len=16384",
        "-timeout=60",
        "-rss_limit_mb=4096",
        f"-artifact_prefix={corpus.resolve()}-",
        "-print_final_stats=1",
    ]
    if given.door in ("csv", "toml"):
        options.append(f"-dict={words}")
    last = corpus.resolve().with_name(f"{corpus.name}-last-input")

    def watched(data: bytes) -> None:
        last.write_bytes(data)  # so that it is there whatever becomes of this process
        try:
            door(data)
        except Exception:
            last.replace(last.with_name(f"{corpus.name}-crash-{hashlib.sha256(data).hexdigest()[:16]}"))
            raise

    atheris.Setup([sys.argv[0], *options, str(corpus)], watched)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
