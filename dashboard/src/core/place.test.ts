import fc from "fast-check";
import { expect, it } from "vitest";

import { placeOf } from "./place";

const FILES = "/v1/jobs/0199/files/";
const AT = `${FILES}site/index.html`;

it("finds what lies among the job's files", () => {
  expect(placeOf("a.png", AT)).toBe(`${FILES}site/a.png`);
  expect(placeOf("../my style.css?v=2#x", AT)).toBe(`${FILES}my%20style.css`);
  expect(placeOf(`${FILES}b.png`, AT)).toBe(`${FILES}b.png`);
});

it("finds nothing else", () => {
  const elsewhere = [
    ".", "/", "/v1/system", "/v1/jobs/0200/files/a.png", "../../a.png", "%2e%2e/%2e%2e/a", "..\\..\\a", "//evil.test/v1/jobs/0199/files/a.png",
    "http://evil.test/a.png", `http://127.0.0.1:8000${FILES}a.png`, "http://[", "data:text/css,a", "javascript:alert(1)", "file:///etc/passwd",
  ];
  for (const name of elsewhere) expect(placeOf(name, AT), name).toBeNull();
  expect(placeOf("a.png", "/logs/0199/stdout")).toBeNull();
});

it("never leaves the job, whatever it reads", () => {
  const piece = fc.constantFrom("..", ".", "%2e%2e", "/", "//", "\\", ":", "http:", "v1", "jobs", "0199", "files", "?", "#", "@", " ", "\t");
  const name = fc.oneof(fc.string({ unit: "binary" }), fc.array(piece).map((pieces) => pieces.join("")));
  fc.assert(fc.property(name, (name) => {
    const place = placeOf(name, AT);
    if (place === null) return;
    expect(place.startsWith(FILES)).toBe(true);
    expect(new URL(place, "http://a.test").pathname).toBe(place);
  }), { numRuns: 500 });
});
