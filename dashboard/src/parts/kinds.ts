/** How a file is shown, by its name. */
export type Kind = "text" | "table" | "page" | "picture" | "other";

/** A picture that can hold a program. */
export const SVG = "image/svg+xml";

const PICTURES = new Map([
  ["png", "image/png"], ["jpg", "image/jpeg"], ["jpeg", "image/jpeg"], ["gif", "image/gif"], ["webp", "image/webp"],
  ["avif", "image/avif"], ["svg", SVG], ["bmp", "image/bmp"], ["ico", "image/x-icon"],
]);

const OTHERS = new Set(
  ("zip gz tgz xz bz2 zst tar 7z pdf docx xlsx pptx odt ods mp3 mp4 webm wav ogg woff woff2 ttf otf "
    + "so o a exe bin wasm pyc class jar db sqlite parquet npy pkl").split(" "),
);

export function kindOf(path: string): Kind {
  const ending = endingOf(path);
  if (PICTURES.has(ending)) return "picture";
  if (ending === "csv" || ending === "tsv") return "table";
  if (ending === "html" || ending === "htm") return "page";
  return OTHERS.has(ending) ? "other" : "text";
}

/** The media type of a picture that browsers show; null of anything else. */
export function pictureType(path: string): string | null {
  return PICTURES.get(endingOf(path)) ?? null;
}

function endingOf(path: string): string {
  return path.toLowerCase().split("/").at(-1)?.split(".").at(-1) ?? "";
}
