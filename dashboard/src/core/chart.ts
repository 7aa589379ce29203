/** Lines of small charts. */

interface Point {
  at: number;
  value: number;
}

/** No more points than that, the first and the last and the greatest of those between. */
export function thin<P extends Point>(points: readonly P[], most: number): P[] {
  if (points.length <= most) return [...points];
  const every = (points.length - 2) / Math.max(1, most - 2);
  const kept: P[] = [];
  for (let i = 0; i < most - 2; i++) {
    const part = points.slice(1 + Math.floor(i * every), 1 + Math.floor((i + 1) * every));
    kept.push(part.reduce((a, b) => (b.value > a.value ? b : a)));
  }
  return [points[0] as P, ...kept, points.at(-1) as P];
}

/** The path of a line through the points, and of what is below it. */
export function outline(
  points: readonly Point[],
  scale: { from: number; to: number; top: number },
  box: { width: number; height: number },
): { line: string; area: string } {
  if (points.length === 0) return { line: "", area: "" };
  const x = (at: number) => clamp(((at - scale.from) / (scale.to - scale.from)) * box.width, box.width);
  const y = (value: number) => box.height - clamp((value / scale.top) * box.height, box.height);
  const places = points.map(({ at, value }) => `${round(x(at))} ${round(y(value))}`);
  const line = `M${places.join("L")}`;
  const [first, last] = [x(points[0]!.at), x(points.at(-1)!.at)].map(round);
  return { line, area: `${line}L${last} ${box.height}L${first} ${box.height}Z` };
}

/** How fast a sum grows, between each two of its samples: per ms. */
export function rate(points: readonly Point[]): Point[] {
  return points.slice(1).map(({ at, value }, i) => {
    const before = points[i] as Point;
    return { at, value: at > before.at ? Math.max(0, (value - before.value) / (at - before.at)) : 0 };
  });
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(most, value));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
