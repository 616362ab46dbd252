"""Stub."""


def contents(fitted, data):
    """Stub."""
    return


def image_shape_of(config, dim, is_discrete):
    """Stub."""
    from liouville.errors import LiouvilleError
    from liouville.plots import image_shape

    try:
        return image_shape(dim, config.data.image, is_discrete)
    except ValueError as error:
        raise LiouvilleError(f"data.image: {error}") from error
