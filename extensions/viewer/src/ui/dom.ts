/** Small makers of elements; text is always set as text, never parsed. */

type Child = Node | string;
type Attributes = Readonly<Record<string, string | boolean | number>>;

const SVG = "http://www.w3.org/2000/svg";

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(name), attributes, children);
}

export function makeSvg<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** Set text only where it differs, so that nothing is laid out again for nothing. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute only where it differs. */
export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** A number as people read it: a true minus sign, no needless decimals. */
export function formatted(value: number, decimals = 2): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text =
    Number.isInteger(value) && size < 1e9 ? String(size)
    : size !== 0 && (size < 1e-3 || size >= 1e7) ? size.toExponential(3)
    : String(Number(size.toFixed(size < 1 ? decimals + 2 : decimals)));
  return value < 0 && Number(text) !== 0 ? `\u2212${text}` : text;
}
