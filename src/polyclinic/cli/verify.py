"""`polyclinic verify`: is this package whole, and can it be opened here?"""

from polyclinic.cli import output

EXAMPLE = "polyclinic verify demo/package"


def command(package: output.Package, as_json: output.AsJson = False) -> None:
    """Check that a package is whole and can be opened here.

    Every file against its SHA-256, the format number, and whether what it needs is installed."""
    from dataclasses import asdict

    from polyclinic.packages.package import ModelPackage
    from polyclinic.packages.verify import verify

    recipe = asdict(verify(package))
    ModelPackage.open(package)
    if as_json:
        output.show_json(recipe)
        return
    output.tree({name: recipe[name] for name in ("about", "portable", "needs")})
    output.say(f"{package} is whole: every file has the SHA-256 that was written with it")
    output.say("a checksum is no signature: it does not say who made the package")
