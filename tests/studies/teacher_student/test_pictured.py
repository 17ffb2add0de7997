"""Each figure shows the settings that it compares."""

import dataclasses

from nanocl.studies.teacher_student.pictured import pictured
from nanocl.studies.teacher_student.settings import Setting


def test_each_figure_shows_the_settings_that_it_compares():
    def entry(**changed):
        return {"setting": dataclasses.asdict(Setting(**changed))}

    plain, angled, other = entry(), entry(angle=30.0), entry(share=0.2)
    own = entry(heads="own")
    shown = pictured([plain, angled, other, own], [])
    assert shown.neurons == {"neurons-one-new": plain}
    assert (shown.angles, shown.comparable) == ([angled], [plain, other])
    assert shown.names() == ["neurons-one-new", "forgetting-against-learning"]
