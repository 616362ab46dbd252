"""What columns can be: the roles, the names that they usually have, and one list of units.

Every reader asks this table, so that what one reads the others read under the same name.
"""

import re
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple


class Role(NamedTuple):
    """What a column is for.

    Attributes:
        what: the role in words, for messages.
        names: the names taken for it when none is given, as `plain` makes them, best first.
        holds: what its cells are: times of any common type, finite numbers, names that repeat, or
            names that are copied as they are.
        flag: the option that names it on the command line; empty if there is none.
        unit: the unit of its numbers; empty if the file or the user says it.
    """

    what: str
    names: tuple[str, ...]
    holds: Literal["times", "numbers", "classes", "names"]
    flag: str = ""
    unit: str = ""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ROLES = {
    "time": Role(
        "times",
        _words(
            "time times datetime timestamp date_time origin_time origintime event_time date t day "
            "days hour hpf dpf hpi timepoint time_point timepoints age stage sample_labels"
        ),
        "times",
        "--time-key",
    ),
    "pseudotime": Role(
        "pseudotime",
        _words(
            "pseudotime dpt_pseudotime latent_time velocity_pseudotime palantir_pseudotime "
            "monocle_pseudotime slingshot_pseudotime shared_time ct_pseudotime fitted_time"
        ),
        "numbers",
        "--bins",
    ),
    "points": Role(
        "points", _words("x points data images pcs embedding phate"), "numbers", "--features"
    ),
    "longitude": Role(
        "longitudes", _words("longitude lon long lng"), "numbers", "--features", "degrees"
    ),
    "latitude": Role("latitudes", _words("latitude lat"), "numbers", "--features", "degrees"),
    "label": Role("classes", _words("label labels class target y"), "classes", "--label"),
    "mark": Role("marks", _words("magnitude mag mark marks"), "numbers", "--mark"),
    "weights": Role("masses", _words("weights weight w mass masses"), "numbers", "--weights"),
    "sequence": Role(
        "sequences", _words("sequence sequences sequence_id seq"), "names", "--sequence"
    ),
    "batch": Role(
        "batches",
        _words(
            "batch batches batch_id sample samples sample_id sampleid donor donor_id patient "
            "replicate plate lane library library_id orig_ident dataset run"
        ),
        "classes",
    ),
    "cluster": Role(
        "clusters",
        _words(
            "cluster clusters cluster_id leiden louvain seurat_clusters kmeans phenograph celltype "
            "cell_type celltypes cell_types annotation"
        ),
        "classes",
    ),
    "counts": Role(
        "counts and shares of quality",
        _words(
            "n_counts n_genes n_genes_by_counts total_counts pct_counts_mt percent_mt percent_mito "
            "pct_mt pct_mito n_cells n_umi n_umis ncount_rna nfeature_rna doublet_score "
            "log1p_total_counts log1p_n_genes_by_counts total_counts_mt size_factors"
        ),
        "numbers",
    ),
    "identifiers": Role(
        "identifiers",
        _words(
            "id ids index idx row row_id rownames obs_names barcode barcodes cell cell_id cell_ids "
            "cellid cell_name identifier name names key event_id unnamed:_0"
        ),
        "names",
    ),
}
"""By name of the role, what it is."""

USUAL = {role: known.names for role, known in ROLES.items()}
"""By role, the names in lower case that are taken for it when none is given, best first."""

MISSING = {"", "na", "n/a", "<na>", "nan", "nat", "null", "none"}
"""Texts, in lower case, that stand for a value that is not there."""

UNITS = {
    "seconds": (1.0, _words("s sec secs second seconds")),
    "minutes": (60.0, _words("min mins minute minutes")),
    "hours": (3600.0, _words("h hr hrs hour hours hpf hpi")),
    "days": (86400.0, _words("d day days dpf dpi")),
    "weeks": (604800.0, _words("w wk wks week weeks")),
    "embryonic days": (86400.0, _words("e")),
    "postnatal days": (86400.0, _words("p")),
}
"""By name, a unit of time in seconds, and its words in lower case."""

_BRACKET = re.compile(r"\s*[\[(]([^\])]*)[\])]\s*$")

# A longer name is none of ours, and takes long to look at.
_LONGEST = 200


def plain(name: str) -> str:
    """A name in lower case, one ``_`` between its words, without a unit in brackets at its end.

    ``Origin Time`` and ``origin-time`` are ``origin_time``; ``Time (h)`` is ``time``.
    """
    if len(name) > _LONGEST:
        return name
    stem = _BRACKET.sub("", name) or name
    return re.sub(r"[\s_.-]+", "_", stem.strip().casefold())


def usual(role: str, names: Iterable[str], apart: Collection[str] = ()) -> list[str]:
    """Those of some names, besides some, that are usual for a role, in any case; best first."""
    rank = {name: i for i, name in enumerate(USUAL[role])}
    found = [name for name in names if plain(name) in rank and name not in apart]
    return sorted(found, key=lambda name: rank[plain(name)])


def unit_of(word: str) -> str:
    """The unit of time that a word, or the brackets at the end of a name, says; empty if none."""
    bracket = _BRACKET.search(word[:_LONGEST])
    word = (bracket[1] if bracket else word).strip(" _-.:=()#").casefold()
    return next((unit for unit, (_, words) in UNITS.items() if word in words), "")


def seconds_of(word: str) -> float | None:
    """The seconds of the unit of time that a word says, or `None` if it says none."""
    unit = unit_of(word)
    return UNITS[unit][0] if unit else None
