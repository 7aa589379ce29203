import "./Chart.css";

import { useId } from "preact/hooks";

import { outline, thin } from "../core/chart";

/** A value at a time. */
export interface Point {
  at: number;
  value: number;
}

const [WIDTH, HEIGHT] = [320, 72];

/** Rows of the table that says the same. */
const ROWS = 12;

/** How something went over time: a drawing, and a table for those who cannot see it. */
export function Chart({
  title,
  points,
  from,
  to,
  most,
  says,
  time,
}: {
  title: string;
  points: readonly Point[];
  from: number;
  to: number;
  /** What it may come to; drawn as a line where it is near. */
  most?: number | undefined;
  says: (value: number) => string;
  /** Says a time since `from`, in ms. */
  time: (millis: number) => string;
}) {
  const heading = useId();
  const last = points.at(-1)?.value ?? 0;
  const greatest = points.reduce((most, { value }) => Math.max(most, value), 0);
  const shows = most !== undefined && greatest > most / 3;
  const scale = { from, to: Math.max(to, from + 1), top: Math.max(shows ? most : greatest, 1e-9) * 1.06 };
  const box = { width: WIDTH, height: HEIGHT };
  const { line, area } = outline(thin(points, WIDTH), scale, box);
  const limit = shows ? HEIGHT - (most / scale.top) * HEIGHT : null;
  return (
    <figure class="chart">
      <figcaption id={heading}>
        <span>{title}</span>
        <b>{says(last)}</b>
        {most !== undefined && <span class="dim">of {says(most)}</span>}
      </figcaption>
      {points.length > 1 && (
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-labelledby={heading}>
          <desc>{`At most ${says(greatest)}, ${says(last)} at the end, over ${time(to - from)}.`}</desc>
          <path class="chart-area" d={area} />
          <path class="chart-line" d={line} />
          {limit !== null && <line class="chart-limit" x1="0" x2={WIDTH} y1={limit} y2={limit} />}
        </svg>
      )}
      <table class="unseen">
        <caption>{title}</caption>
        <tbody>
          {thin(points, ROWS).map(({ at, value }) => (
            <tr key={at}>
              <th scope="row">{time(at - from)}</th>
              <td>{says(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
