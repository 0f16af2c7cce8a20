"""Every mistake of a user is one family, so that the command line can show it in one sentence."""

from cxr_clip import errors


def test_all_errors_share_one_base() -> None:
    children = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(children) > 5
    assert all(issubclass(child, errors.CxrClipError) for child in children)
    assert all(child.__doc__ for child in children)
