from curves import BLOCKS, ROWS, Limits, exponent, exponents, number_of_nodes


def point(value, ms, mib, axis="frames", way="ours"):
    return {"block": "dyreg", "axis": axis, "value": value, "way": way, "ms": {"median": ms}, "peak_mib": mib}


def test_the_exponent_is_that_of_the_upper_half():
    assert exponent([1, 2, 4, 8, 16, 32], [1, 1, 1, 8**2, 16**2, 32**2]) == 2.0
    assert exponent([8, 16], [3.0, 6.0]) == 1.0
    assert exponent([8], [3.0]) is None


def test_every_curve_has_its_exponents():
    points = [point(value, 2.0 * value, 3.0 * value**2) for value in (8, 16, 32)]
    assert exponents([*points, point(9, 1.0, 1.0, axis="nodes")]) == [
        {"block": "dyreg", "axis": "frames", "way": "ours", "up_to": 32, "time": 1.0, "memory": 2.0},
        {"block": "dyreg", "axis": "nodes", "way": "ours", "up_to": 9, "time": None, "memory": None},
    ]


def test_a_way_stops_where_its_next_point_would_cost_too_much():
    limits = Limits(seconds=1.0, mib=100.0)
    assert limits.allow([], 1000)
    assert limits.allow([point(8, 100, 1)], 64)
    assert not limits.allow([point(8, 100, 1)], 128)  # 1.6 s, were it linear
    assert not limits.allow([point(8, 25, 1), point(16, 100, 1)], 64)  # 1.6 s, since it is quadratic
    assert not limits.allow([point(8, 1, 60)], 16)


def test_nodes_of_the_curves():
    nodes = {block: [number_of_nodes(block, n) for n in rows] for block, rows in ROWS.items()}
    assert nodes == {"dyreg": [9, 16, 36, 64, 144, 256], "rstg": [14, 30, 55, 91, 140, 204]}
    assert BLOCKS["rstg"](8, rows=4).ways["ours"].module.builder.num_nodes == 30
