"""Classification by prompt sets: the slow definition, and what becomes of sets of unequal size and of empty classes."""

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch.nn.functional import normalize

from cxr_clip.evaluate.prompt_sets import best_similarities, class_accuracy, mean_similarities


@pytest.fixture
def embeddings():
    generator = torch.Generator().manual_seed(0)
    images = normalize(torch.randn(7, 5, generator=generator), dim=1)
    return images, [normalize(torch.randn(count, 5, generator=generator), dim=1) for count in (1, 4, 9)]


def test_scores_are_the_mean_and_the_best_cosine_of_a_set(embeddings):
    images, sets = embeddings
    cosines = [[[float(torch.dot(image, prompt)) for prompt in prompts] for prompts in sets] for image in images]
    means = [[np.mean(one) for one in row] for row in cosines]
    best = [[max(one) for one in row] for row in cosines]
    np.testing.assert_allclose(mean_similarities(images, sets), means, atol=1e-6)
    np.testing.assert_allclose(best_similarities(images, sets), best, atol=1e-6)


def test_a_repeated_prompt_counts_twice_in_the_mean_and_once_in_the_best(embeddings):
    images, (_, some, _) = embeddings
    twice = torch.cat([some, some[:1]])
    assert not np.allclose(mean_similarities(images, [some]), mean_similarities(images, [twice]))
    assert np.array_equal(best_similarities(images, [some]), best_similarities(images, [twice]))


def test_accuracy_is_the_diagonal_of_the_confusion_matrix():
    rng = np.random.default_rng(1)
    scores, classes = rng.random((60, 4)), rng.integers(0, 4, 60)
    matrix = confusion_matrix(classes, scores.argmax(axis=1), labels=range(4))
    found = class_accuracy(scores, classes)
    np.testing.assert_allclose(found.by_class, matrix.diagonal() / matrix.sum(axis=1))
    assert found.macro == pytest.approx(np.mean(found.by_class))
    assert found.micro == pytest.approx(matrix.trace() / 60)


def test_a_class_without_an_image_has_no_accuracy():
    found = class_accuracy([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [0, 1])
    assert found.by_class[:2] == (1.0, 1.0)
    assert np.isnan(found.by_class[2])
    assert np.isnan(found.macro)
    assert found.micro == 1.0
