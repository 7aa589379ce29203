import "./Icon.css";

/** A small drawing that goes with a word. */
export function Icon({ name }: { name: keyof typeof DRAWN }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={DRAWN[name]} />
    </svg>
  );
}

const DRAWN = {
  system: "M2 3h12v8H2zM6 14h4M8 11v3",
  light: "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1v1M8 14v1M1 8h1M14 8h1M3 3l.8.8M12.2 12.2l.8.8M13 3l-.8.8M3.8 12.2l-.8.8",
  dark: "M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3z",
  help: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM6.2 6.3a1.8 1.8 0 1 1 2.6 1.7q-.8.4-.8 1.3M8 11.3v.4",
  lost: "M2 5.5a9 9 0 0 1 3-1.6M14 5.5a9 9 0 0 0-4-1.9M4.5 8.5a5 5 0 0 1 2-1M7.9 12.3v.2M2 2l12 12",
  stop: "M4 4h8v8H4z",
  again: "M13 8a5 5 0 1 1-1.5-3.6L13 6M13 2.5V6H9.5",
  delete: "M2.5 4h11M6 4V2.5h4V4M4 4l.6 9.5h6.8L12 4M6.7 6.8v4M9.3 6.8v4",
  file: "M4 1.5h5L12.5 5v9.5h-8.5zM9 1.5V5h3.5",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.3 10.3 14 14",
  close: "m4 4 8 8m0-8-8 8",
  down: "M8 2v8.5M4.5 7.5 8 11l3.5-3.5M3 13.5h10",
  above: "m3.5 10 4.5-4.5 4.5 4.5",
  below: "m3.5 6 4.5 4.5L12.5 6",
  next: "m6 3.5 4.5 4.5L6 12.5",
} as const;
