"use strict";
// Tokens on the sphere over depth: each player reads its own data, draws dots, and moves them.
for (const player of document.querySelectorAll(".player")) {
  const data = JSON.parse(player.querySelector("script").textContent);
  const svg = player.querySelector("svg"), slider = player.querySelector("input");
  const button = player.querySelector("button"), label = player.querySelector("output");
  const dots = [...svg.querySelectorAll("g.dot")];
  let depth = data.depths.length - 1, turn = 0, tilt = 0, timer = 0;
  slider.max = depth;

  const show = () => {
    const [c, s, u, v] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const places = data.points[Math.round(depth)];
    dots.forEach((dot, token) => {
      const [up, side, towards] = places.slice(3 * token, 3 * token + 3).map((value) => value / 1000);
      const x = c * side + s * towards, z = c * towards - s * side;
      const y = u * up - v * z, near = u * z + v * up;
      dot.setAttribute("transform", `translate(${x.toFixed(3)} ${(-y).toFixed(3)})`);
      dot.classList.toggle("behind", near < 0);
    });
    slider.value = depth;
    label.textContent = data.depths[Math.round(depth)];
  };
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  const step = () => { if (depth >= data.depths.length - 1) stop(); else { depth += 1; show(); } };

  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (depth >= data.depths.length - 1) depth = 0;
    button.textContent = "Stop";
    timer = setInterval(step, 350);
    show();
  });
  slider.addEventListener("input", () => { stop(); depth = Number(slider.value); show(); });
  svg.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    turn += event.movementX / 120;
    tilt += event.movementY / 120;
    show();
  });
  show();
}
// A link to what stands inside a closed block opens it.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let block = target; block; block = block.parentElement) if (block.tagName === "DETAILS") block.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", unfold);
if (location.hash) unfold();
