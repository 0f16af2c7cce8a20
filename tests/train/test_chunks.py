"""A batch in chunks: every study once, texts of like length together, and everything back in its place."""

import pytest
import torch

from cxr_clip.tensors import Batch, EmbeddedViews, Tokens
from cxr_clip.train.chunks import in_chunks

LENGTHS = ((5, 2, 9, 3, 7), (4, 8, 1, 6, 10))


def numbered_batch() -> Batch:
    """Image i of a study has the value 10 view + i, and text i the tokens 10 view + i."""
    return Batch(
        images=tuple((torch.arange(5, dtype=torch.uint8) + 10 * view).view(5, 1, 1, 1) for view in range(2)),
        texts=tuple(
            Tokens(
                ids=(torch.arange(5) + 10 * view)[:, None] * mask,
                mask=mask,
            )
            for view, lengths in enumerate(LENGTHS)
            for mask in [(torch.arange(10) < torch.tensor(lengths)[:, None]).long()]
        ),
        study_ids=tuple("abcde"),
    )


def first_numbers(part: Batch) -> EmbeddedViews:
    """What stands for an encoder: every image and text as its own number, texts cut like those of a dual encoder."""
    return EmbeddedViews(
        images=tuple(view.view(-1, 1).float() for view in part.images),
        texts=torch.split(part.texts[0].ids[:, :1].float(), len(part.study_ids)),
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_embeddings_come_back_in_the_order_of_the_batch(count: int) -> None:
    chunks = in_chunks(numbered_batch(), count)
    views = chunks.joined([first_numbers(part) for part in chunks.parts])
    for view in range(2):
        expected = torch.arange(5.0)[:, None] + 10 * view
        assert torch.equal(views.images[view], expected)
        assert torch.equal(views.texts[view], expected)


def test_parts_are_about_equal_and_hold_every_study_once() -> None:
    chunks = in_chunks(numbered_batch(), 2)
    assert [part.study_ids for part in chunks.parts] == [("a", "b", "c"), ("d", "e")]
    assert [part.images[0].flatten().tolist() for part in chunks.parts] == [[0, 1, 2], [3, 4]]
    assert sorted(chunks.text_rows.tolist()) == list(range(10))


def test_texts_of_like_length_are_padded_to_the_longest_of_their_part() -> None:
    parts = in_chunks(numbered_batch(), 5).parts
    assert [tuple(part.texts[0].ids.shape) for part in parts] == [(2, 2), (2, 4), (2, 6), (2, 8), (2, 10)]


def test_images_are_not_copied() -> None:
    batch = numbered_batch()
    first = in_chunks(batch, 2).parts[0]
    assert first.images[0].data_ptr() == batch.images[0].data_ptr()
    assert first.images[0].dtype == torch.uint8
