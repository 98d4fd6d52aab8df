"""Exercise 1 of lesson 37: the word error rate."""

import torch
from jaxtyping import Int
from torch import Tensor

from avcl_teach.exercises.exercise import Exercise, Mistake, Property


def count_word_errors(said: Int[Tensor, "n"], heard: Int[Tensor, "m"]) -> float:
    """Fewest exchanges, omissions and additions that turn said into heard, over n."""
    d = list(range(len(heard) + 1))
    for i in range(1, len(said) + 1):
        before, d = d, [i]
        for j in range(1, len(heard) + 1):
            exchange = before[j - 1] + int(said[i - 1] != heard[j - 1])
            d.append(min(exchange, before[j] + 1, d[j - 1] + 1))
    return d[-1] / len(said)


def _table(said, heard, *, exchange=1, omit=1, add=1, free_start=False):
    d = [[0 if free_start else j * add for j in range(len(heard) + 1)]]
    for i in range(1, len(said) + 1):
        d.append([i * omit])
        for j in range(1, len(heard) + 1):
            cost = exchange * int(said[i - 1] != heard[j - 1])
            d[i].append(min(d[i - 1][j - 1] + cost, d[i - 1][j] + omit, d[i][j - 1] + add))
    return d


def by_whole_table(said, heard):
    return _table(said, heard)[-1][-1] / len(said)


def by_recursion(said, heard):
    r, h, known = said.tolist(), heard.tolist(), {}

    def d(i, j):
        if i == 0 or j == 0:
            return i + j
        if (i, j) not in known:
            same = r[i - 1] == h[j - 1]
            known[i, j] = d(i - 1, j - 1) if same else 1 + min(d(i - 1, j - 1), d(i - 1, j), d(i, j - 1))
        return known[i, j]

    return d(len(r), len(h)) / len(r)


def position_by_position(said, heard):
    n = min(len(said), len(heard))
    wrong = int((said[:n] != heard[:n]).sum()) + abs(len(said) - len(heard))
    return wrong / len(said)


def over_what_was_heard(said, heard):
    return _table(said, heard)[-1][-1] / max(len(heard), 1)


def over_the_longer(said, heard):
    return _table(said, heard)[-1][-1] / max(len(said), len(heard))


def never_above_one(said, heard):
    return min(1.0, count_word_errors(said, heard))


def share_of_right_words(said, heard):
    return 1 - count_word_errors(said, heard)


def count_not_rate(said, heard):
    return float(_table(said, heard)[-1][-1])


def exchange_costs_two(said, heard):
    return _table(said, heard, exchange=2)[-1][-1] / len(said)


def additions_are_free(said, heard):
    return _table(said, heard, add=0)[-1][-1] / len(said)


def omissions_are_free(said, heard):
    return _table(said, heard, omit=0)[-1][-1] / len(said)


def first_row_of_zeros(said, heard):
    return _table(said, heard, free_start=True)[-1][-1] / len(said)


def bag_of_words(said, heard):
    left = heard.tolist()
    missing = 0
    for word in said.tolist():
        if word in left:
            left.remove(word)
        else:
            missing += 1
    return max(missing, len(left)) / len(said)


def whole_sentences(said, heard):
    return float(said.tolist() != heard.tolist())


def one_exchange(g):
    return torch.tensor([0, 4, 8, 12]), torch.tensor([0, 5, 8, 12])


def one_omitted_first(g):
    return torch.tensor([0, 4, 8, 12]), torch.tensor([4, 8, 12])


def two_added(g):
    return torch.tensor([3, 7]), torch.tensor([1, 3, 2, 7, 5])


def order_matters(g):
    return torch.tensor([1, 2, 3]), torch.tensor([3, 1, 2])


def nothing_heard(g):
    return torch.tensor([1, 2]), torch.tensor([], dtype=torch.long)


def random_pair(g):
    n, m = (int(torch.randint(1, 8, (1,), generator=g)) for _ in range(2))
    return torch.randint(4, (n,), generator=g), torch.randint(4, (m,), generator=g)


def _perfect(fn, g):
    said = torch.randint(4, (5,), generator=g)
    return float(fn(said, said.clone())) == 0


WORDS = Exercise(
    name="speech.count_word_errors",
    lesson="37",
    title="Count the words that went wrong",
    stars=2,
    minutes=12,
    reference=count_word_errors,
    cases=(one_exchange, one_omitted_first, two_added, order_matters, nothing_heard, random_pair),
    mistakes=(
        Mistake(position_by_position, "Leave out the first word only: how many words are wrong in yours?"),
        Mistake(over_what_was_heard, "Whose words are counted below the line: those said, or those heard?"),
        Mistake(over_the_longer, "Below the line stands one number. Does it depend on what was heard?"),
        Mistake(never_above_one, "Two words said, five others heard: how many errors for each word said?"),
        Mistake(share_of_right_words, "A perfect transcript: which rate of errors should it have?"),
        Mistake(count_not_rate, "A sentence of ten words with one error, and one of two: equally bad?"),
        Mistake(exchange_costs_two, "Is an exchanged word one error, or an omission and an addition?"),
        Mistake(additions_are_free, "A recogniser that says every word of the lexicon: what does it pay?"),
        Mistake(omissions_are_free, "A recogniser that stays silent: what does it pay?"),
        Mistake(first_row_of_zeros, "What does it cost to hear three words before the first one was said?"),
        Mistake(bag_of_words, "All words are there, in another order. Is that a perfect transcript?"),
        Mistake(whole_sentences, "One word of four is wrong. How much of the sentence is?"),
    ),
    alternatives=(by_whole_table, by_recursion),
    properties=(Property("a perfect transcript has no errors", _perfect, "Compare a sentence with itself."),),
    gradient="off",
    large_values=None,
)
