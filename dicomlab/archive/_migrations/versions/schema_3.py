"""Studies are found by patient and date together, without a look at their rows."""

from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Put one index in the place of another."""
    op.drop_index("study_patient_id", "study")
    op.create_index("study_patient_id_StudyDate", "study", ["patient_id", "StudyDate"])
