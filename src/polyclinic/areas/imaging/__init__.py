"""Imaging: volumes of voxels (NIfTI), their structures outlined, their geometry kept."""

from polyclinic.registry import Area

AREA = Area(
    name="imaging",
    title="Imaging",
    inputs="polyclinic.areas.imaging.inputs:ImagingInputs",
    formats={"nifti": "polyclinic.areas.imaging.formats.nifti:Nifti"},
    models={
        "unet": "polyclinic.areas.imaging.models.unet:UNet",
        "atlas": "polyclinic.areas.imaging.models.atlas:Atlas",
    },
    parts={
        "atlas": "polyclinic.areas.imaging.models.atlas:spread",
        "patches-cut": "polyclinic.areas.imaging.models.unet:cut",
        "patches-stitch": "polyclinic.areas.imaging.models.unet:stitch",
    },
    studies={"hippocampus-segmentation": "polyclinic.areas.imaging:studies/hippocampus-segmentation.yaml"},
    datasets={"hippocampus": "polyclinic.areas.imaging:datasets/hippocampus.yaml"},
)
