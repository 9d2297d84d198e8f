// What a page shows, as it is laid out and painted now: `outside()`, `faint()`, `overlaps(selector)`.
// Each answers with a list of what is wrong, in words.
({
  outside() {
    const wide = document.documentElement.clientWidth;
    return this.shown().flatMap((element) => {
      const { left, right } = element.getBoundingClientRect();
      const cut = getComputedStyle(element).textOverflow === "ellipsis"; // on purpose: the whole is elsewhere
      const full = element.clientWidth && element.scrollWidth > element.clientWidth + 1 && !cut && !element.matches(".axis");
      return left < -1 || right > wide + 1 || full ? [`${this.called(element)} ${left}..${right} of ${wide}`] : [];
    });
  },
  faint(least = 4.5) {
    return this.shown().flatMap((element) => this.colours(element).flatMap(([colour, what]) => {
      const worst = Math.min(...this.behind(element).map((back) => this.contrast(this.over(colour, back), back)));
      return worst < least ? [`${this.called(element)} ${what}: ${worst.toFixed(2)}`] : [];
    }));
  },
  overlaps(selector) {
    const boxes = [...document.querySelectorAll(selector)].map((element) => [element, element.getBoundingClientRect()]);
    return boxes.flatMap(([one, a], index) => boxes.slice(index + 1).filter(([, b]) =>
      a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom,
    ).map(([other]) => `${this.called(one)} and ${this.called(other)}`));
  },
  shown() {
    const hidden = (element) => getComputedStyle(element).clipPath === "inset(50%)";
    const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest("svg *");
    const all = [...document.body.querySelectorAll("*")].filter(visible);
    const away = new Set(all.filter(hidden).flatMap((element) => [element, ...element.querySelectorAll("*")]));
    return all.filter((element) => !away.has(element));
  },
  colours(element) { // of the words that stand in it and in no other element, and of those that CSS puts before it
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const before = getComputedStyle(element, "::before");
    return [
      ...(own ? [[this.rgba(getComputedStyle(element).color), "text"]] : []),
      ...(/\w/.test(before.content.replace("none", "")) ? [[this.rgba(before.color), "::before"]] : []),
    ];
  },
  behind(element) { // every colour that its background may have
    const { backgroundColor, backgroundImage } = getComputedStyle(element);
    const painted = backgroundImage.match(/[a-z-]+\([\d., %/a-z-]*\)/g)?.filter((word) => CSS.supports("color", word)) ?? [];
    if (painted.length) return painted.map((word) => this.rgba(word));
    const colour = this.rgba(backgroundColor);
    if (colour[3] === 255) return [colour];
    const above = element.parentElement ? this.behind(element.parentElement) : [[255, 255, 255, 255]];
    return above.map((back) => this.over(colour, back));
  },
  over(colour, back) {
    const share = colour[3] / 255;
    return [0, 1, 2].map((index) => colour[index] * share + back[index] * (1 - share)).concat(255);
  },
  contrast(one, other) {
    const [dark, bright] = [this.luminance(one), this.luminance(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  },
  luminance([red, green, blue]) { // as WCAG 2 has it
    const [r, g, b] = [red, green, blue].map((value) => value / 255).map((value) =>
      value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  },
  rgba(colour) { // whatever way CSS writes it
    if (!this.known.has(colour)) {
      const canvas = new OffscreenCanvas(1, 1).getContext("2d");
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      this.known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return this.known.get(colour);
  },
  known: new Map(),
  called: (element) => `${element.tagName.toLowerCase()}.${element.className} "${element.textContent.trim().slice(0, 40)}"`,
})
