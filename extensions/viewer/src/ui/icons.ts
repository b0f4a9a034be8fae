/** Icons on a 24 x 24 grid, drawn with lines in the text's colour. */

import { makeSvg } from "./dom.ts";

const PATHS = {
  crosshair: ["M12 2.5v6M12 15.5v6M2.5 12h6M15.5 12h6", "M12 10.6a1.4 1.4 0 1 0 0 2.8a1.4 1.4 0 0 0 0-2.8z"],
  window: ["M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 0 0 0-17z", "*M12 3.5a8.5 8.5 0 0 1 0 17z"],
  scroll: ["M12 3.5 3.5 8l8.5 4.5L20.5 8z", "M3.5 12.2 12 16.7l8.5-4.5", "M3.5 16.2 12 20.7l8.5-4.5"],
  pan: ["M12 3v18M3 12h18", "M9.5 5.5 12 3l2.5 2.5M9.5 18.5 12 21l2.5-2.5M5.5 9.5 3 12l2.5 2.5M18.5 9.5 21 12l-2.5 2.5"],
  zoom: ["M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13z", "M15.3 15.3 20.5 20.5M10.5 7.7v5.6M7.7 10.5h5.6"],
  invert: ["M4 4h16v16H4z", "*M4 20 20 4v16z"],
  interpolate: ["M4 4h16v16H4z", "M9.33 4v16M14.66 4v16M4 9.33h16M4 14.66h16"],
  reset: ["M4.5 12a7.5 7.5 0 1 0 2.4-5.5L4.5 8.7", "M4.5 4v4.7h4.7"],
  play: ["*M7 4.5v15L19.5 12z"],
  planes: ["M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4z", "M14.5 15h5M14.5 18.5h5"],
  chevron: ["M7 10l5 5 5-5"],
} as const;

export type IconName = keyof typeof PATHS;

/** An icon; a path that begins with a star is filled. */
export function icon(name: IconName): SVGSVGElement {
  const paths = PATHS[name].map((path) =>
    path.startsWith("*") ? makeSvg("path", { d: path.slice(1), fill: "currentColor" }) : makeSvg("path", { d: path }),
  );
  return makeSvg(
    "svg",
    {
      viewBox: "0 0 24 24", width: 20, height: 20, fill: "none", stroke: "currentColor", "stroke-width": 1.6,
      "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true",
    },
    ...paths,
  );
}
