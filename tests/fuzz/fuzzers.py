"""Fuzzers for `test_fuzz.py`, run in a process of their own: `python fuzzers.py KIND RUN FOLDER SECONDS [CASE]`.

Case number n of a kind is always the same: it is made by a generator that n seeds. A case may be refused by an error of
ours and by nothing else, within 5 seconds, and memory does not grow with the cases. With CASE, that one alone is run,
and its traceback shown.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

MOST_SECONDS = 5
MOST_GROWTH = 300 << 20
TOKENS = (
    b"\0", b"\xff", b'"', b"'", b",", b"\n", b"\r", b"\t", b";", b"{", b"}", b"[", b"]", b":", b"&a ", b"*a", b"#", b"%",
    b"-", b"1e999", b"nan", b"-1", b"99999999999999999999", b"2020-13-45", b"2020-02-30 25:61", b"\xef\xbb\xbf", b"$$",
    b"null", b"true", b"../", b"(", b")", b"!!int x", b"<<: ", b"? ", b"| ", "ü".encode(), b"\xe2\x80\xae",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, float("inf"), float("nan"), "", " ", "x" * 5000, "a.b", "os:system", "../x", "\0",
    [], {}, [None], [[]], {"a": {}}, [1, "a", None], "2020-13-01", "1e400", "$$", "(", "\\", "*", "[", "(?P<", "-5h",
    "99999999999d", "trigger", "end", "start + 99999999999 days", {"x": [1] * 50}, [{"gbm": {}}] * 3, "1 hour", "ü",
)  # fmt: skip


class Hang(BaseException):
    """A case took more than its time; no `Exception`, so that no handler swallows it."""


def mutated_bytes(data: bytes, rng: random.Random, first: int | None = None) -> bytes:
    """A few bytes changed, taken away, doubled or put in; `first`: only among so many at the beginning."""
    copy = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        end = min(len(copy), first or len(copy))
        at = rng.randrange(end + 1)
        match rng.randrange(5):
            case 0 if at < len(copy):
                copy[at] = rng.randrange(256)
            case 1:
                copy[at:at] = rng.choice(TOKENS)
            case 2:
                del copy[at : at + rng.choice((1, 2, 4, 40))]
            case 3:
                copy[at:at] = copy[at : at + rng.randrange(1, 30)]
            case _ if at < len(copy):
                copy[at] ^= 1 << rng.randrange(8)
    return bytes(copy)


def mutated_value(value: Any, rng: random.Random) -> Any:
    """A document with one to three of its branches replaced, taken away, renamed or doubled."""
    copy = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 2, 3))):
        node, parents = copy, []
        while isinstance(node, (dict, list)) and node and (rng.random() < 0.8 or not parents):
            step = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
            parents.append((node, step))
            node = node[step]
        if not parents:
            return rng.choice(VALUES)
        holder, step = parents[-1]
        match rng.randrange(5):
            case 0:
                del holder[step]
            case 1 if isinstance(holder, dict):
                holder[str(rng.choice(VALUES))[:40]] = holder.pop(step)
            case 2:
                holder[step] = [node, node]
            case _:
                holder[step] = rng.choice(VALUES)
    return copy


# -- one function a kind: case → whatever -----------------------------------------------------------------------------

Case = Callable[[random.Random], object]


def task(run: Path, folder: Path) -> Case:
    """A YAML of a task, and its cohort in a few events."""
    import polars as pl

    from polyclinic import config
    from polyclinic.cohorts.extract import extract
    from polyclinic.cohorts.task_parser import load_task
    from polyclinic.timelines.timeline import Timeline

    document = {
        "kind": "binary",
        "predicates": {
            "hr": {"code": "HR", "value_min": 1, "value_max_inclusive": True, "other_cols": {"unit": "bpm"}},
            "lab": {"code": {"regex": "^LAB//.*"}},
            "some": {"code": {"any": ["HR", "LAB//x"]}},
            "either": {"expr": "or(hr, lab)"},
        },
        "patient_demographics": {"male": {"code": "SEX//M"}},
        "trigger": "either",
        "windows": {
            "input": {"start": None, "end": "trigger", "start_inclusive": True, "has": {"hr": "(1, None)"}},
            "target": {"start": "input.end", "end": "start + 24h", "end_inclusive": True, "label": "lab"},
        },
        "values": {"hr": {"plausible": [0, 300], "ties": "last"}},
        "at_risk": {"last": {"hr": {"within": "24h", "value_min": 1}}},
    }
    grid = {k: v for k, v in document.items() if k != "trigger"} | {"every": {"step": "1h", "while": ["hr", "lab"]}}
    when = [datetime(2020, 1, day) for day in (1, 2, 3, 3)]
    columns = {"subject_id": [1, 1, 1, 2], "time": when, "code": ["HR", "LAB//x", "HR", "HR"]}
    events = Timeline.of(pl.DataFrame(columns).with_columns(numeric_value=pl.lit(2.0, pl.Float32), unit=pl.lit("bpm")))
    path = folder / "task.yaml"

    def case(rng: random.Random) -> object:
        whole = rng.choice((document, grid))
        text = config.dump(mutated_value(whole, rng) if rng.random() < 0.7 else whole).encode(errors="replace")
        path.write_bytes(mutated_bytes(text, rng) if rng.random() < 0.4 else text)
        return extract(load_task(path), events)

    return case


def study(run: Path, folder: Path) -> Case:
    """A YAML of a study, read and written out again."""
    from polyclinic import config
    from polyclinic.studies.study_parser import load_study

    document = config.plain(config.read(run / "study.yaml"))
    estimator = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": 0.1}}
    document["models"] = ["gbm", {"mine": {"model": "sklearn", **estimator}}, {"transformer": {"width": 32}}]
    document["gates"] = {"min": {"auroc": 0.7}, "worst_subgroup": {"auroc": 0.6}, "better_than": "naive"}
    path = folder / "study.yaml"

    def case(rng: random.Random) -> object:
        text = config.dump(mutated_value(document, rng) if rng.random() < 0.7 else document).encode(errors="replace")
        path.write_bytes(mutated_bytes(text, rng) if rng.random() < 0.4 else text)
        return config.dump(load_study(path).document())

    return case


def _ingested(form: str, source: Path, folder: Path) -> object:
    from polyclinic.timelines.ingest import ingest, open_source

    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    stored = open_source(ingest(form, source, out, max_quarantined=1.0).path)
    return stored.describe()


def _events() -> Any:
    import polars as pl

    when = [datetime(2020, 1, 1, hour) for hour in range(8)]
    return pl.DataFrame(
        {
            "subject_id": [1, 1, 1, 2, 2, 3, 3, 3],
            "time": when,
            "code": ["HR", "LAB//x", "HR", "HR", "SEX//F", "HR", "LAB//x", "HR"],
            "numeric_value": [1.0, 2.0, None, 4.0, None, 6.0, 7.5, 8.0],
            "text_value": ["a", None, "b", None, None, "ü", "", "c"],
        }
    )


def csv(run: Path, folder: Path) -> Case:
    """A CSV, as a table of rows and as events."""
    events = _events().write_csv().encode()
    place = folder / "source"

    def case(rng: random.Random) -> object:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        ending = rng.choice((".csv", ".csv", ".tsv"))
        (place / f"events{ending}").write_bytes(mutated_bytes(events, rng))
        return _ingested(rng.choice(("table", "meds")), place, folder)

    return case


def parquet(run: Path, folder: Path) -> Case:
    """A Parquet file: bytes changed, or columns of other types than they should have."""
    import io

    import polars as pl

    events = _events()
    buffer = io.BytesIO()
    events.write_parquet(buffer)
    whole = buffer.getvalue()
    place = folder / "source"
    odd = (
        pl.Int8,
        pl.UInt64,
        pl.Float64,
        pl.String,
        pl.Date,
        pl.Datetime("ns", "UTC"),
        pl.Duration,
        pl.Boolean,
        pl.Time,
    )

    def case(rng: random.Random) -> object:
        shutil.rmtree(place, ignore_errors=True)
        (place / "data").mkdir(parents=True)
        file = place / "data" / "0.parquet"
        if rng.random() < 0.5:
            file.write_bytes(mutated_bytes(whole, rng))
        else:
            name = rng.choice(events.columns)
            kind = rng.choice((*odd, pl.List(pl.Int64), pl.Struct({"a": pl.Int64}), pl.Null, pl.Categorical, pl.Binary))
            table = events.with_columns(pl.lit(None, kind).alias(name)) if rng.random() < 0.3 else events
            try:
                table = table.with_columns(pl.col(name).cast(kind, strict=False))
            except pl.exceptions.PolarsError:
                table = table.drop(name)
            table.write_parquet(file)
        form = rng.choice(("table", "meds"))
        return _ingested(form, file if form == "table" else place, folder)

    return case


def nifti(run: Path, folder: Path) -> Case:
    """A NIfTI file whose header, above all, is another."""
    import gzip

    import nibabel
    import numpy as np

    from polyclinic.areas.imaging import volumes

    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    whole = image.to_bytes()
    place = folder / "source"

    def case(rng: random.Random) -> object:
        shutil.rmtree(place, ignore_errors=True)
        for part in ("images", "labels"):
            (place / part).mkdir(parents=True)
            data = mutated_bytes(whole, rng, 352) if rng.random() < 0.7 else whole
            packed = rng.random() < 0.3
            file = place / part / f"a.nii{'.gz' if packed else ''}"
            data = gzip.compress(data) if packed else data
            file.write_bytes(mutated_bytes(data, rng) if rng.random() < 0.2 else data)
        _ingested("nifti", place, folder)
        return [volumes.read(p) for p in sorted((place / "images").iterdir())]

    return case


def smiles(run: Path, folder: Path) -> Case:
    """A table of SMILES, read into graphs, fingerprints and descriptors."""
    from polyclinic.packages.question import Question
    from polyclinic.samples.assembly import SelectedRows, assemble, unreadable
    from polyclinic.timelines.ingest import ingest

    lines = ["CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O", "[Na+].[Cl-]", "c1ccc2ccccc2c1", "[13CH4]", "F/C=C/F", "N#N"]
    text = "smiles,name,y\n" + "".join(f"{line},m{n},{n % 2}\n" for n, line in enumerate(lines))
    place = folder / "source"

    def case(rng: random.Random) -> object:
        from rdkit import RDLogger

        RDLogger.DisableLog("rdApp.*")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "molecules.csv").write_bytes(mutated_bytes(text.encode(), rng))
        source = ingest("smiles", place, folder / "out", max_quarantined=1.0)
        question = Question(inputs={"molecules": {}}, target={"column": "y", "kind": "binary"})
        rows = source.rows()
        refused = unreadable(question, rows)
        kept = rows[[n for n in range(rows.height) if n not in refused]]
        return assemble(question, source, SelectedRows(kept), live=True)

    return case


def packages(run: Path, folder: Path) -> Case:
    """A package: bytes of a `.zip` changed, or a document changed and sealed again; opened, and asked."""
    import zipfile

    import polars as pl

    from polyclinic.packages.predict import predict
    from polyclinic.packages.verify import CHECKSUMS, seal

    rows = pl.read_parquet(run / "source.parquet").drop("died").head(3)
    package = folder / "package"
    files = [p for p in sorted((run / "package").rglob("*")) if p.is_file()]
    names = [p.relative_to(run / "package").as_posix() for p in files]
    target = folder / "package.zip"

    def pack() -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in (p for p in sorted(package.rglob("*")) if p.is_file()):
                archive.write(file, file.relative_to(package).as_posix())

    def case(rng: random.Random) -> object:
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(run / "package", package)
        if rng.random() < 0.25:
            pack()
            target.write_bytes(mutated_bytes(target.read_bytes(), rng))
            return predict(target, rows)
        path = package / rng.choice([n for n in names if "/1" not in n and "/2" not in n])
        if path.suffix == ".json" and rng.random() < 0.8:
            path.write_text(json.dumps(mutated_value(json.loads(path.read_text()), rng)))
        else:
            path.write_bytes(mutated_bytes(path.read_bytes(), rng))
        if path.name != CHECKSUMS:
            (package / CHECKSUMS).unlink()
            seal(package)
        return predict(package, rows)

    return case


KINDS = {f.__name__: f for f in (task, study, csv, parquet, nifti, smiles, packages)}


def memory() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def attempt(case: Case, kind: str, number: int) -> str:
    """Run one case; what was wrong with it, or ""."""
    from polyclinic.errors import PolyclinicError

    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        case(random.Random(f"{kind} {number}"))
    except PolyclinicError:
        return ""
    except Hang:
        return f"more than {MOST_SECONDS} s of processor time"
    except BaseException as error:  # a panic of Polars is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "polyclinic" in f.filename]
        last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {str(error)[:120]}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return ""


def main(kind: str, run: Path, folder: Path, seconds: float, one: int | None = None) -> None:
    """Run cases until the time is over, and print what was wrong with them."""

    def hang(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGVTALRM, hang)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    case = KINDS[kind](run, folder)
    if one is not None:
        case(random.Random(f"{kind} {one}"))
        return
    faults: dict[str, str] = {}
    began, number, warm = time.monotonic(), 0, 0
    while time.monotonic() - began < seconds:
        if fault := attempt(case, kind, number):
            faults.setdefault(fault.partition(": ")[0], f"case {number}: {fault}")
        number += 1
        if number == 50:
            warm = memory()
    growth = max(0, memory() - warm) if warm else 0
    print(json.dumps({"cases": number, "faults": [*faults.values()], "growth": growth}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]), *map(int, sys.argv[5:]))
