from workbench.inference.choice import with_ends


def test_a_label_that_begins_another_is_told_apart_by_its_end() -> None:
    assert with_ends([[1], [1, 2]], [9]) == [[1, 9], [1, 2, 9]]
    assert with_ends([[1, 2], [3, 4]], [9]) == [[1, 2], [3, 4]]
    assert with_ends([[], [3]], [9]) == [[9], [3, 9]]
