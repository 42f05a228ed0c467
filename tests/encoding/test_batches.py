import itertools

import hypothesis.strategies as st
import torch
from hypothesis import given, settings

from tcstudy.encoding.batches import GROUP_TOKENS, collate, plan_micro_batches
from tcstudy.encoding.documents import Document


def document(*lengths: int, label: int = 0) -> Document:
    return Document([list(range(1, length + 1)) for length in lengths], label, sum(lengths))


def test_worked_by_hand():
    documents = [document(3), document(9), document(4), document(8), document(2)]
    # longest first: 9 and 8 pad to 18 tokens; 4, 3, 2 pad to 12
    assert plan_micro_batches(documents, budget=18) == [[1, 3], [2, 0, 4]]


def test_fractions_of_a_document_stay_together():
    documents = [document(5, 5, 2), document(5), document(4)]
    assert plan_micro_batches(documents, budget=10) == [[0], [1, 2]]


def test_documents_of_unlike_length_are_parted_where_padding_costs_more_than_another_group():
    alike = [document(60), document(50), document(60)]
    assert plan_micro_batches(alike, budget=1024) == [[0, 2, 1]]  # 180 tokens, instead of 170 and another group
    unlike = [document(200), document(10), document(200), document(10)]
    assert plan_micro_batches(unlike, budget=1024) == [[0, 2], [1, 3]]  # 420 tokens and two groups, instead of 800


@given(st.lists(st.integers(1, 300), min_size=1, max_size=9), st.integers(1, 1000))
def test_no_other_cuts_of_the_sorted_documents_lose_less(lengths, budget):
    def lost(groups):
        padded = [len(group) * max(group) for group in groups]
        fits = all(tokens <= budget or len(group) == 1 for tokens, group in zip(padded, groups, strict=True))
        return sum(padded) + GROUP_TOKENS * len(groups) if fits else float("inf")

    planned = plan_micro_batches([document(length) for length in lengths], budget)
    assert lost([[lengths[i] for i in group] for group in planned]) == min(map(lost, ways_to_cut(lengths)))


@given(
    st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=4), max_size=30),
    st.integers(1, 200),
)
def test_each_document_once_and_the_budget_kept(lengths, budget):
    documents = [document(*of_one) for of_one in lengths]
    groups = plan_micro_batches(documents, budget)
    assert sorted(row for group in groups for row in group) == list(range(len(documents)))
    for group in groups:
        padded = sum(len(documents[i].fractions) for i in group) * max(documents[i].longest for i in group)
        assert padded <= budget or len(group) == 1


def test_several_processes_get_equal_shares():
    documents = [document(length) for length in (500, 400, 300, 200, 100, 100)]
    assert plan_micro_batches(documents, budget=16_384, unpadded=True, processes=2) == [[0, 1], [2, 3, 4, 5]]
    # of two equal groups each is over the budget, of four none
    assert plan_micro_batches(documents, budget=500, unpadded=True, processes=2) == [[0], [1], [2], [3, 4, 5]]
    assert plan_micro_batches(documents[:1], budget=500, processes=2) == [[0]]
    # one long document decides how large a group is; the others could be put together, but there are processes for them
    assert len(plan_micro_batches([document(500), *[document(10)] * 5], 16_384, processes=4)) == 4


@settings(deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=7), st.integers(1, 2000), st.integers(2, 4), st.booleans())
def test_no_other_cuts_give_processes_more_equal_shares(lengths, budget, processes, unpadded):
    def computed(group):
        return sum(group) if unpadded else len(group) * max(group)

    documents = [document(length) for length in lengths]
    groups = plan_micro_batches(documents, budget, unpadded, processes=processes)
    assert sorted(row for group in groups for row in group) == list(range(len(documents)))
    assert len(groups) % processes == 0 or len(groups) == len(documents)
    largest = [max(computed(part) for part in parts) for parts in ways_to_cut(lengths) if len(parts) <= len(groups)]
    assert max(computed([lengths[i] for i in group]) for group in groups) == min(largest)
    assert min(largest) <= max(budget, *lengths)


def ways_to_cut(lengths):
    """All ways to part lengths, longest first."""
    ordered = sorted(lengths, reverse=True)
    places = range(1, len(ordered))
    cuts = itertools.chain.from_iterable(itertools.combinations(places, number) for number in range(len(ordered)))
    return ([ordered[start:end] for start, end in itertools.pairwise((0, *chosen, len(ordered)))] for chosen in cuts)


def test_where_starting_a_group_takes_long_everything_goes_at_once():
    unlike = [document(200), document(10), document(200), document(10)]
    assert plan_micro_batches(unlike, budget=16_384, group_tokens=8_192) == [[0, 2, 1, 3]]


def test_collate_pads_to_a_rectangle_and_masks_it():
    batch = collate([document(2, 1, label=7), document(3, label=8)], rows=[1, 0], pad=0)
    assert torch.equal(batch.input_ids, torch.tensor([[1, 2, 3], [1, 2, 0], [1, 0, 0]]))
    assert torch.equal(batch.attention_mask, (batch.input_ids > 0).long())
    assert batch.fractions == (1, 2)
    assert batch.labels.tolist() == [8, 7]
    assert batch.rows == (1, 0)


def test_halves_hold_the_same_documents_with_all_their_fractions():
    documents = [Document([[2, 5, 3]], 0, 1), Document([[2, 6, 7, 3], [2, 8, 3]], 1, 3), Document([[2, 9, 3]], 2, 1)]
    whole = collate(documents, [1, 0, 2], pad=0)
    first, second = whole.halves()
    assert (first.fractions, second.fractions) == ((2,), (1, 1))
    assert first.input_ids.tolist() == [[2, 6, 7, 3], [2, 8, 3, 0]]
    assert (first.rows, second.rows) == ((1,), (0, 2))
    assert second.labels.tolist() == [0, 2]
    assert [len(half.halves()) for half in (first, second)] == [1, 2]
