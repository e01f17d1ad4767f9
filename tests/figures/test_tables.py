"""Tables: escaped, set right where they are numbers, never longer than a reader reads."""

from __future__ import annotations

import doctest

from markupsafe import Markup

from polyclinic.figures import numbers
from polyclinic.figures.html import scored, table


def test_rows_may_be_mappings_or_sequences():
    assert table([{"a": 1, "b": "x"}], ["a", "b"]) == table([[1, "x"]], ["a", "b"])


def test_what_a_value_holds_is_text_and_not_markup():
    html = table([["<script>", None]], ["<i>", "b"], "a & b")
    assert "<script>" not in html
    assert '<th scope="col">&lt;i&gt;</th>' in html
    assert "<caption>a &amp; b</caption>" in html
    assert ">–</td>" in html


def test_a_cell_of_a_wide_table_knows_its_heading():
    heads = ["a", "b", "<c>", "d", "e"]
    assert '<td data-head="&lt;c&gt;">y</td>' in table([["v", "x", "y", "z", "w"]], heads)
    assert "data-head" not in table([["v", "x"]], heads[:2])


def test_markup_is_taken_as_it_is():
    assert "<b>x</b>" in table([[Markup("<b>x</b>")]], ["a"])


def test_a_column_of_numbers_is_set_right_and_one_with_words_is_not():
    html = table([["a", 9890, "18–44"], ["b", "<5", "85 and over"]], ["name", "n", "age"])
    assert '<td class="n" style="text-align:right">9,890</td>' in html
    assert '<td class="n" style="text-align:right">&lt;5</td>' in html
    assert "<td>18–44</td>" in html


def test_after_200_rows_it_says_how_many_are_not_shown():
    html = table([[i] for i in range(1250)], ["a"])
    assert html.count("<tr>") == 1 + 200 + 1
    assert "… and 1,050 more rows" in html


def test_a_table_without_rows_keeps_its_columns():
    assert '<th scope="col">a</th>' in table([], ["a"])


def test_a_score_stands_with_its_interval():
    assert "0.761\u00a0to\u00a00.811" in scored(0.786, 0.761, 0.811)
    assert "no\u00a0interval" in scored(0.786, None, None)
    assert scored(None, None, None) is None


def test_the_examples_of_how_numbers_are_written_hold():
    assert doctest.testmod(numbers).failed == 0


def test_a_difference_that_rounds_to_0_has_no_sign():
    assert (numbers.signed(-0.0001), numbers.signed(0.0001), numbers.number(-1234.5)) == ("0.000", "0.000", "−1,234")
