"""Which file of a folder is the image, and which the label, of which case: every file is accounted for."""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".nii.gz", ".nii")
FOLDERS = (("images", "labels"), ("imagesTr", "labelsTr"), ("imagesTs", "labelsTs"), ("imagesVal", "labelsVal"))
NNUNET = [images for images, _ in FOLDERS[1:]]
CHANNEL = re.compile(r"(.+)_(\d{4})")


@dataclass(frozen=True, slots=True)
class Scan:
    """One image file with its label, where it has one.

    fault: the column and the reason for which it cannot be used, judged by names alone; None where it can.
    """

    case: str
    image: Path
    label: Path | None
    fault: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Where the images of a source lie, and where their labels (None where it has no folder of labels)."""

    images: Path
    labels: Path | None = None

    def scans(self) -> list[Scan]:
        """Every image file, in the order of names."""
        labels = by_case({path: stem(path) for path in volumes_in(self.labels)}) if self.labels else {}
        files = volumes_in(self.images)
        names = cases(files, labels, self.images.name)
        images = by_case({path: case for path, (case, _) in names.items()})
        scans = []
        for path, (case, channel) in names.items():
            own = labels.get(case, [])
            fault = _channels(images[case], names) or _doubled(images[case], "image") or _doubled(own, "label")
            if channel > 0 and fault is None:
                fault = "image", f"it is channel {channel:04d}; channel 0000 of this case is missing"
            scans.append(Scan(case, path, own[0] if own else None, fault))
        return scans

    def aside(self, scans: Sequence[Scan]) -> dict[str, int]:
        """Files that are rightly no row of their own, by reason: they are counted, too."""
        known = {scan.case for scan in scans}
        alone = [path for path in volumes_in(self.labels) if stem(path) not in known] if self.labels else []
        other = [path for path in visible(self.images) if not is_volume(path)] if self.labels else []
        counts = {"label without an image": len(alone), "not a NIfTI file": len(other)}
        return {reason: count for reason, count in counts.items() if count}


def listing(source: Path) -> Listing:
    """The first pair of folders that a source has; else the source itself."""
    for images, labels in FOLDERS:
        if (source / images).is_dir():
            folder = source / labels
            return Listing(source / images, folder if folder.is_dir() else None)
    return Listing(source)


def visible(place: Path) -> list[Path]:
    """The files of a folder in the order of names, or the one file; hidden ones, which archives of other systems
    leave, are none.
    """
    paths = sorted(place.iterdir()) if place.is_dir() else [place] * place.is_file()
    return [path for path in paths if not path.name.startswith(".")]


def is_volume(path: Path) -> bool:
    """Whether a file has the name of a NIfTI file, in capitals or not."""
    return path.name.lower().endswith(ENDINGS)


def volumes_in(place: Path) -> list[Path]:
    """The NIfTI files of a folder, by their names."""
    return [path for path in visible(place) if is_volume(path)]


def stem(path: Path) -> str:
    """A file's name without the ending of a NIfTI file."""
    ending = next((end for end in ENDINGS if path.name.lower().endswith(end)), "")
    return path.name[: len(path.name) - len(ending)]


def by_case(names: Mapping[Path, str]) -> dict[str, list[Path]]:
    """Case → its files."""
    files: dict[str, list[Path]] = defaultdict(list)
    for path, case in names.items():
        files[case].append(path)
    return dict(files)


def cases(files: Sequence[Path], labels: Collection[str], folder: str) -> dict[Path, tuple[str, int]]:
    """Image file → its case and channel (0 where its name has none).

    Four digits at the end of a name may be nnU-Net's number of a channel or the number of a case: see `_has_channels`.
    """
    numbered = {path: CHANNEL.fullmatch(stem(path)) for path in files if stem(path) not in labels}
    names = {path: (match[1], match[2]) for path, match in numbered.items() if match}
    if not _has_channels(list(names.values()), labels, len(files), folder):
        names = {}
    named = {path: names.get(path, (stem(path), "0000")) for path in files}
    return {path: (case, int(channel)) for path, (case, channel) in named.items()}


def _has_channels(names: Sequence[tuple[str, str]], labels: Collection[str], files: int, folder: str) -> bool:
    """Whether the numbers at the end of these names are those of channels.

    With labels: where a label has the name without the number. Without: where all files have one, every case has the
    same ones from 0000 on, and these are 0000 alone, or several cases (or a folder of nnU-Net's) have them.
    """
    if labels:
        return any(case in labels for case, _ in names)
    channels: dict[str, set[str]] = defaultdict(set)
    for case, channel in names:
        channels[case].add(channel)
    every = set().union(*channels.values())
    alike = len(names) == files and all(each == every for each in channels.values())
    return alike and "0000" in every and (len(every) == 1 or len(channels) > 1 or folder in NNUNET)


def _channels(paths: Sequence[Path], names: Mapping[Path, tuple[str, int]]) -> tuple[str, str] | None:
    """The reason for which a case of several channels cannot be used."""
    channels = sorted({names[path][1] for path in paths})
    if len(channels) < 2:
        return None
    return "image", f"a case of {len(channels)} channels ({', '.join(f'_{c:04d}' for c in channels)}); one is read"


def _doubled(paths: Sequence[Path], column: str) -> tuple[str, str] | None:
    """The reason for which a case of two files, of which either may be the right one, cannot be used."""
    if len(paths) < 2:
        return None
    return column, f"{len(paths)} files of one case: {', '.join(sorted(path.name for path in paths))}"
