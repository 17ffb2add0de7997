"""What names a logged run."""

from making import a_spec

from nanocl.loggers import facts


def test_a_run_is_named_by_stream_learner_seed_and_digest():
    spec = a_spec("sgd", seed=4, lr=0.5)
    assert facts.name_of(spec) == f"split-digits/sgd_lr=0.5/s4-{spec.digest}"
    noted = facts.of(spec)
    assert (noted["strategy"], noted["options"], noted["seed"]) == ("sgd", "lr=0.5", 4)
    assert (noted["protocol"], noted["digest"]) == ("split-digits", spec.digest)


def test_a_name_is_one_path_whatever_the_options_are():
    long, strange = a_spec(lr="x" * 500), a_spec(protocol="../a", lr="a/b c:'$")
    for spec in (long, strange):
        stream, learner, run = facts.name_of(spec).split("/")
        assert not stream.startswith(".") and len(learner) <= facts.LONGEST
        assert run == f"s0-{spec.digest}"
    assert not set(facts.name_of(strange)) & set(" :'$")
