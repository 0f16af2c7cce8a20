"""Linear probe: logistic regression on the frozen features of the image encoder, one finding at a time."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.few_shot_parts import ImageModel, Labels, Learn, Parts, Scores, Settings, macro_auroc
from cxr_clip.evaluate.study_images import images_in_use, in_batches
from cxr_clip.evaluate.subject import Subject
from cxr_clip.evaluate.subsets import POSITIVE, UNKNOWN
from cxr_clip.study import Study

Features = NDArray[np.float64]


def probe(subject: Subject, model: ImageModel, parts: Parts, settings: Settings) -> Learn:
    """Compute the features of every image once, and return what learns from rows of the training studies."""
    every = [*parts.train.studies, *parts.validate.studies, *parts.test.studies]
    features = image_features(subject, model, every)
    ends = np.cumsum([len(parts.train.studies), len(parts.validate.studies)])
    train, validate, test = np.split(features, ends)
    learned: dict[bytes, Scores] = {}

    def learn(rows: NDArray[np.int64], _seed: int) -> Scores:
        # The whole training set is the same for every seed, and nothing else is random.
        key = rows.tobytes()
        if key not in learned:
            learned[key] = fit_and_choose(
                (train[rows], parts.train.labels[rows]), (validate, parts.validate.labels), test, settings
            )
        return learned[key]

    return learn


def fit_and_choose(
    train: tuple[Features, Labels], validate: tuple[Features, Labels], test: Features, settings: Settings
) -> Scores:
    """Fit each strength of regularisation, and return the test scores of the one with the best validation AUROC.

    Features are standardised by the mean and spread of the training rows. One strength for all findings; of equal ones
    the strongest regularisation. A finding without both classes among the rows has scores of 0.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train[0])
    known, seen, unseen = (scaler.transform(values) for values in (train[0], validate[0], test))
    strengths = np.logspace(settings["least_log10_c"], settings["most_log10_c"], int(settings["steps"]))
    scores = [
        _scores_of_finding(known, train[1][:, number], np.concatenate([seen, unseen]), strengths, settings)
        for number in range(train[1].shape[1])
    ]
    by_strength = np.stack(scores, axis=2)
    areas = [macro_auroc(one[: len(seen)], validate[1]) for one in by_strength]
    chosen: Scores = by_strength[int(np.nanargmax(areas))][len(seen) :]
    return chosen


def image_features(subject: Subject, model: ImageModel, studies: Sequence[Study]) -> Features:
    """The features of the first image in use of each study, (studies, features)."""
    parts, done = [], 0
    for batch in in_batches(studies, subject.options.batch):
        squares = [model.square(subject.material.read_image(images_in_use(study)[0])) for study in batch]
        parts.append(model.features(squares).cpu().numpy())
        done += len(batch)
        if subject.advance is not None:
            subject.advance(done, len(studies))
    return np.concatenate(parts).astype(np.float64)


def _scores_of_finding(
    known: Features, labels: NDArray[np.int8], asked: Features, strengths: Features, settings: Settings
) -> Scores:
    """The scores of one finding, (strengths, asked); each strength starts from the solution of the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = labels != UNKNOWN
    scores = np.zeros((len(strengths), len(asked)))
    if len(np.unique(labels[rows])) < 2:
        return scores
    regression = LogisticRegression(warm_start=True, max_iter=int(settings["iterations"]))
    for number, strength in enumerate(strengths):
        with warnings.catch_warnings():
            # A weak penalty on separable features has no optimum to speak of; validation judges what came out.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.set_params(C=strength).fit(known[rows], labels[rows] == POSITIVE)
        scores[number] = regression.decision_function(asked)
    return scores
