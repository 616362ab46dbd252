"""Reads and checks samples; nothing here imports JAX, so that bad files are refused at once."""

from typing import Any

from liouville.data import Samples, read_samples
from liouville.errors import LiouvilleError
from liouville.tasks.density.config import DensityConfig
from liouville.tasks.density.split import Split, image_shape


def read(config: DensityConfig, given: Any = None) -> Samples | Split:
    """The samples of a configuration, or those given, checked."""
    options = config.data
    source = options.file if given is None else given
    if source is None:
        raise LiouvilleError("no data: name a file")
    if isinstance(source, Split):
        return source
    if not isinstance(source, Samples):
        names = ("label", "features", "without", "dims", "basis", "weights", "context", "memory")
        source = read_samples(source, **{name: getattr(options, name) for name in names})
    if options.context is not None and source.contexts is None:
        source = source.with_contexts(options.context)
    if source.contexts is not None and source.labels is not None:
        raise LiouvilleError(
            f"{source.source} has classes ({source.label_name or 'labels'}) and contexts, of which "
            "a density knows one; leave the column of the classes out (--without), or write it as "
            "columns of 0 and 1"
        )
    image_shape(config, source.dim, False)
    source.check_numbers()
    source = source.without_dependent()
    return source.check(min_rows=options.min_samples)
