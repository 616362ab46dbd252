"""The fitted model as a user meets it: NumPy in and out, in the user's own units."""

from liouville.model._arguments import Numbers as Numbers
from liouville.model._files import CLASSES as CLASSES
from liouville.model._files import MODEL_FILE as MODEL_FILE
from liouville.model._files import load as load
from liouville.model._laws import bent_clock as bent_clock
from liouville.model._model import Model as Model
from liouville.model._records import ModelAnswers as ModelAnswers
from liouville.model._records import WeightedTrajectories as WeightedTrajectories
