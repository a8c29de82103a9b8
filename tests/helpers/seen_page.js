// What is wrong with the page as it is seen: text too small or too pale, content wider than the window, what scrolls and
// cannot be reached by a keyboard, and text that stands in no landmark.
(() => {
  const found = { small: [], pale: [], wide: [], unreached: [], outside: [], screens: document.documentElement.scrollHeight / innerHeight };
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => { const n = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0]; return n.length < 4 ? [...n, 1] : n; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3]));
  const ground = (element) => {
    if (!element) return parse(getComputedStyle(document.documentElement).backgroundColor)[3] ? [255, 255, 255] : [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : own[3] ? over(own, ground(element.parentElement)) : ground(element.parentElement);
  };
  if (document.documentElement.scrollWidth > innerWidth) found.wide.push(`page ${document.documentElement.scrollWidth}`);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement, text = node.textContent.trim();
    if (!text || ["SCRIPT", "STYLE", "TITLE"].includes(element.tagName.toUpperCase())) continue;
    if (!element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    if (!element.closest("main, nav")) found.outside.push(text.slice(0, 40));
    const style = getComputedStyle(element), inSvg = element instanceof SVGElement;
    const matrix = inSvg ? element.getScreenCTM() : null;
    const size = parseFloat(style.fontSize) * (matrix ? Math.hypot(matrix.a, matrix.b) : 1);
    const say = text.slice(0, 40);
    if (size < 11 - 0.01) found.small.push(`${say}: ${size.toFixed(2)} px`);
    const ink = parse(inSvg ? style.fill : style.color), behind = ground(inSvg ? element.closest("svg") : element);
    const [high, low] = [light(over(ink, behind)), light(behind)].sort((a, b) => b - a);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.pale.push(`${say}: ${ratio.toFixed(2)}`);
    const range = document.createRange();
    range.selectNodeContents(node);
    const right = Math.max(...[...range.getClientRects()].map((box) => box.right), 0);
    if (right > innerWidth + 1 && !element.closest(".scroll")) found.wide.push(`${say}: ${right.toFixed(0)}`);
  }
  for (const box of document.querySelectorAll("*")) {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth;
    if (scrolls && box.tabIndex < 0) found.unreached.push(box.outerHTML.slice(0, 40));
  }
  return found;
})()
