"""The optional packages that serving needs, named in one place; only modules of this folder import them."""

from importlib.util import find_spec

from cxr_clip.errors import MissingPackageError

PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


def require_packages() -> None:
    """Raise MissingPackageError, which says what to install, where one of the packages is absent."""
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if absent:
        raise MissingPackageError(f'serving needs {", ".join(absent)}: pip install "cxr-clip[web]"')
