import matplotlib
from matplotlib.figure import Figure

from nanocl.reporting import drawing


def test_a_vector_figure_has_no_date_and_is_the_same_twice():
    def svg():
        figure = Figure()
        figure.subplots().plot([1, 2])
        return drawing.content(figure, "svg")

    with drawing.look():
        first, second = svg(), svg()
    assert first == second and b"<dc:date>" not in first


def test_the_settings_of_the_machine_do_not_change_a_figure_and_come_back():
    with matplotlib.rc_context({"font.size": 30}):
        with drawing.look():
            assert matplotlib.rcParams["font.size"] == 7
        assert matplotlib.rcParams["font.size"] == 30
