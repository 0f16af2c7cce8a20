"""Hash splits are steady and of the size they claim; tables of splits are read in common spellings."""

from collections import Counter
from pathlib import Path

import pytest
from sklearn.model_selection import train_test_split

from cxr_clip.errors import SourceError
from cxr_clip.prepare.splits import fraction, read_splits, split_70_15_15, split_80_20, split_by_hash
from cxr_clip.study import Split


def test_a_fraction_is_that_of_sha256() -> None:
    # printf abc | sha256sum = ba7816bf8f01cfea...
    assert fraction("abc") == 0xBA7816BF8F01CFEA / 2**64


def test_a_hash_split_is_80_10_10() -> None:
    counts = Counter(split_by_hash(f"patient {number}") for number in range(10_000))
    assert abs(counts[Split.TRAIN] - 8000) < 160
    assert abs(counts[Split.VALIDATE] - 1000) < 120
    assert abs(counts[Split.TEST] - 1000) < 120


def test_splits_are_read_in_common_spellings(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("uid,split\n1,Train\n2,val\n3,validate\n4,TEST\n")
    assert read_splits(tmp_path / "s.csv") == {
        "1": Split.TRAIN, "2": Split.VALIDATE, "3": Split.VALIDATE, "4": Split.TEST,
    }  # fmt: skip
    (tmp_path / "s.csv").write_text("uid,split\n1,train\n2,holdout\n")
    with pytest.raises(SourceError, match="line 3 has the split 'holdout'; use train, validate or test"):
        read_splits(tmp_path / "s.csv")


def test_a_report_comes_to_one_split_however_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("uid,split\nCXR1,train\n2,test\n1,train\n")
    assert read_splits(tmp_path / "s.csv") == {"1": Split.TRAIN, "2": Split.TEST}
    (tmp_path / "s.csv").write_text("uid,split\nCXR1,train\n2,test\n1,test\n")
    with pytest.raises(SourceError, match="line 4 says of 1 something else than line 2: keep one of them"):
        read_splits(tmp_path / "s.csv")


def members(splits: dict[str, Split], split: Split) -> set[str]:
    return {key for key, side in splits.items() if side is split}


@pytest.mark.parametrize("count", [2, 3, 7, 20, 999, 26_684])
def test_70_15_15_is_what_scikit_learn_draws(count: int) -> None:
    keys = [f"{number * 7919 % 1_000_003:06d}" for number in range(count)]
    splits = split_70_15_15([*keys, *keys[:2]])
    train, rest = train_test_split(sorted(keys), test_size=0.3, random_state=0)
    assert members(splits, Split.TRAIN) == set(train)
    if len(rest) > 1:
        test, validate = train_test_split(rest, test_size=0.5, random_state=0)
        assert members(splits, Split.TEST) == set(test)
        assert members(splits, Split.VALIDATE) == set(validate)
    assert len(splits) == count


@pytest.mark.parametrize("count", [2, 9, 15_000])
def test_80_20_is_what_scikit_learn_draws(count: int) -> None:
    keys = [f"{number:x}" for number in range(count)]
    train, validate = train_test_split(sorted(keys), test_size=0.2, random_state=0)
    splits = split_80_20(reversed(keys))
    assert members(splits, Split.TRAIN) == set(train)
    assert members(splits, Split.VALIDATE) == set(validate)


def test_a_random_split_of_one_or_none_is_no_error() -> None:
    assert len(split_70_15_15(["a"])) == 1
    assert split_70_15_15([]) == split_80_20([]) == {}
