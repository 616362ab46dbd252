"""Events in space and time: from a catalogue to a point process, its report and forecasts."""

from liouville.events._catalogues import Catalogue as Catalogue
from liouville.events._config import EventsConfig as EventsConfig
from liouville.events._divide import Parts as Parts
from liouville.events._fit import EventsFit as EventsFit
from liouville.events._fit import fit_events as fit_events
from liouville.events._model import EventModel as EventModel
from liouville.events._model import Scores as Scores
from liouville.events._model import load_events as load_events
