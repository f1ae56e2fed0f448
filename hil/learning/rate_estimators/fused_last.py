"""As `fused`, from the last membrane of a run, for devices that show nothing else."""

from hil.learning.rate_estimator import Estimator
from hil.learning.rate_estimators.fused import from_last

ESTIMATOR = Estimator("fused_last", "last", from_last)
