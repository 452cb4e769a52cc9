import torch

from pyg_video.datasets.digits.rendering import boxes_on_canvas, ink_box, render, shrink


def tile(*rows: str) -> torch.Tensor:
    return torch.tensor([[int(pixel) * 25 for pixel in row] for row in rows], dtype=torch.uint8)


def test_a_later_digit_covers_an_earlier_one_where_it_has_ink():
    image = torch.stack([tile("44", "44"), tile("80", "08")])[None]
    position = torch.tensor([[[[0, 0], [0, 1]]]])
    assert torch.equal(render(image, position, canvas_size=3)[0, 0], tile("480", "448", "000"))


def test_faint_pixels_do_not_cover():
    image = torch.stack([tile("4"), torch.tensor([[9]], dtype=torch.uint8)])[None]
    assert render(image, torch.zeros(1, 1, 2, 2, dtype=torch.long), canvas_size=1).item() == 100


def test_each_frame_and_clip_has_its_own_canvas():
    image = torch.stack([tile("1"), tile("2")])[:, None]  # two clips of one digit
    position = torch.tensor([[[[0, 0]], [[1, 1]]], [[[0, 1]], [[1, 0]]]])
    expected = [[tile("10", "00"), tile("00", "01")], [tile("02", "00"), tile("00", "20")]]
    assert torch.equal(render(image, position, canvas_size=2), torch.stack([torch.stack(clip) for clip in expected]))


def test_an_equal_frame_is_the_canvas_in_zero_to_one():
    board = torch.randint(0, 256, (2, 3, 5, 5), dtype=torch.uint8)
    assert torch.equal(shrink(board, 5), board[:, :, None].float() / 255)


def test_halving_the_canvas_keeps_the_mean():
    board = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    board[..., 4:12, 4:12] = 255
    frame = shrink(board, 8)
    assert frame.shape == (1, 1, 1, 8, 8)
    torch.testing.assert_close(frame.mean(), board.float().mean() / 255)


def test_ink_box_is_tight():
    image = torch.stack([tile("0000", "0110", "0100"), tile("9000", "0000", "0009")])
    image = torch.nn.functional.pad(image, (0, 0, 0, 1))
    assert ink_box(image).tolist() == [[2, 2, 2, 2], [2, 1.5, 4, 3]]


def test_boxes_follow_the_digits():
    box = torch.tensor([[[2.0, 3.0, 4.0, 6.0]]])  # cx, cy, w, h from the digit's corner
    position = torch.tensor([[[[0, 0]], [[10, 5]]]])  # row, column
    expected = torch.tensor([[[[2, 3, 4, 6.0]], [[7, 13, 4, 6]]]]) / 20
    torch.testing.assert_close(boxes_on_canvas(box, position, canvas_size=20), expected)
