"""The tables of the demo, counted independently: every row accounted for, every trap solved and counted."""

from __future__ import annotations

from datetime import time, timedelta

import polars as pl
import pyarrow.parquet as pq
import pytest
from meds.schema import DataSchema

pytest.importorskip("polyclinic.areas.records", reason="needs the area of records")

ROWS = {
    "adt": 964, "code_status": 153, "crrt_therapy": 928, "hospital_diagnosis": 5_210, "hospitalization": 310,
    "labs": 51_433, "medication_admin_continuous": 14_190, "medication_admin_intermittent": 6_340, "patient": 100,
    "patient_assessments": 32_697, "patient_procedures": 863, "position": 5_094, "respiratory_support": 3_325,
    "vitals": 94_261,
}  # fmt: skip


@pytest.fixture(scope="module")
def summary(clif_timeline):
    return clif_timeline.summary()


@pytest.fixture(scope="module")
def events(clif_timeline):
    return clif_timeline.scan().collect()


def of(events: pl.DataFrame, code: str) -> pl.DataFrame:
    return events.filter(pl.col("code").str.contains(code))


def test_every_row_of_every_table_is_accounted_for(summary):
    assert {n.removeprefix("clif_").removesuffix(".parquet"): t["rows_in"] for n, t in summary["files"].items()} == ROWS
    for tally in (summary, *summary["files"].values()):
        assert tally["rows_in"] == tally["used"] + tally["quarantined"] + sum(tally["non_events"].values())
    assert summary["non_events"] == {"nothing recorded": 28, "repeated under dextrose": 2_280 + 762}


def test_it_is_a_meds_data_set(clif_timeline):
    for shard in clif_timeline.shards():
        DataSchema.validate(pq.read_table(shard))


def test_every_pressure_arrives_and_says_by_which_way_it_was_taken(events):
    pressures = of(events, "^VITAL//map$")
    assert pressures.height == 15_148
    plausible = pressures.filter(pl.col("numeric_value").is_between(20, 200))
    assert pressures.height - plausible.height == 36
    assert plausible.group_by("subject_id", "time").len().filter(pl.col("len") > 1).height == 351
    assert pressures["text_value"].null_count() == 0
    assert pressures["text_value"].n_unique() > 1


def test_the_icu_is_entered_178_times_in_145_intervals_of_100_patients(events):
    stays = of(events, "^ADT_(IN|OUT)//icu").sort("subject_id", "time", "code")
    entries, exits = (stays.filter(pl.col("code").str.starts_with(f"ADT_{way}")) for way in ("IN", "OUT"))
    assert (entries.height, exits.height, entries["subject_id"].n_unique()) == (178, 178, 100)
    touching = entries.join(exits, on=["subject_id", "time"], how="semi").height
    assert 178 - touching == 145


def test_repeats_are_kept_and_counted(summary, events):
    assert summary["repeated"]["VITAL"] == 1_054
    assert of(events, "^VITAL//").height == 94_261 - 6


def test_what_no_patient_can_have_is_in_quarantine_with_its_place(clif_timeline, clif_tables, summary):
    assert (summary["quarantined"], summary["quarantined_values"]) == (6, 7)
    refused = pl.read_parquet(clif_timeline.path / "quarantine" / "*.parquet")
    assert set(refused.filter("whole_row")["file"]) == {"clif_vitals.parquet"}
    vitals = pl.read_parquet(clif_tables / "clif_vitals.parquet")
    rows = refused.filter("whole_row")["row"].to_list()
    rows_outside = sorted(vitals[rows].select("vital_category", "vital_value").rows())
    assert rows_outside[:3] == [("height_cm", 61.0), ("height_cm", 70.0), ("temp_c", 97.2)]
    assert rows_outside[-1] == ("weight_kg", 0.0)
    support = pl.read_parquet(clif_tables / "clif_respiratory_support.parquet")["tidal_volume_obs"]
    assert 585_573.0 in support[refused.filter(column="tidal_volume_obs")["row"].to_list()].to_list()


def test_a_result_is_known_when_it_is_there_and_never_before_it_was_taken(events, summary):
    labs = of(events, "^LAB//").filter(pl.col("time").is_not_null())
    wait = labs["available_time"] - labs["time"]
    assert labs["available_time"].null_count() == 0
    assert wait.min() == timedelta(0)
    assert timedelta(hours=113) < wait.max() < timedelta(hours=115)
    assert summary["noted"]["known before it happened"] == 2


def test_results_that_are_words_stay_words(events, summary):
    labs = of(events, "^LAB//")
    assert labs["numeric_value"].null_count() == labs["text_value"].count() == 103
    lost = summary["files"]["clif_labs.parquet"]["non_events"]
    assert 103 + lost["nothing recorded"] == 107


def test_units_are_trimmed_and_the_missing_ones_counted(events, summary):
    assert summary["noted"]["unit missing"] == 2_596
    assert summary["noted"]["unit trimmed"] == 276
    assert not events["unit"].drop_nulls().str.contains(r"^\s|\s$").any()


def test_a_drug_in_several_units_has_a_code_for_each(events):
    doses = of(events, r"^MEDICATION//.*//(start|rate|given)")
    assert doses.group_by("code").agg(pl.col("unit").n_unique())["unit"].max() == 1
    assert set(of(events, "^MEDICATION//insulin//start")["unit"]) == {"units/hour", "units/min"}


def test_glucose_is_given_once(events):
    assert of(events, "dextrose_in_water_d5w").height == 0
    assert of(events, r"^MEDICATION//dextrose//(start|rate|end)").height == 2_286


def test_where_one_infusion_ends_as_the_next_starts_the_last_word_is_that_it_runs(events):
    parts = pl.col("code").str.extract_groups(r"^MEDICATION//(?<drug>.+?)//(?<action>start|rate|end)(//|$)").struct
    words = events.with_columns(drug=parts.field("drug"), action=parts.field("action")).drop_nulls("action")
    instants = words.group_by("subject_id", "time", "drug", maintain_order=True).agg("action", "text_value")
    named = pl.col("text_value").list
    both = instants.filter(named.contains("FinishedRunning") & named.contains("[Started]"))
    assert both.filter(pl.col("action").list.len() == 2).height == 1_664
    assert set(both["action"].list.last()) == {"start"}


def test_times_are_on_the_clock_of_the_site(summary, events, clif_tables):
    assert summary["zone"] == "Etc/GMT+5"
    source = pl.read_parquet(clif_tables / "clif_hospitalization.parquet")["admission_dttm"]
    admitted = of(events, "^HOSPITAL_ADMISSION")["time"]
    assert sorted(admitted) == sorted(source.dt.replace_time_zone(None).dt.offset_by("-5h"))


def test_codes_that_are_assigned_after_discharge_are_known_at_the_end_of_the_day_of_discharge_or_never(
    events, clif_tables, summary
):
    coded = of(events, "^(DIAGNOSIS|PROCEDURE)//")
    assert coded.height == 5_210 + 863
    stays = pl.read_parquet(clif_tables / "clif_hospitalization.parquet")
    procedures = pl.read_parquet(clif_tables / "clif_patient_procedures.parquet")
    both = procedures.join(stays, on="hospitalization_id", how="left", maintain_order="left")
    # Four were done after the stay that they are billed to; they are known at the end of their own day.
    later = both.select(pl.max_horizontal("discharge_dttm", "procedure_billed_dttm").dt.offset_by("-5h").dt.date())
    last = later.to_series().cast(pl.Datetime("us")) + timedelta(days=1, microseconds=-1)
    assert sorted(of(coded, "^PROCEDURE")["available_time"]) == sorted(last)
    assert "never known, without discharge_dttm" not in summary["noted"]
    diagnoses = of(coded, "^DIAGNOSIS")
    assert set(diagnoses["available_time"].dt.time()) == {time(23, 59, 59, 999_999)}
    assert (diagnoses["available_time"].dt.date() == diagnoses["time"].dt.date()).all()


def test_a_date_without_a_clock_is_known_at_the_end_of_that_day(events):
    deaths = of(events, "^MEDS_DEATH$")
    bare = deaths.filter(pl.col("time").dt.time() == time(0))
    assert (deaths.height, bare.height) == (36, deaths["available_time"].count())
    assert 0 < bare.height < 36


def test_age_comes_from_the_hospitalization(events):
    ages = of(events, "^AGE$")
    assert (ages.height, ages["subject_id"].n_unique()) == (310, 100)
    assert (ages["numeric_value"].min(), ages["numeric_value"].max()) == (21, 93)
    assert of(events, "^MEDS_BIRTH$").height == 0


def test_what_is_true_of_a_patient_has_no_time(events):
    assert events.filter(pl.col("time").is_null()).height == 400
    assert of(events, "^(SEX|RACE|ETHNICITY|LANGUAGE)//")["time"].null_count() == 400


def test_the_identifiers_of_the_source_stay_in_a_table_of_their_own(clif_timeline, events):
    table = pl.read_parquet(clif_timeline.path / "metadata" / "identifiers.parquet")
    assert table.height == 100
    assert set(table["subject_id"]) == set(events["subject_id"])
    assert "10000032" in table["source_id"].to_list()
    assert not events["subject_id"].cast(pl.String).is_in(table["source_id"].implode()).any()


def test_describe_tells_the_whole_story(clif_timeline):
    facts = clif_timeline.describe()
    assert (facts["subjects"], facts["commonest"][0]["code"]) == (100, "VITAL//map")
    assert facts["ingest"]["files"]["clif_vitals.parquet"] == 94_261
    assert "VITAL//map" in clif_timeline._repr_html_()
