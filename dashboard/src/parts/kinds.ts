/** How a file is shown, by its name. */
export type Kind = "text" | "table" | "page" | "picture" | "other";

/** Pictures that browsers show. */
export const PICTURES: Record<string, string> = {
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp",
  avif: "image/avif", svg: "image/svg+xml", bmp: "image/bmp", ico: "image/x-icon",
};

const OTHERS = new Set(
  ("zip gz tgz xz bz2 zst tar 7z pdf docx xlsx pptx odt ods mp3 mp4 webm wav ogg woff woff2 ttf otf "
    + "so o a exe bin wasm pyc class jar db sqlite parquet npy pkl").split(" "),
);

export function kindOf(path: string): Kind {
  const ending = path.toLowerCase().split("/").at(-1)?.split(".").at(-1) ?? "";
  if (Object.hasOwn(PICTURES, ending)) return "picture";
  if (ending === "csv" || ending === "tsv") return "table";
  if (ending === "html" || ending === "htm") return "page";
  return OTHERS.has(ending) ? "other" : "text";
}
