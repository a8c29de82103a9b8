"use strict";
// The cosines of all pairs as a picture: blue from -1, through the paper at 0, to orange at 1.

const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// canvas: square. told(text): called with what is under the pointer. chosen(token): where it is clicked.
// Returns show({ chords, order, names, looks, token }).
function matrix(canvas, colours, told, chosen) {
  const EDGE = 6;
  let shown = null;
  const under = (event) => {
    const box = canvas.getBoundingClientRect(), count = shown.order.length, inner = box.width - EDGE;
    const cell = (at) => Math.min(count - 1, Math.max(0, Math.floor((at - EDGE) / inner * count)));
    return [shown.order[cell(event.clientY - box.top)], shown.order[cell(event.clientX - box.left)]];
  };
  canvas.addEventListener("pointermove", (event) => {
    if (!shown) return;
    const [i, j] = under(event), count = shown.order.length;
    const value = i === j ? 1 : cosine(shown.chords[pairOf(i, j, count)]);
    told(`cosine of ${shown.names[i]} and ${shown.names[j]}: ${value.toFixed(3)}`);
  });
  canvas.addEventListener("pointerleave", () => told(""));
  canvas.addEventListener("click", (event) => { if (shown) chosen(under(event)[0]); });

  return (next) => {
    shown = next;
    const { chords, order, looks, token } = shown, count = order.length;
    const low = channels(colours[0]), high = channels(colours[1]), paper = channels(variable("--middle"));
    const picture = new ImageData(count, count);
    for (let row = 0; row < count; row++) {
      for (let column = 0; column < count; column++) {
        const i = order[row], j = order[column], value = i === j ? 1 : cosine(chords[pairOf(i, j, count)]);
        const end = value < 0 ? low : high, share = Math.min(1, Math.abs(value));
        for (let k = 0; k < 3; k++) picture.data[4 * (row * count + column) + k] = paper[k] + share * (end[k] - paper[k]);
        picture.data[4 * (row * count + column) + 3] = 255;
      }
    }
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [count, count];
    whole.getContext("2d").putImageData(picture, 0, 0);
    const width = canvas.clientWidth, sharp = devicePixelRatio || 1, brush = canvas.getContext("2d");
    [canvas.width, canvas.height] = [width * sharp, width * sharp];
    brush.scale(sharp, sharp);
    brush.imageSmoothingEnabled = false;
    const inner = width - EDGE, cell = inner / count;
    brush.drawImage(whole, EDGE, EDGE, inner, inner);
    order.forEach((each, place) => {
      brush.fillStyle = looks[each] < 0 ? variable("--line") : colours[looks[each] % colours.length];
      brush.fillRect(EDGE + place * cell, 0, cell + 0.5, EDGE - 1);
      brush.fillRect(0, EDGE + place * cell, EDGE - 1, cell + 0.5);
    });
    if (token >= 0) {
      const at = EDGE + order.indexOf(token) * cell;
      brush.strokeStyle = variable("--ink");
      brush.strokeRect(EDGE, at, inner, cell);
      brush.strokeRect(at, EDGE, cell, inner);
    }
  };
}
