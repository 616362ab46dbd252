"""Data on the user's side: reading samples, snapshots, events and points; units; writing tables.

Arrays here are NumPy, float64, in the user's units. `AbstractUnits` is the only way from them to
the model's units and back. Nothing in this package imports JAX.
"""

from liouville.data._annotated import Annotated as Annotated
from liouville.data._annotated import annotated_file as annotated_file
from liouville.data._annotated import check_memory as check_memory
from liouville.data._annotated import column_names as column_names
from liouville.data._cells import read_cells as read_cells
from liouville.data._completeness import Completeness as Completeness
from liouville.data._degrees import degrees as degrees
from liouville.data._event_checks import Missing as Missing
from liouville.data._event_checks import Repeats as Repeats
from liouville.data._event_columns import geographic_pairs as geographic_pairs
from liouville.data._event_columns import is_degrees as is_degrees
from liouville.data._event_columns import is_depth as is_depth
from liouville.data._event_columns import is_geographic as is_geographic
from liouville.data._event_files import read_events as read_events
from liouville.data._event_history import check_history as check_history
from liouville.data._event_tables import open_table as open_table
from liouville.data._event_times import TimeUnit as TimeUnit
from liouville.data._event_times import times_on_clock as times_on_clock
from liouville.data._events import Events as Events
from liouville.data._geography import Projection as Projection
from liouville.data._geography import great_circle_km as great_circle_km
from liouville.data._geography import near_longitude as near_longitude
from liouville.data._instants import is_date as is_date
from liouville.data._labels import labels_of as labels_of
from liouville.data._lines import read_lines as read_lines
from liouville.data._names import listed as listed
from liouville.data._names import not_found as not_found
from liouville.data._points import Points as Points
from liouville.data._points import numbers_of as numbers_of
from liouville.data._points import points_among as points_among
from liouville.data._points import points_of as points_of
from liouville.data._points import read_points as read_points
from liouville.data._quantisation import DequantisationMode as DequantisationMode
from liouville.data._quantisation import Quantisation as Quantisation
from liouville.data._quantisation import dequantise as dequantise
from liouville.data._quantisation import rounding_width as rounding_width
from liouville.data._records import number_values as number_values
from liouville.data._records import split_rows as split_rows
from liouville.data._regions import Region as Region
from liouville.data._roles import seconds_of as seconds_of
from liouville.data._sample_files import read_samples as read_samples
from liouville.data._samples import Samples as Samples
from liouville.data._snapshots import NO_GROUP as NO_GROUP
from liouville.data._snapshots import Snapshots as Snapshots
from liouville.data._tables import Table as Table
from liouville.data._tables import text_labels as text_labels
from liouville.data._tables import write_table as write_table
from liouville.data._text_tables import read_table as read_table
from liouville.data._units import AbstractUnits as AbstractUnits
from liouville.data._units import Standardisation as Standardisation
from liouville.data._units import StandardisationMode as StandardisationMode
from liouville.data._units import check_times as check_times
from liouville.data._usgs import download_usgs as download_usgs
