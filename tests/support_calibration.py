"""The calibration of one finding, to build on."""

from cxr_clip.calibration import FindingCalibration, PredictionBounds, Threshold

EDEMA = FindingCalibration(
    finding="Edema",
    style="standard",
    positive_prompts=("Edema",),
    negative_prompts=("No edema",),
    slope=20.0,
    intercept=-1.0,
    covariance=((4.0, -0.1), (-0.1, 0.04)),
    temperature=0.04,
    n=200,
    positives=40,
    patients=90,
    thresholds={"youden": Threshold(score=0.03, sensitivity=0.8, specificity=0.75)},
    prediction=PredictionBounds(level=0.9, positive_from=-0.01, negative_to=0.06),
)
